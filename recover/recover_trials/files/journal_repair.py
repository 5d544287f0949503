"""Journals of Optuna whose lines are damaged: which of them can be kept, so that Optuna reads on.

A line cut by a crash, with or without another process's line behind it, was known to no process:
it is dropped. A line whose bytes changed later was known; if it created a trial, later lines count
on it, for trials have no other name than their order, and another creation takes its place.
Optuna itself says which lines it can read.
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
HOLE = re.compile(rb"[^ -~]{2,}")  # journals are ASCII: what had been here may be many lines
BARE = re.compile(rb'"datetime_start":"[^"]*"\}\s*\Z')  # what its line told is known
CREATES_STUDY = re.compile(rb'"study_name":|"directions":\[')
# What no line has that creates a trial.
OTHERS = (b'"trial_id":', b'"user_attr":', b'"system_attr":', b'"study_name":')
CREATE_STUDY, DELETE_STUDY, CREATE_TRIAL = 0, 1, 4
FAIL = 3
LOST = {"fail_reason": "lost", "error": "the line of this trial was damaged"}
RIDDLE = (
    "line {0} may have created a trial, and line {1} tells of one that no whole line creates:"
    " nobody can tell which trials later lines mean"
)
DECODER = json.JSONDecoder()


class Piece(NamedTuple):
    """A record of a journal, or text that is none; `alone` if it is a line of its own."""

    line: int
    text: bytes
    record: dict[str, Any] | None
    alone: bool


@dataclass
class Repaired:
    """A journal that Optuna can read.

    Attributes:
        text: what the file is to hold.
        dropped: damaged lines, by number, with their bytes.
        tail: the damage is at the end only.
        replaced: lines in whose place a trial or study is created, so that no number moves.
        kept: lines of which a whole record was kept, though it shared them with damage.
    """

    text: bytes
    dropped: dict[int, bytes] = field(default_factory=dict)
    tail: bool = True
    replaced: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)


class Numbers:
    """What numbers studies and trials have: their places in the order of creation."""

    def __init__(self) -> None:
        self.studies: dict[int, str] = {}
        self.n_studies = self.n_trials = 0

    def apply(self, record: dict[str, Any]) -> None:
        """Take a record as Optuna does: a name that is taken, or a study that is gone, is none."""
        if record["op_code"] == CREATE_STUDY:
            if record["study_name"] not in self.studies.values():
                self.studies[self.n_studies] = record["study_name"]
                self.n_studies += 1
        elif record["op_code"] == DELETE_STUDY:
            self.studies.pop(record["study_id"], None)
        elif record["op_code"] == CREATE_TRIAL:
            self.n_trials += record["study_id"] in self.studies

    def is_changed(self, record: dict[str, Any], *, studies_known: bool) -> bool:
        """Tell whether a record was changed into one that Optuna takes without a word.

        It would delete the study, or pass over the creation of a trial: later numbers would move.
        """
        if record["op_code"] == DELETE_STUDY:
            return record.keys() > {"op_code", "worker_id", "study_id"}
        if record["op_code"] == CREATE_TRIAL:
            told = record.get("study_id")
            return not isinstance(told, int) or (studies_known and told >= self.n_studies)
        return False

    def unknown(self, record: dict[str, Any]) -> bool:
        """Tell whether a record is about a trial that is not created yet."""
        told = record.get("trial_id", -1)
        return isinstance(told, int) and told >= self.n_trials


def repair(content: bytes) -> Repaired:
    """Return a journal without its damaged lines. Raises RepairError where that proves wrong."""
    pieces = list(pieces_of(content))
    while (bad := first_unreadable(pieces, None)) is not None:
        pieces[bad] = pieces[bad]._replace(record=None)
    if not any(piece.record for piece in pieces):
        raise RepairError("no line is one of a journal of Optuna")
    replaced = stand_ins(pieces)
    # What was passed over, being of a trial that nothing had created, is read now.
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
    """Yield what stands in each line: a record, or several, or text that is none."""
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        yield from pieces_in(number, line, ended=True)
    if rest:
        yield from pieces_in(len(lines) + 1, rest, ended=False)


def pieces_in(number: int, line: bytes, *, ended: bool) -> Iterator[Piece]:
    """Yield the records of a line and what is between them."""
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
        known = text.decode("utf-8", "surrogateescape")  # what stands behind may be anything
        record, end = DECODER.raw_decode(known)
        length = len(known[:end].encode())
    except (ValueError, RecursionError):
        return None, 0
    if not isinstance(record, dict) or not isinstance(record.get("op_code"), int):
        return None, 0
    return record, length


def first_unreadable(pieces: list[Piece], replaced: dict[int, list[bytes]] | None) -> int | None:
    """Return the first record that Optuna cannot read, or that is another than it says.

    Without stand-ins nothing is known of the studies that damaged lines had created.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import BaseJournalBackend

    at = -1

    class Lines(BaseJournalBackend):
        """The records of this journal, one after the other."""

        def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
            nonlocal at
            del log_number_from  # it is read once, from the start
            numbers = Numbers()
            for at, piece in enumerate(pieces):
                told = [json.loads(line) for line in (replaced or {}).get(at, [])]
                for record in told if piece.record is None else [piece.record]:
                    if numbers.is_changed(record, studies_known=replaced is not None):
                        raise ValueError("changed")
                    yield record
                    numbers.apply(record)

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            raise NotImplementedError  # what is judged is only read

    try:
        JournalStorage(Lines())
    except Exception:  # whatever Optuna says: the script that resumes would end by it
        return at
    return None


def stand_ins(pieces: list[Piece]) -> dict[int, list[bytes]]:
    """Return the lines that take the place of damaged creations, by the index of the piece.

    Raises RepairError where nobody can tell what later lines mean.
    """
    found: dict[int, list[bytes]] = {}
    named = {p.record["trial_id"] for p in pieces if p.record and "trial_id" in p.record}
    numbers, riddle = Numbers(), 0
    for index, piece in enumerate(pieces):
        if piece.record is not None:
            if numbers.unknown(piece.record) and riddle:
                raise RepairError(RIDDLE.format(riddle, piece.line))
            numbers.apply(piece.record)
        elif piece.alone and not (index and follows(pieces[index - 1], piece)):
            text = b"".join(damage_from(pieces, index))
            made = [again(segment, numbers, named, pieces) for segment in BEGIN.split(text)]
            found[index] = [line for line in made if line]
            plain = is_foreign(text) or (found[index] and not HOLE.search(text))
            riddle = riddle or (0 if plain else piece.line)
        elif HOLE.search(piece.text):
            riddle = riddle or piece.line
    return {index: lines for index, lines in found.items() if lines}


def follows(before: Piece, piece: Piece) -> bool:
    """Tell whether damage goes on from the line before: a line end may stand within a line."""
    damaged = all(item.record is None and item.alone for item in (before, piece))
    return damaged and before.line == piece.line - 1


def damage_from(pieces: list[Piece], index: int) -> Iterator[bytes]:
    """Yield the damaged lines from one on, up to the next that is not."""
    yield pieces[index].text
    while index + 1 < len(pieces) and follows(pieces[index], pieces[index + 1]):
        index += 1
        yield pieces[index].text


def again(segment: bytes, numbers: Numbers, named: set[int], pieces: list[Piece]) -> bytes | None:
    """Return a line that creates what a damaged one did; None if it created nothing."""
    record: dict[str, Any] | None = None
    if CREATES_STUDY.search(segment) and b'"trial_id":' not in segment:
        record = study_again(pieces)
    elif CREATES_TRIAL.search(segment) and not any(other in segment for other in OTHERS):
        goes_on = numbers.n_trials in named or BARE.search(segment) is not None
        record = trial_again(segment, numbers, goes_on=goes_on)
    if record is None:
        return None
    numbers.apply(record)
    return json.dumps(record, separators=(",", ":")).encode()


def study_again(pieces: list[Piece]) -> dict[str, Any] | None:
    """Return the creation of the only study that other lines, of runs that resumed it, create."""
    told = [p.record for p in pieces if p.record and p.record["op_code"] == CREATE_STUDY]
    names = {record["study_name"] for record in told}
    return told[0] if len(names) == 1 else None


def trial_again(segment: bytes, numbers: Numbers, *, goes_on: bool) -> dict[str, Any] | None:
    """Return the creation of a trial: one that later lines go on with, or one that is lost."""
    told = re.search(rb'"study_id":(\d+)', segment)
    study = int(told[1]) if told else -1
    if study not in numbers.studies:
        if len(numbers.studies) != 1:
            return None
        (study,) = numbers.studies
    start = time_in(segment)
    record = {"op_code": CREATE_TRIAL, "worker_id": "repair", "study_id": study}
    record["datetime_start"] = start
    if not goes_on:
        record |= {"state": FAIL, "value": None, "values": None, "user_attrs": LOST}
        record |= {"datetime_complete": start} if start else {}
    return record


def time_in(segment: bytes) -> str | None:
    """Return the first time in a text, None if it is none that can be."""
    found = TIME.search(segment)
    try:
        return found and datetime.fromisoformat(found[0].decode()).isoformat("T", "microseconds")
    except ValueError:
        return None


def is_foreign(text: bytes) -> bool:
    """Tell whether a text is plainly another program's: it names no field of a journal."""
    fields = (b"op_code", b"worker_id", b"study_id", b"trial_id", b'":')
    return text.isascii() and b"\0" not in text and not any(field in text for field in fields)
