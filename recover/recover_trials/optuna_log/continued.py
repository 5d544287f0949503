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
REST = re.compile(
    rb"(?:\. Best is trial[ #]\d{1,9} with value: [-+.\de]*| because [^\r\n]*)?\.?[ \t]*"
    rb"(?=[\r\n]|\Z)"
)


def end_of_statement(block: bytes, begin: int, end: int) -> int:
    """Return the end of the line from `begin` to `end`, or of the last line that continues it."""
    start = block.rfind(PARAMETERS, begin, end)
    if start < 0 or block.endswith((b"}.", b"}. ", b"}", b")."), begin, end):
        return end
    closed = literal_in(block, start)
    rest = REST.match(block, closed) if closed > end else None
    return rest.end() if rest else end


def whole_statements(block: bytes) -> int:
    """Return the size of the lines before a last line that the next block may continue."""
    start = block.rfind(PARAMETERS, max(0, len(block) - LONGEST))
    if start < 0 or literal_in(block, start) >= 0 or RECORD.search(block, start):
        return len(block)
    return max(block.rfind(b"\n", 0, start), block.rfind(b"\r", 0, start)) + 1


def literal_in(block: bytes, start: int) -> int:
    """Return the end of the literal after `start`; -1 if the next record begins before it."""
    record = RECORD.search(block, start, start + LONGEST)
    text = block[start : record.start() if record else start + LONGEST].decode("latin-1")
    size = literal_end(text, len(PARAMETERS) - 1)
    return -1 if size is None else start + size
