"""Lines whose parameters continue on the next lines, as the `repr` of an estimator does."""

from __future__ import annotations

import re

from recover_trials.optuna_log.literals import literal_end

PARAMETERS = b"arameters: {"
LONGEST = 16 * 1024
RECORD = re.compile(
    rb"[\r\n][^\r\n]{0,200}?"
    rb"(?:\d\d:\d\d:\d\d|Trial \d|A new study|Using an existing|inished trial)"
)
ENDS = (b",", b"(", b"[", b"{")
SPACES = re.compile(rb"\s+")
REST = re.compile(
    rb"(?:\.\s+Best\s+is\s+trial[ #\n]\d{1,9}\s+with\s+value:\s+(?:-?inf|[-+.\de]*)"
    rb"|\s+because [^\r\n]*)?"
    rb"\.?[ \t]*"
    rb"(?=[\r\n]|\Z)"
)


def statement_at(block: bytes, begin: int, end: int) -> tuple[bytes, int]:
    """Return the line from `begin` to `end` with the lines that continue it, and its end.

    Line ends within the parameters are kept: they are no part of any literal.
    """
    start = block.rfind(PARAMETERS, begin, end)
    if start < 0 or block.endswith((b"}.", b"}. ", b"}", b")."), begin, end):
        return block[begin:end], end
    closed = literal_in(block, start)
    rest = REST.match(block, closed) if closed >= 0 else None
    if rest is None or rest.end() <= end or not are_broken_between(block[start:closed]):
        return block[begin:end], end
    return block[begin:closed] + SPACES.sub(b" ", rest[0]), rest.end()


def are_broken_between(parameters: bytes) -> bool:
    """Return whether lines end between two items; a torn line may end anywhere."""
    *lines, _ = parameters.splitlines()
    return all(line.rstrip().endswith(ENDS) or not line.strip() for line in lines)


def whole_statements(block: bytes) -> int:
    """Return the size of the lines before a last line that the next block may continue."""
    start = block.rfind(PARAMETERS, max(0, len(block) - LONGEST))
    closed = literal_in(block, start) if start >= 0 else 0
    if start < 0 or RECORD.search(block, start) or (closed >= 0 and REST.match(block, closed)):
        return len(block)
    return max(block.rfind(b"\n", 0, start), block.rfind(b"\r", 0, start)) + 1


def literal_in(block: bytes, start: int) -> int:
    """Return the end of the literal after `start`; -1 if the next record begins before it."""
    record = RECORD.search(block, start, start + LONGEST)
    text = block[start : record.start() if record else start + LONGEST].decode("latin-1")
    size = literal_end(text, len(PARAMETERS) - 1)
    return -1 if size is None else start + size
