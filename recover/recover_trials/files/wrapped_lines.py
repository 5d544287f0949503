"""Lines that a console wrapped, joined where the original text is certain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice

from recover_trials.optuna_log.literals import literal_end
from recover_trials.optuna_log.optuna_lines import LINE

# A record of Rich's handler: time (or nothing), level, message, and often a path at the right.
RICH = re.compile(
    r"(?:(?:\[[^\]]{5,32}\]|\s{3,}) (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) +"
    r"|(?:DEBUG   |INFO    |WARNING |ERROR   |CRITICAL) )(?=\S)"
)
GLUED = re.compile(r"(?<=\S) {20,}(?=\S)")  # a line end was lost
PATH = re.compile(r"\s(\S+\.py:\d+)\s*\Z")
PADDING = re.compile(
    r"(?<!\s)(?:\s+\S+\.py:\d+\s*|\s{2,})\Z"
)  # fills a line up to the width of a console
WIDTHS = range(40, 400)
BOUNDARY = re.compile(r"\[[A-Z] \d{4}-|\d{4}-\d\d-\d\d[ T]\d\d:|Trial \d+ [fp]|Finished trial#")
LONGEST = 200  # lines of a record


def joined_rich(lines: Iterator[str]) -> Iterator[str]:
    """Yield the messages of Rich's records, each on a line of its own."""
    record: list[str] = []
    column = 0
    first = [*islice(lines, LONGEST)]
    has_paths = any(RICH.match(line) and PATH.search(line) for line in first)
    for line in chain(first, lines):
        head = RICH.match(line)
        continues = record and line[:column].strip() == "" and line[column : column + 1].strip()
        if not head and continues and len(record) < LONGEST:
            record.append(line)
            continue
        if record:
            yield message_of_rich(record, column, has_paths=has_paths)
        record, column = ([line], head.end()) if head else ([], 0)
        if not head:
            yield GLUED.sub("\n", line)
    if record:
        yield message_of_rich(record, column, has_paths=has_paths)


def message_of_rich(record: list[str], column: int, *, has_paths: bool) -> str:
    """Return a record on one line; a line that fills its column leaves its end uncertain.

    Rich breaks lines between words, which takes a space away, and within words that are longer
    than the column.
    """
    path = PATH.search(record[0])
    if has_paths and path is None:  # a torn line
        return GLUED.sub("\n", "".join(record))
    widest = max(len(line.rstrip("\n")) for line in record)
    width = (path.start() if path else widest) - column
    parts = [line[column : column + width].rstrip() for line in record]
    message = record[0][:column] + parts[0]
    for index, part in enumerate(parts[1:]):
        before = parts[index]
        is_certain = len(before) < width or " " in before  # otherwise a word may be broken
        message += (" " if is_certain else "\n") + part
    return GLUED.sub("\n", message) + "\n"


def wrapped_width(text: str) -> int:
    """Return the width at which a console broke all lines; 0 if it broke none.

    No line is longer, and every statement of Optuna that is not whole has exactly this length.
    """
    lines = [PADDING.sub("", line) for line in text.replace("\r\n", "\n").split("\n")[:-1]]
    width = max(map(len, lines), default=0)
    if width not in WIDTHS:
        return 0
    broken = [line for line in lines if is_broken(line)]
    is_usual = sum(len(line) == width for line in lines) > 1
    return width if broken and is_usual and all(len(b) == width for b in broken) else 0


def is_broken(line: str) -> bool:
    """Return whether a line holds the beginning of the parameters of a trial, not their end."""
    match = LINE.search(line)
    if match is None or match["created"] is not None or match["existing"]:
        return False
    start = line.find("{", match.end())
    return start >= 0 and literal_end(line, start) is None


def joined_width(lines: Iterator[str], width: int) -> Iterator[str]:
    """Yield lines that were broken at a width, joined."""
    whole = ""
    pieces = 0
    for line in lines:
        if whole and BOUNDARY.match(line):
            yield whole + "\n"
            whole = ""
        whole += line.rstrip("\n")
        pieces += 1
        if len(PADDING.sub("", line.rstrip("\n"))) == width and pieces < LONGEST:
            continue
        yield whole + ("\n" if line.endswith("\n") else "")
        whole, pieces = "", 0
    if whole:
        yield whole
