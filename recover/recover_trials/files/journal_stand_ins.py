"""Stand-ins for damaged lines of an Optuna journal that created a trial or a study.

Later lines refer to a trial by its place in the order of creation. Without a stand-in, they would
refer to the wrong trials.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from recover_trials.errors import RepairError
from recover_trials.files.journal_pieces import BEGIN, Piece

TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?\+00:00")
CREATES_TRIAL = re.compile(rb'"op_code":4,|"study_id":\d+,"datetime_start":')
HOLE = re.compile(rb"[^ -~]{2,}")  # journals are ASCII; other bytes may replace several lines
OTHER_OPERATION = re.compile(rb'\s*\{"op_code":\s?(?:[0-35-9]|1\d)\b')
BARE = re.compile(rb'"datetime_start":"[^"]*"\}\s*\Z')  # creates a running trial
CREATES_STUDY = re.compile(rb'"op_code":0,|"study_name":|"directions":\[')
# Keys that a line without `op_code: 4` has.
OTHERS = (b'"trial_id":', b'"user_attr":', b'"system_attr":', b'"study_name":')
CREATE_STUDY, DELETE_STUDY, CREATE_TRIAL = 0, 1, 4
FAIL = 3
LOST = {"fail_reason": "lost", "error": "the line of this trial was damaged"}
AMBIGUOUS = (
    "line {0} may have created a trial, and line {1} belongs to a trial that no intact line"
    " creates, so the trials of later lines are ambiguous"
)

MISSING = (
    "a line that creates a trial is missing before line {0}, and so the trials of other lines are"
    " ambiguous"
)


class Numbers:
    """Numbers of studies and trials: their places in the order of creation."""

    def __init__(self) -> None:
        self.studies: dict[int, str] = {}
        self.n_studies = self.n_trials = 0
        self.created_by: dict[str, int] = {}  # the last trial of each worker
        self.n_proven = 0  # the first trials, up to one that its worker used after its creation
        self.n_added = (
            0  # the first trials, up to the last one that was queued, or added with its result
        )

    def apply(self, record: dict[str, Any]) -> None:
        """Apply a record as Optuna does, which ignores a repeated name and a deleted study."""
        if record["op_code"] == CREATE_STUDY:
            if record["study_name"] not in self.studies.values():
                self.studies[self.n_studies] = record["study_name"]
                self.n_studies += 1
        elif record["op_code"] == DELETE_STUDY:
            self.studies.pop(record["study_id"], None)
        elif record["op_code"] == CREATE_TRIAL:
            self.n_trials += record["study_id"] in self.studies
            if "state" in record:
                self.n_added = self.n_trials
            self.created_by[str(record.get("worker_id"))] = self.n_trials - 1
        elif "trial_id" in record:
            last = self.created_by.get(str(record.get("worker_id")), -1)
            if last == record["trial_id"]:
                self.n_proven = max(self.n_proven, last + 1)

    def is_changed(self, record: dict[str, Any], *, has_all_studies: bool) -> bool:
        """Return whether damage changed a record into another valid one.

        Such a record would delete the study, or would not create a trial and so shift later
        numbers.
        """
        if record["op_code"] == DELETE_STUDY:
            return record.keys() > {"op_code", "worker_id", "study_id"}
        if record["op_code"] == CREATE_TRIAL:
            study = record.get("study_id")
            return not isinstance(study, int) or (has_all_studies and study >= self.n_studies)
        return False

    def precedes_creation(self, record: dict[str, Any]) -> bool:
        """Return whether a record refers to a trial that no record has created yet."""
        trial = record.get("trial_id", -1)
        return isinstance(trial, int) and trial >= self.n_trials


def stand_ins(pieces: list[Piece]) -> dict[int, list[bytes]]:
    """Return {index of a piece: stand-ins for the trials or study created at its place}.

    The piece is damaged, or it is the first record of a trial that no line creates; two records
    prove such a trial.

    Raises RepairError if the trials of later lines are ambiguous.
    """
    added: dict[int, list[bytes]] = {}
    named = {p.record["trial_id"] for p in pieces if p.record and "trial_id" in p.record}
    numbers, uncertain_line = Numbers(), 0
    held: list[tuple[int, int]] = []  # pieces of trials that no line creates
    for index, piece in enumerate(pieces):
        if piece.record is not None:
            if numbers.precedes_creation(piece.record):
                if uncertain_line:
                    raise RepairError(AMBIGUOUS.format(uncertain_line, piece.line))
                trial = piece.record["trial_id"]
                is_proven = trial in (other for _, other in held)
                if is_proven and trial - numbers.n_trials < len(pieces):
                    added.setdefault(held[0][0], []).extend(missing(trial, numbers, piece.line))
                    held = [(place, other) for place, other in held if other > trial]
                else:
                    held.append((index, trial))
            numbers.apply(piece.record)
        elif piece.alone and not (index and continues(pieces[index - 1], piece)):
            text = b"".join(damage_from(pieces, index))
            lines = [stand_in(segment, numbers, named, pieces) for segment in BEGIN.split(text)]
            added[index] = [line for line in lines if line]
            certain = is_of_other_program(text) or (added[index] and not HOLE.search(text))
            uncertain_line = uncertain_line or (0 if certain else piece.line)
        elif HOLE.search(piece.text):
            uncertain_line = uncertain_line or piece.line
    return {index: lines for index, lines in added.items() if lines}


def missing(last: int, numbers: Numbers, line: int) -> list[bytes]:
    """Return stand-ins for the trials up to `last` that no line creates.

    Raises RepairError if their study is ambiguous, or the place of a trial that was added.
    """
    lines = []
    while numbers.n_trials <= last:
        record = trial_stand_in(b"", numbers, is_used=True)
        if record is None or numbers.n_added > numbers.n_proven:
            raise RepairError(MISSING.format(line))
        numbers.apply(record)
        lines.append(json.dumps(record, separators=(",", ":")).encode())
    return lines


def continues(before: Piece, piece: Piece) -> bool:
    """Return whether a piece continues the damage of the line before; damage can add line ends."""
    damaged = all(item.record is None and item.alone for item in (before, piece))
    return damaged and before.line == piece.line - 1


def damage_from(pieces: list[Piece], index: int) -> Iterator[bytes]:
    """Yield a damaged line and the damaged lines directly after it."""
    yield pieces[index].text
    while index + 1 < len(pieces) and continues(pieces[index], pieces[index + 1]):
        index += 1
        yield pieces[index].text


def stand_in(
    segment: bytes, numbers: Numbers, named: set[int], pieces: list[Piece]
) -> bytes | None:
    """Return the stand-in of a damaged line; None if the line created nothing."""
    record: dict[str, Any] | None = None
    created = created_by(segment)
    if created == CREATE_STUDY:
        record = study_stand_in(pieces)
    elif created == CREATE_TRIAL:
        is_used = numbers.n_trials in named or BARE.search(segment) is not None
        record = trial_stand_in(segment, numbers, is_used=is_used)
    if record is None:
        return None
    numbers.apply(record)
    return json.dumps(record, separators=(",", ":")).encode()


def created_by(segment: bytes) -> int | None:
    """Return the operation of a damaged line that created a study or a trial; None for others."""
    if CREATES_STUDY.search(segment) and b'"trial_id":' not in segment:
        return CREATE_STUDY
    if CREATES_TRIAL.search(segment) and not any(other in segment for other in OTHERS):
        return CREATE_TRIAL
    return None


def may_have_created(text: bytes) -> bool:
    """Return whether a damaged text may have created a trial of which it shows no trace."""
    return HOLE.search(text) is not None or OTHER_OPERATION.match(text) is None


def study_stand_in(pieces: list[Piece]) -> dict[str, Any] | None:
    """Return the record of the only study; each run that resumes a study writes this record."""
    records = [p.record for p in pieces if p.record and p.record["op_code"] == CREATE_STUDY]
    names = {record["study_name"] for record in records}
    return records[0] if len(names) == 1 else None


def trial_stand_in(segment: bytes, numbers: Numbers, *, is_used: bool) -> dict[str, Any] | None:
    """Return the record of a running trial if later lines use it, otherwise of a failed one."""
    match = re.search(rb'"study_id":(\d{1,9})\b', segment)
    study = int(match[1]) if match else -1
    if study not in numbers.studies:
        if len(numbers.studies) != 1:
            return None
        (study,) = numbers.studies
    start = time_in(segment)
    record = {"op_code": CREATE_TRIAL, "worker_id": "repair", "study_id": study}
    record["datetime_start"] = start
    if not is_used:
        record |= {"state": FAIL, "value": None, "values": None, "user_attrs": LOST}
        record |= {"datetime_complete": start} if start else {}
    return record


def time_in(segment: bytes) -> str | None:
    """Return the first time in a text; None if it is invalid."""
    match = TIME.search(segment)
    try:
        return match and datetime.fromisoformat(match[0].decode()).isoformat("T", "microseconds")
    except ValueError:
        return None


def is_of_other_program(text: bytes) -> bool:
    """Return whether another program wrote a text: it has no field of a journal."""
    fields = (b"op_code", b"worker_id", b"study_id", b"trial_id", b'":')
    return text.isascii() and b"\0" not in text and not any(field in text for field in fields)
