"""Reader of journals with damaged lines: a damaged line loses one trial and shifts no number.

A stand-in replaces a damaged line that created a trial, as in the repair. If damage may have
hidden created trials, the next record of a worker proves the number of its last trial. Records of
trials that no line creates prove that creating lines are missing.
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
STUDY_LOST = "a line that creates a study is damaged or missing: this study may have another name"
MISSING = "lines that create trials are missing: {0}; other lines show these trials"
WITHOUT_STUDY = "trials of a damaged journal left out because their study is unknown: {0}"
MOST_HIDDEN = 10_000  # trials; damage changed the number in a record that shows more
UNFINISHED = ("RUNNING", "WAITING")
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
        # Numbers of trials before each damage that may have hidden created trials; the last trial
        # that each worker created since; and records that wait until the hidden ones are counted.
        self.uncertain: list[int] = []
        self.created_since: dict[str, int] = {}
        self.held: list[tuple[int, dict[str, Any], bytes]] = []
        self.proven = 0  # trials whose place in the order of creation a record proves
        self.missing = 0  # creating lines that are missing without a trace
        self.without_study: int | None = None  # place of the first trial whose study is unknown
        self.flagged: list[Trial] = []  # trials whose number is uncertain

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
        if self.lost:
            self.apply_damage()
        if not self.journal.created or record["op_code"] == CREATE_TRIAL:
            self.create_missing_study(record)
        trial = record.get("trial_id", -1)
        if self.is_changed(record):
            self.lost.append(text)
        elif trial >= self.proven and not self.is_certain(trial, str(record.get("worker_id"))):
            self.hold(record, text)
        else:
            self.apply(record, text)

    def create_missing_study(self, record: dict[str, Any]) -> None:
        """Create the study whose first trial a record creates although no line creates it."""
        creates_trial = record["op_code"] == CREATE_TRIAL
        is_first = not self.journal.created and record["op_code"] != CREATE_STUDY
        if is_first or (creates_trial and record.get("study_id") == self.journal.created):
            self.create_study(b"")

    def apply(self, record: dict[str, Any], text: bytes) -> None:
        """Apply a record whose trial is certain."""
        if record["op_code"] == CREATE_STUDY:
            self.name_study(record)
        before, trial = len(self.journal.trials), record.get("trial_id")
        if not self.journal.apply(record):
            self.lost.append(text)
        elif len(self.journal.trials) > before and "state" not in record:
            self.created_since[str(record.get("worker_id"))] = before
        if self.stand_ins and trial is not None:
            self.stand_ins.pop(id(self.journal.trials[trial][1]), None)

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
        text, self.lost, count = b"".join(self.lost), [], len(self.lost)
        self.damaged += count
        created = [self.stand_in(segment) for segment in BEGIN.split(text)]
        if HOLE.search(text) or not any(created):
            self.mark_uncertain(certain=not may_have_created(text))

    def stand_in(self, segment: bytes) -> bool:
        """Create the trial or study of a damaged line; return whether the line created one."""
        created = created_by(segment)
        if created == CREATE_STUDY:
            if not self.journal.studies or json_of(STUDY_NAME, segment) is not None:
                self.create_study(segment)  # otherwise it may be the line of a resumed run
        elif created == CREATE_TRIAL:
            match = STUDY_ID.search(segment)
            study = int(match[1]) if match else None
            self.create_trials(study, time_in(segment), len(self.journal.trials), 1)
        return created is not None

    def create_study(self, segment: bytes) -> None:
        """Create the study of a damaged or missing line."""
        name, directions = json_of(STUDY_NAME, segment), json_of(DIRECTIONS, segment)
        number = self.journal.created
        shown = f"{self.journal.source} (study {number + 1})" if number else self.journal.source
        self.journal.create_study({"study_name": name or shown, "directions": directions or [0]})
        if number < self.journal.created and not (name and directions):
            self.unnamed = self.journal.studies[number]
            for study in self.journal.studies.values():
                study.flags += [STUDY_LOST] * (STUDY_LOST not in study.flags)

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

    def create_trials(self, study: int | None, start: str | None, place: int, count: int) -> None:
        """Insert stand-ins at a place in the order of creation, and renumber later trials.

        If their study is unknown, they belong to none, and the later numbers of all studies are
        uncertain.
        """
        studies = self.journal.studies
        if study not in studies:
            study = next(iter(studies)) if len(studies) == 1 else None
        added = [Trial(-1, datetime_start=local_time(start)) for _ in range(count)]
        self.stand_ins.update((id(trial), trial) for trial in added)
        self.journal.trials[place:place] = [(study, trial) for trial in added]
        if study is None:
            if count and (self.without_study is None or place < self.without_study):
                self.without_study = place
            return
        members = [trial for owner, trial in self.journal.trials if owner == study]
        for number, trial in enumerate(members):
            trial.number = number
        studies[study].trials = {trial.number: [trial] for trial in members}

    def mark_uncertain(self, *, certain: bool = False) -> None:
        """Mark the numbers of all trials created later as uncertain, unless `certain`."""
        if not certain and self.journal.created:
            if not self.uncertain:
                self.created_since = {}
            self.uncertain.append(len(self.journal.trials))

    def is_certain(self, trial: int, worker: str) -> bool:
        """Return whether the trial of a record is certain although trials may be hidden.

        The first record of a worker after it created a trial refers to this trial. The difference
        of the two numbers is the number of hidden trials, and stand-ins replace those.
        """
        total, last = len(self.journal.trials), self.created_since.get(worker)
        if not self.uncertain:
            if last == trial:
                self.proven = max(self.proven, trial + 1)
            return trial < total
        first = self.uncertain[0]
        if trial < first:
            return True
        if self.created_since and last is None:
            return False
        hidden = trial - total + 1 if last is None else trial - last
        if not 0 <= hidden <= MOST_HIDDEN:
            return False
        self.replace_hidden(first, self.uncertain[-1], hidden)
        return True

    def replace_hidden(self, first: int, last: int, hidden: int) -> None:
        """Insert stand-ins for hidden trials, which damage between two places hides.

        Records belong to their trials again; those that were added with their results, and so have
        no records, may be at wrong places.
        """
        if hidden:
            self.flag_added(first, last)
        self.create_trials(None, None, first, hidden)
        self.uncertain, self.created_since = [], {}
        held, self.held = self.held, []
        for _, record, text in held:
            self.add(record, text)

    def flag_added(self, first: int, last: int) -> list[Trial]:
        """Flag the trials of a range that were added with their results; return the others."""
        trials = [trial for _, trial in self.journal.trials[first:last]]
        self.flagged += [trial for trial in trials if trial.state not in UNFINISHED]
        return [trial for trial in trials if trial.state in UNFINISHED]

    def hold(self, record: dict[str, Any], text: bytes) -> None:
        """Keep a record whose trial is unknown; two of trials that no line creates prove these."""
        total = len(self.journal.trials)
        hidden = record["trial_id"] - total + 1
        if hidden > MOST_HIDDEN:
            self.damaged += 1
            return
        self.held.append((hidden, record, text))
        if not self.uncertain and len(self.held) > 1:
            hidden = min(hidden for hidden, *_ in self.held)
            self.missing += hidden
            running = self.flag_added(self.proven, total)
            self.stand_ins.update((id(trial), trial) for trial in running)
            self.replace_hidden(total, total, hidden)

    def finish(self) -> list[Study]:
        """Return the studies, without the stand-ins that no record uses."""
        if self.lost:
            self.apply_damage()
        self.damaged += len(self.held)
        unused = {id(trial) for trial in self.stand_ins.values()}
        for study in self.journal.studies.values():
            study.trials = {n: r for n, r in study.trials.items() if id(r[0]) not in unused}
        places = [
            *self.uncertain[:1],
            *([] if self.without_study is None else [self.without_study]),
        ]
        later = self.journal.trials[min(places) :] if places else []
        for trial in {id(t): t for t in (*self.flagged, *(t for _, t in later))}.values():
            trial.flags.append(NUMBER_UNCERTAIN)
        return self.journal.finish()

    def problems(self) -> list[str]:
        """Return a sentence about each kind of loss."""
        lost = sum(study is None for study, _ in self.journal.trials)
        sentences = (
            (HINT, self.damaged + self.missing),
            (MISSING, self.missing),
            (WITHOUT_STUDY, lost),
        )
        return [sentence.format(count) for sentence, count in sentences if count]


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
    findings.problems += reader.problems()
    return studies
