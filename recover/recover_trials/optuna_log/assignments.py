"""Parameters in the form `a=1 b='x', c=2.5`, in start lines and in lines of users' code."""

from __future__ import annotations

import re
from typing import Any

from recover_trials.optuna_log.literals import parse_item, parse_literal

QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
BRACKETED = r"[\[({][^=]*?[\])}](?=,? |,?$)"
PLAIN = r"\d+(?:,\d{3})+|[^\s,;]+?(?=[\s,;]|\.(?:\s|$)|$)"
PAIR = re.compile(rf"([A-Za-z_][\w.]*)=({QUOTED}|{BRACKETED}|{PLAIN})")
BETWEEN = re.compile(r",? +|,|;")
WORD = re.compile(r"[-+.\w]+")
COUNT = re.compile(r"\d{1,3}(?:,\d{3}){1,5}")


def parse_assignments(text: str, start: int, *, ended: bool) -> tuple[dict[str, Any], bool, int]:
    """Return the pairs after a position, whether they are complete, and where they end.

    The last pair of a cut line is left out, for its value may be cut, too.
    """
    pairs: dict[str, Any] = {}
    position, last = start, None
    while match := PAIR.match(text, position):
        last, position = match[1], match.end()
        pairs[last] = parse_value(match[2])
        between = BETWEEN.match(text, position)
        if between is None or not PAIR.match(text, between.end()):
            break
        position = between.end()
    rest = text[position:].strip()
    whole = last is not None and ((ended and rest in ("", ".")) or rest.startswith(". Best is"))
    if last is not None and not whole:
        del pairs[last]
    return pairs, whole, position


def parse_value(text: str) -> Any:
    """Return the value of a Python literal or of a number such as 1,000; otherwise the text."""
    if COUNT.fullmatch(text):
        return int(text.replace(",", ""))
    value = parse_item(text) if WORD.fullmatch(text) else parse_literal(text)
    return text if value is None and text != "None" else value
