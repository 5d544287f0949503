"""Values as Python prints them, read without evaluating anything."""

from __future__ import annotations

import json
import json.scanner
import re
from typing import Any, cast

from recover_trials.patterns import pattern

WORD = pattern(
    r'"[^"]*"|\b(?:True|False|None|nan|inf|(?:np|numpy)\.(?:float|int)\d+\(([-+.\de]+)\))(?!\w)'
)
IN_JSON = {"nan": "NaN", "inf": "Infinity", "True": "true", "False": "false", "None": "null"}
BRACKET = pattern(r"[][(){}'\"]")
QUOTED = {"'": pattern(r"[^'\\]*(?:\\.[^'\\]*)*'"), '"': pattern(r'[^"\\]*(?:\\.[^"\\]*)*"')}
# The scanner itself: the methods around it would take a quarter of the time.
scan_json = json.scanner.make_scanner(cast("Any", json.JSONDecoder()))


def parse_mapping(text: str) -> dict[str, Any] | None:
    """Return the dict that a text is the `repr` of; None if it is none, or its keys no names."""
    if '"' not in text and "\\" not in text:
        found = parse_json(text)
        if isinstance(found, dict):
            return found
    read = parse_literal(text)
    named = isinstance(read, dict) and all(isinstance(name, str) for name in read)
    return read if named else None


def parse_json(text: str) -> Any:
    """Return what a text without a double quote or a backslash is the `repr` of; None for others.

    It differs from JSON by its quotes and some words only, and JSON is read seventeen times
    faster.
    """
    swapped = text.replace("'", '"')
    found = whole_json(swapped)
    return whole_json(WORD.sub(in_json, swapped)) if found is None else found


def whole_json(text: str) -> Any:
    """Return what a text is in JSON; None if it is none."""
    try:
        found, end = scan_json(text, 0)
    except (ValueError, StopIteration, RecursionError):
        return None
    return found if end == len(text) else None


def in_json(match: re.Match[str]) -> str:
    """Return a word as JSON has it; strings stay as they are."""
    return match[1] or IN_JSON.get(match[0], match[0])


def literal_end(text: str, start: int) -> int | None:
    """Return where the literal that begins with a bracket ends; None if it is cut.

    Brackets inside of strings do not count, so that a value may hold any text.
    """
    depth, position = 0, start
    while match := BRACKET.search(text, position):
        position = match.end()
        if quoted := QUOTED.get(match[0]):
            string = quoted.match(text, position)
            if string is None:
                return None
            position = string.end()
            continue
        depth += 1 if match[0] in "{[(" else -1
        if depth == 0:
            return position
    return None


def read_literal(text: str, start: int) -> tuple[Any, int]:
    """Return the literal that begins with a bracket at `start`, and where it ends; None if cut."""
    end = literal_end(text, start)
    if end is None:
        return None, len(text)
    literal = text[start:end]
    return parse_mapping(literal) if literal[0] == "{" else parse_literal(literal), end


def parse_literal(text: str) -> Any:
    """Return the value of a Python literal, nan, inf and np.float64(x) among them.

    The text is parsed, never evaluated; None for anything else.
    """
    from recover_trials.optuna_log.syntax import read  # few logs need the parser of Python

    return read(text)
