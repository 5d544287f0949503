"""Repair of Optuna journals: damaged lines are removed, so that Optuna can read the file.

A crash can cut a line before any process has read it, and another process may append its own line
to the cut one. The cut line is removed. Bytes can also change after processes have read the line.
If that line created a trial, later lines refer to the trial by its place in the order of creation:
a stand-in replaces the line. Optuna itself decides which lines are readable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from recover_trials.errors import RepairError

BEGIN = re.compile(rb'(?=\{"op_code":)')
TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?\+00:00")
CREATES_TRIAL = re.compile(rb'"op_code":4,|"study_id":\d+,"datetime_start":')
HOLE = re.compile(rb"[^ -~]{2,}")  # journals are ASCII; a hole may have been many lines
BARE = re.compile(rb'"datetime_start":"[^"]*"\}\s*\Z')  # creates a running trial
CREATES_STUDY = re.compile(rb'"study_name":|"directions":\[')
# Keys that a line without `op_code: 4` has.
OTHERS = (b'"trial_id":', b'"user_attr":', b'"system_attr":', b'"study_name":')
CREATE_STUDY, DELETE_STUDY, CREATE_TRIAL = 0, 1, 4
FAIL = 3
LOST = {"fail_reason": "lost", "error": "the line of this trial was damaged"}
AMBIGUOUS = (
    "line {0} may have created a trial, and line {1} belongs to a trial that no whole line"
    " creates: the trials of later lines are ambiguous"
)
DECODER = json.JSONDecoder()


class Piece(NamedTuple):
    """A record of a journal, or invalid text (`record` is None); `alone` if it fills its line."""

    line: int
    text: bytes
    record: dict[str, Any] | None
    alone: bool


@dataclass
class Repaired:
    """A journal that Optuna can read.

    Attributes:
        text: new content of the file.
        dropped: damaged lines, by number, with their bytes.
        tail: whether all damage is at the end of the file.
        replaced: lines replaced by a stand-in, which creates a trial or a study.
        kept: damaged lines with an intact record, which was kept.
    """

    text: bytes
    dropped: dict[int, bytes] = field(default_factory=dict)
    tail: bool = True
    replaced: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)


class Numbers:
    """Numbers of studies and trials, which are their places in the order of creation."""

    def __init__(self) -> None:
        self.studies: dict[int, str] = {}
        self.n_studies = self.n_trials = 0

    def apply(self, record: dict[str, Any]) -> None:
        """Apply a record as Optuna does: a used name or a deleted study has no effect."""
        if record["op_code"] == CREATE_STUDY:
            if record["study_name"] not in self.studies.values():
                self.studies[self.n_studies] = record["study_name"]
                self.n_studies += 1
        elif record["op_code"] == DELETE_STUDY:
            self.studies.pop(record["study_id"], None)
        elif record["op_code"] == CREATE_TRIAL:
            self.n_trials += record["study_id"] in self.studies

    def is_changed(self, record: dict[str, Any], *, studies_known: bool) -> bool:
        """Return whether damage changed a record into another one that Optuna accepts.

        Such a record would delete the study or skip the creation of a trial, which would shift
        later numbers.
        """
        if record["op_code"] == DELETE_STUDY:
            return record.keys() > {"op_code", "worker_id", "study_id"}
        if record["op_code"] == CREATE_TRIAL:
            study = record.get("study_id")
            return not isinstance(study, int) or (studies_known and study >= self.n_studies)
        return False

    def precedes_creation(self, record: dict[str, Any]) -> bool:
        """Return whether a record is about a trial that is not created yet."""
        trial = record.get("trial_id", -1)
        return isinstance(trial, int) and trial >= self.n_trials


def repair(content: bytes) -> Repaired:
    """Return a journal without its damaged lines. Raises RepairError if they are ambiguous."""
    pieces = list(pieces_of(content))
    while (bad := first_unreadable(pieces, None)) is not None:
        pieces[bad] = pieces[bad]._replace(record=None)
    if not any(piece.record for piece in pieces):
        raise RepairError("no line is a record of an Optuna journal")
    replaced = stand_ins(pieces)
    # With the stand-ins, Optuna reads records that it ignored before: their trials now exist.
    while (bad := first_unreadable(pieces, replaced)) is not None:
        pieces[bad] = pieces[bad]._replace(record=None)
        replaced = stand_ins(pieces)
    lines: list[bytes] = []
    result = Repaired(b"", replaced=sorted({pieces[index].line for index in replaced}))
    for index, piece in enumerate(pieces):
        lines += replaced.get(index, [])
        if piece.record is not None:
            lines.append(piece.text)
        else:
            result.dropped[piece.line] = result.dropped.get(piece.line, b"") + piece.text
    whole = {piece.line for piece in pieces if piece.record is not None}
    result.kept = sorted(whole & result.dropped.keys())
    result.tail = bool(result.dropped) and min(result.dropped) > max(whole)
    result.text = b"".join(line + b"\n" for line in lines)
    return result


def pieces_of(content: bytes) -> Iterator[Piece]:
    """Yield the records of each line, and invalid text."""
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        yield from pieces_in(number, line, ended=True)
    if rest:
        yield from pieces_in(len(lines) + 1, rest, ended=False)


def pieces_in(number: int, line: bytes, *, ended: bool) -> Iterator[Piece]:
    """Yield the records of a line and the text between them."""
    parts = [part for part in BEGIN.split(line) if part.strip()] or [b""]
    for part in parts:
        record, end = read_record(part)
        alone = ended and len(parts) == 1
        if record is not None:
            yield Piece(number, part[:end], record, alone)
        if record is None or part[end:].strip():
            yield Piece(number, part[end:], None, alone and record is None)


def read_record(text: bytes) -> tuple[dict[str, Any] | None, int]:
    """Return the record that a text begins with, and where it ends."""
    try:
        decoded = text.decode("utf-8", "surrogateescape")  # any bytes may follow the record
        record, end = DECODER.raw_decode(decoded)
        length = len(decoded[:end].encode())
    except (ValueError, RecursionError):
        return None, 0
    if not isinstance(record, dict) or not isinstance(record.get("op_code"), int):
        return None, 0
    return record, length


def first_unreadable(pieces: list[Piece], replaced: dict[int, list[bytes]] | None) -> int | None:
    """Return the first record that Optuna cannot read, or that damage changed.

    Without stand-ins, the studies that damaged lines created are unknown.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import BaseJournalBackend

    at = -1

    class Lines(BaseJournalBackend):
        """The records of this journal."""

        def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
            nonlocal at
            del log_number_from  # the journal is read once, from the start
            numbers = Numbers()
            for at, piece in enumerate(pieces):
                made = [json.loads(line) for line in (replaced or {}).get(at, [])]
                for record in made if piece.record is None else [piece.record]:
                    if numbers.is_changed(record, studies_known=replaced is not None):
                        raise ValueError("changed")
                    yield record
                    numbers.apply(record)

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            raise NotImplementedError  # the journal is only read

    try:
        JournalStorage(Lines())
    except Exception:  # any error of Optuna would end the script that resumes
        return at
    return None


def stand_ins(pieces: list[Piece]) -> dict[int, list[bytes]]:
    """Return the stand-ins of damaged lines that created a trial or study, by index of the piece.

    Raises RepairError if the trials of later lines are ambiguous.
    """
    made: dict[int, list[bytes]] = {}
    named = {p.record["trial_id"] for p in pieces if p.record and "trial_id" in p.record}
    numbers, suspect = Numbers(), 0
    for index, piece in enumerate(pieces):
        if piece.record is not None:
            if numbers.precedes_creation(piece.record) and suspect:
                raise RepairError(AMBIGUOUS.format(suspect, piece.line))
            numbers.apply(piece.record)
        elif piece.alone and not (index and continues(pieces[index - 1], piece)):
            text = b"".join(damage_from(pieces, index))
            lines = [stand_in(segment, numbers, named, pieces) for segment in BEGIN.split(text)]
            made[index] = [line for line in lines if line]
            plain = is_of_other_program(text) or (made[index] and not HOLE.search(text))
            suspect = suspect or (0 if plain else piece.line)
        elif HOLE.search(piece.text):
            suspect = suspect or piece.line
    return {index: lines for index, lines in made.items() if lines}


def continues(before: Piece, piece: Piece) -> bool:
    """Return whether the damage of the line before continues: it may have added a line end."""
    damaged = all(item.record is None and item.alone for item in (before, piece))
    return damaged and before.line == piece.line - 1


def damage_from(pieces: list[Piece], index: int) -> Iterator[bytes]:
    """Yield a damaged line and the damaged lines that directly follow it."""
    yield pieces[index].text
    while index + 1 < len(pieces) and continues(pieces[index], pieces[index + 1]):
        index += 1
        yield pieces[index].text


def stand_in(
    segment: bytes, numbers: Numbers, named: set[int], pieces: list[Piece]
) -> bytes | None:
    """Return the stand-in of a damaged line; None if the line created nothing."""
    record: dict[str, Any] | None = None
    if CREATES_STUDY.search(segment) and b'"trial_id":' not in segment:
        record = study_stand_in(pieces)
    elif CREATES_TRIAL.search(segment) and not any(other in segment for other in OTHERS):
        is_used = numbers.n_trials in named or BARE.search(segment) is not None
        record = trial_stand_in(segment, numbers, is_used=is_used)
    if record is None:
        return None
    numbers.apply(record)
    return json.dumps(record, separators=(",", ":")).encode()


def study_stand_in(pieces: list[Piece]) -> dict[str, Any] | None:
    """Return the record of the only study, which a run that resumed the study wrote again."""
    records = [p.record for p in pieces if p.record and p.record["op_code"] == CREATE_STUDY]
    names = {record["study_name"] for record in records}
    return records[0] if len(names) == 1 else None


def trial_stand_in(segment: bytes, numbers: Numbers, *, is_used: bool) -> dict[str, Any] | None:
    """Return the record of a running trial if later lines use it, otherwise of a failed one."""
    match = re.search(rb'"study_id":(\d+)', segment)
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
    """Return whether a text has no field of a journal, so that another program wrote it."""
    fields = (b"op_code", b"worker_id", b"study_id", b"trial_id", b'":')
    return text.isascii() and b"\0" not in text and not any(field in text for field in fields)
