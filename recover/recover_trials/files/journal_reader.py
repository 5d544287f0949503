"""Journals with damaged lines: one lost line costs one trial, and no number moves.

A damaged line that created a trial is replaced by a stand-in, as the repair does. If damage may
have hidden a creation, the next record of a worker shows the true number of its last trial.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from recover_trials.files.journal import Journal, local_time
from recover_trials.files.journal_pieces import BEGIN, pieces_in
from recover_trials.files.journal_stand_ins import (
    CREATE_STUDY,
    CREATE_TRIAL,
    DELETE_STUDY,
    HOLE,
    created_by,
    may_have_created,
    time_in,
)
from recover_trials.findings import Findings
from recover_trials.model import NUMBER_UNCERTAIN, Study, Trial

HINT = "recover-trials --repair makes the journal readable for Optuna again"
STUDY_ID = re.compile(rb'"study_id":(\d{1,9})\b')
STUDY_NAME = re.compile(rb'"study_name":\s?("(?:[^"\\]|\\.)*")')
DIRECTIONS = re.compile(rb'"directions":\s?(\[[\d, ]+\])')


class JournalReader:
    """Feeds the records of a journal to its replay, and stand-ins for damaged lines."""

    def __init__(self, source: str) -> None:
        self.journal = Journal(source)
        self.line = self.damaged = 0
        self.lost: list[bytes] = []  # damaged lines, one directly after the other
        self.stand_ins: dict[int, Trial] = {}  # by the id of their object, until a record uses one
        self.unnamed: Study | None = None  # a study whose line is damaged
        # After damage that may have hidden creations: the number of trials before it, and the
        # numbers of the trials that each worker has created since.
        self.suspect: int | None = None
        self.since: dict[str, int] = {}

    def feed(self, line: bytes) -> None:
        """Read a line."""
        self.line += 1
        if not line.strip():
            return
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict) and isinstance(record.get("op_code"), int):
            self.add(record, line)
            return
        for piece in pieces_in(self.line, line, ended=True):
            if piece.record is not None:
                self.add(piece.record, piece.text)
            elif piece.alone:
                self.lost.append(piece.text)
            else:  # a line without an end, which no process has read if it was cut at once
                self.damaged += 1
                self.suspect_from_here(certain=not may_have_created(piece.text))

    def add(self, record: dict[str, Any], text: bytes) -> None:
        """Apply a record after the damage before it; one that cannot be applied is damage, too."""
        self.settle()
        if not self.journal.created and record["op_code"] != CREATE_STUDY:
            self.create_study(b"")
        if self.is_changed(record):
            self.lost.append(text)
            return
        if self.suspect is not None and "trial_id" in record and not self.is_certain(record):
            self.damaged += 1
            return
        if record["op_code"] == CREATE_STUDY:
            self.name_study(record)
        before = len(self.journal.trials)
        if not self.journal.apply(record):
            self.lost.append(text)
        elif len(self.journal.trials) > before and self.suspect is not None:
            self.since[str(record.get("worker_id"))] = before
        if self.stand_ins and record.get("trial_id", before) < before:
            self.stand_ins.pop(id(self.journal.trials[record["trial_id"]][1]), None)

    def is_changed(self, record: dict[str, Any]) -> bool:
        """Return whether damage changed a record into another one that Optuna accepts."""
        if record["op_code"] == DELETE_STUDY:
            return record.keys() > {"op_code", "worker_id", "study_id"}
        if record["op_code"] == CREATE_TRIAL:
            study = record.get("study_id")
            return not isinstance(study, int) or not 0 <= study < self.journal.created
        trial = record.get("trial_id", 0)
        return not isinstance(trial, int) or isinstance(trial, bool) or trial < 0

    def settle(self) -> None:
        """Replace the damaged lines so far by stand-ins for the trials that they created."""
        if not self.lost:
            return
        text, self.lost, count = b"".join(self.lost), [], len(self.lost)
        self.damaged += count
        made = [self.stand_in(segment) for segment in BEGIN.split(text)]
        if HOLE.search(text) or not any(made):
            self.suspect_from_here(certain=not may_have_created(text))

    def stand_in(self, segment: bytes) -> bool:
        """Add what a damaged line created; return whether it created something."""
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
        """Create the study of a damaged line, unless a later run wrote the line again."""
        name, directions = json_of(STUDY_NAME, segment), json_of(DIRECTIONS, segment)
        if not self.journal.studies or name is not None:
            record = {"study_name": name or self.journal.source, "directions": directions or [0]}
            self.journal.create_study(record)
            self.unnamed = None if name and directions else self.journal.studies.get(0)

    def name_study(self, record: dict[str, Any]) -> None:
        """Give the study of a damaged line the name in the line of a later run."""
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
        """Insert stand-ins at a place in the order of creation; later trials move up."""
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

    def suspect_from_here(self, *, certain: bool = False) -> None:
        """Doubt the numbers of the trials that are created from here on."""
        if self.suspect is None and not certain and self.journal.studies:
            self.suspect, self.since = len(self.journal.trials), {}

    def is_certain(self, record: dict[str, Any]) -> bool:
        """Return whether the trial of a record after suspect damage is known.

        The first record of a worker after a creation is about the created trial: the difference
        of the numbers is the number of creations that the damage hid.
        """
        trial, suspect = record["trial_id"], self.suspect or 0
        if trial < suspect:
            return True
        worker = str(record.get("worker_id"))
        total = len(self.journal.trials)
        if self.since and worker not in self.since:
            return False
        hidden = trial - self.since[worker] if self.since else trial - total + 1
        if hidden < 0 or len(self.journal.studies) != 1:
            return False
        self.create_trials(next(iter(self.journal.studies)), None, suspect, hidden)
        self.suspect = None
        return True

    def finish(self) -> list[Study]:
        """Return the studies; a stand-in that no record uses is a number without a line."""
        self.settle()
        unused = {id(trial) for trial in self.stand_ins.values()}
        for study in self.journal.studies.values():
            study.trials = {n: r for n, r in study.trials.items() if id(r[0]) not in unused}
        for _, trial in self.journal.trials[self.suspect :] if self.suspect is not None else ():
            trial.flags.append(NUMBER_UNCERTAIN)
        return self.journal.finish()


def json_of(pattern: re.Pattern[bytes], text: bytes) -> Any:
    """Return the value of the JSON that a pattern finds in a text; None if it is damaged."""
    match = pattern.search(text)
    try:
        return json.loads(match[1]) if match else None
    except ValueError:
        return None


def read_journal(blocks: Iterable[bytes], source: str, findings: Findings) -> list[Study]:
    """Return the studies of a journal; damaged lines are counted and reported."""
    reader = JournalReader(source)
    for block in blocks:
        for line in block.split(b"\n"):
            reader.feed(line)
    studies = reader.finish()
    findings.damaged = reader.damaged
    if reader.damaged:
        findings.problems.append(HINT)
    return studies
