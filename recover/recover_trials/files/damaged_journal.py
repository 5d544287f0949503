"""Reader of journals with damaged lines: a damaged line loses one trial and shifts no number.

A stand-in replaces a damaged line that created a trial, as in the repair. If damage may have
hidden created trials, the next record of a worker proves the number of its last trial.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from recover_trials.files.journal_pieces import BEGIN, pieces_in
from recover_trials.files.journal_replay import Journal, local_time
from recover_trials.files.journal_stand_ins import (
    CREATE_STUDY,
    CREATE_TRIAL,
    DELETE_STUDY,
    HOLE,
    created_by,
    may_have_created,
    time_in,
)
from recover_trials.model import NUMBER_UNCERTAIN, Study, Trial
from recover_trials.optuna_log.literals import whole_json
from recover_trials.skipped_lines import Findings

HINT = "recover-trials --repair makes the journal readable for Optuna again"
STUDY_ID = re.compile(rb'"study_id":(\d{1,9})\b')
STUDY_NAME = re.compile(rb'"study_name":\s?("(?:[^"\\]|\\.)*")')
DIRECTIONS = re.compile(rb'"directions":\s?(\[[\d, ]+\])')


class JournalReader:
    """Replays the records of a journal, and stand-ins for its damaged lines."""

    def __init__(self, source: str) -> None:
        self.journal = Journal(source)
        self.line = self.damaged = 0
        self.lost: list[bytes] = []  # consecutive damaged lines
        self.stand_ins: dict[int, Trial] = {}  # {id(trial): trial}, until a record uses the trial
        self.unnamed: Study | None = None  # a study whose line is damaged
        # After damage that may have hidden created trials: the number of trials before it, and the
        # index of the last trial that each worker created after it.
        self.uncertain_from: int | None = None
        self.created_since: dict[str, int] = {}

    def feed(self, line: bytes) -> None:
        """Read a line."""
        self.line += 1
        if not line.strip():
            return
        try:
            record = whole_json(line.decode("utf-8", "surrogatepass").strip())
        except UnicodeDecodeError:
            record = None
        if isinstance(record, dict) and isinstance(record.get("op_code"), int):
            self.add(record, line)
            return
        for piece in pieces_in(self.line, line, ended=True):
            if piece.record is not None:
                self.add(piece.record, piece.text)
            elif piece.alone:
                self.lost.append(piece.text)
            else:  # cut before its line end, so that no process has read it
                self.damaged += 1
                self.mark_uncertain(certain=not may_have_created(piece.text))

    def add(self, record: dict[str, Any], text: bytes) -> None:
        """Apply the preceding damage and then a record; an invalid record counts as damage."""
        self.apply_damage()
        if not self.journal.created and record["op_code"] != CREATE_STUDY:
            self.create_study(b"")
        if self.is_changed(record):
            self.lost.append(text)
            return
        if (
            self.uncertain_from is not None
            and "trial_id" in record
            and not self.is_certain(record)
        ):
            self.damaged += 1
            return
        if record["op_code"] == CREATE_STUDY:
            self.name_study(record)
        before = len(self.journal.trials)
        if not self.journal.apply(record):
            self.lost.append(text)
        elif len(self.journal.trials) > before and self.uncertain_from is not None:
            self.created_since[str(record.get("worker_id"))] = before
        if self.stand_ins and record.get("trial_id", before) < before:
            self.stand_ins.pop(id(self.journal.trials[record["trial_id"]][1]), None)

    def is_changed(self, record: dict[str, Any]) -> bool:
        """Return whether damage changed a record into another valid one."""
        if record["op_code"] == DELETE_STUDY:
            return record.keys() > {"op_code", "worker_id", "study_id"}
        if record["op_code"] == CREATE_TRIAL:
            study = record.get("study_id")
            return not isinstance(study, int) or not 0 <= study < self.journal.created
        trial = record.get("trial_id", 0)
        return not isinstance(trial, int) or isinstance(trial, bool) or trial < 0

    def apply_damage(self) -> None:
        """Add stand-ins for the trials that the damaged lines created."""
        if not self.lost:
            return
        text, self.lost, count = b"".join(self.lost), [], len(self.lost)
        self.damaged += count
        created = [self.stand_in(segment) for segment in BEGIN.split(text)]
        if HOLE.search(text) or not any(created):
            self.mark_uncertain(certain=not may_have_created(text))

    def stand_in(self, segment: bytes) -> bool:
        """Create the trial or study of a damaged line; return whether the line created one."""
        created = created_by(segment)
        if created == CREATE_STUDY:
            self.create_study(segment)
        elif created == CREATE_TRIAL:
            match = STUDY_ID.search(segment)
            study = int(match[1]) if match else -1
            if study not in self.journal.studies:
                study = next(reversed(self.journal.studies), -1)
            self.create_trials(study, time_in(segment), len(self.journal.trials), 1)
        return created is not None

    def create_study(self, segment: bytes) -> None:
        """Create the study of a damaged line; if its name is lost, only as the first study."""
        name, directions = json_of(STUDY_NAME, segment), json_of(DIRECTIONS, segment)
        if not self.journal.studies or name is not None:
            record = {"study_name": name or self.journal.source, "directions": directions or [0]}
            self.journal.create_study(record)
            self.unnamed = None if name and directions else self.journal.studies.get(0)

    def name_study(self, record: dict[str, Any]) -> None:
        """Take the name for the study of a damaged line from the record of a resumed run."""
        if self.unnamed is None:
            return
        renamed = Journal(self.journal.source)
        if renamed.apply(record):
            study = renamed.studies[0]
            self.unnamed.name = self.unnamed.optuna_name = study.name
            self.unnamed.about |= {
                **study.about,
                "search_space": self.unnamed.about["search_space"],
            }
            self.unnamed = None

    def create_trials(self, study: int, start: str | None, place: int, count: int) -> None:
        """Insert stand-ins at a place in the order of creation, and renumber later trials."""
        if study not in self.journal.studies:
            return
        for _ in range(count):
            trial = Trial(-1)
            self.stand_ins[id(trial)] = trial
            self.journal.trials.insert(place, (study, trial))
            trial.datetime_start = local_time(start)
        members = [trial for owner, trial in self.journal.trials if owner == study]
        for number, trial in enumerate(members):
            trial.number = number
        self.journal.studies[study].trials = {trial.number: [trial] for trial in members}

    def mark_uncertain(self, *, certain: bool = False) -> None:
        """Mark the numbers of all trials created later as uncertain, unless `certain`."""
        if self.uncertain_from is None and not certain and self.journal.studies:
            self.uncertain_from, self.created_since = len(self.journal.trials), {}

    def is_certain(self, record: dict[str, Any]) -> bool:
        """Return whether the trial of a record is certain although damage may hide trials.

        The first record of a worker after it created a trial refers to this trial. The difference
        of the two numbers is the number of hidden trials, and stand-ins replace those.
        """
        trial, first = record["trial_id"], self.uncertain_from or 0
        if trial < first:
            return True
        worker = str(record.get("worker_id"))
        total = len(self.journal.trials)
        if self.created_since and worker not in self.created_since:
            return False
        hidden = trial - self.created_since[worker] if self.created_since else trial - total + 1
        if hidden < 0 or len(self.journal.studies) != 1:
            return False
        self.create_trials(next(iter(self.journal.studies)), None, first, hidden)
        self.uncertain_from = None
        return True

    def finish(self) -> list[Study]:
        """Return the studies, without the stand-ins that no record uses."""
        self.apply_damage()
        unused = {id(trial) for trial in self.stand_ins.values()}
        for study in self.journal.studies.values():
            study.trials = {n: r for n, r in study.trials.items() if id(r[0]) not in unused}
        first = self.uncertain_from
        uncertain = [] if first is None else self.journal.trials[first:]
        for _, trial in uncertain:
            trial.flags.append(NUMBER_UNCERTAIN)
        return self.journal.finish()


def json_of(pattern: re.Pattern[bytes], text: bytes) -> Any:
    """Return the JSON value that matches a pattern; None if it is missing or damaged."""
    match = pattern.search(text)
    try:
        return json.loads(match[1]) if match else None
    except ValueError:
        return None


def read_journal(blocks: Iterable[bytes], source: str, findings: Findings) -> list[Study]:
    """Return the studies of a journal; add the number of damaged lines to `findings`."""
    reader = JournalReader(source)
    for block in blocks:
        for line in block.split(b"\n"):
            reader.feed(line)
    studies = reader.finish()
    findings.damaged = reader.damaged
    if reader.damaged:
        findings.problems.append(HINT)
    return studies
