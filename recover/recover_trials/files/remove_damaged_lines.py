"""Repair of Optuna journals: removes damaged lines, so that Optuna can read the file.

A crash can cut a line before any process has read it, and another process may append its own line
to the cut one. The repair removes the cut line. Bytes can also change after processes have read a
line. If that line created a trial, a stand-in replaces the line, because later lines refer to the
trial by its place in the order of creation. A line counts as readable if Optuna can read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from recover_trials.errors import RepairError
from recover_trials.files.journal_pieces import Piece, pieces_of
from recover_trials.files.journal_stand_ins import Numbers, stand_ins


@dataclass
class Repaired:
    """A journal that Optuna can read.

    Attributes:
        text: new content of the file.
        dropped: damaged lines, by number, with their bytes.
        tail: whether all damage is at the end of the file.
        missing: number of stand-ins for lines that are missing without a trace.
        replaced: lines replaced by a stand-in, which creates a trial or a study.
        kept: damaged lines with an intact record, which was kept.
    """

    text: bytes
    dropped: dict[int, bytes] = field(default_factory=dict)
    tail: bool = True
    missing: int = 0
    replaced: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)


def repair(content: bytes) -> Repaired:
    """Return a journal without its damaged lines.

    Raises RepairError if later lines are ambiguous without the damaged ones.
    """
    pieces = list(pieces_of(content))
    while (bad := first_unreadable(pieces, None)) is not None:
        pieces[bad] = pieces[bad]._replace(record=None)
    if not any(piece.record for piece in pieces):
        raise RepairError("no line is a record of an Optuna journal")
    replaced = stand_ins(pieces)
    # With the stand-ins, Optuna also applies records of trials that did not exist before.
    while (bad := first_unreadable(pieces, replaced)) is not None:
        pieces[bad] = pieces[bad]._replace(record=None)
        replaced = stand_ins(pieces)
    lines: list[bytes] = []
    damaged = {pieces[index].line for index in replaced if pieces[index].record is None}
    result = Repaired(b"", replaced=sorted(damaged))
    for index, piece in enumerate(pieces):
        lines += replaced.get(index, [])
        if piece.record is not None:
            result.missing += len(replaced.get(index, []))
            lines.append(piece.text)
        else:
            result.dropped[piece.line] = result.dropped.get(piece.line, b"") + piece.text
    intact = {piece.line for piece in pieces if piece.record is not None}
    result.kept = sorted(intact & result.dropped.keys())
    result.tail = bool(result.dropped) and min(result.dropped) > max(intact)
    result.text = b"".join(line + b"\n" for line in lines)
    return result


def first_unreadable(pieces: list[Piece], replaced: dict[int, list[bytes]] | None) -> int | None:
    """Return the first record that Optuna cannot read, or that damage changed.

    `replaced` holds the stand-ins; None means that studies of damaged lines are still missing.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import BaseJournalBackend

    index = -1

    class Lines(BaseJournalBackend):
        """A backend that reads the pieces of this journal."""

        def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
            nonlocal index
            del log_number_from  # the journal is read once, from the start
            numbers = Numbers()
            for index, piece in enumerate(pieces):
                added = [json.loads(line) for line in (replaced or {}).get(index, [])]
                for record in [*added, *filter(None, [piece.record])]:
                    if numbers.is_changed(record, has_all_studies=replaced is not None):
                        raise ValueError("changed")
                    yield record
                    numbers.apply(record)

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            raise NotImplementedError  # the journal is only read

    try:
        JournalStorage(Lines())
    except Exception:  # Optuna raises many types of errors for a damaged record
        return index
    return None
