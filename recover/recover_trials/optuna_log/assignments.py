"""Parameters printed as `a=1 b='x', c=2.5`, by start lines and by printers of users' own."""

from __future__ import annotations

from typing import Any

from recover_trials.optuna_log.literals import parse_literal
from recover_trials.patterns import pattern

QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
BRACKETED = r"[\[({][^=]*?[\])}](?=,? |,?$)"
PLAIN = r"\d+(?:,\d{3})+|[^\s,;]+?(?=[\s,;]|\.(?:\s|$)|$)"
PAIR = pattern(rf"([A-Za-z_][\w.]*)=({QUOTED}|{BRACKETED}|{PLAIN})")
BETWEEN = pattern(r",? +|,|;")
COUNT = pattern(r"\d{1,3}(?:,\d{3}){1,5}")


def read(text: str, start: int, *, ended: bool) -> tuple[dict[str, Any], bool, int]:
    """Return the pairs from a position on, whether they are whole, and where they end.

    The last pair of a line that was cut could be the beginning of a longer one: it is left out.
    """
    found: dict[str, Any] = {}
    position, last = start, None
    while match := PAIR.match(text, position):
        last, position = match[1], match.end()
        found[last] = parse_value(match[2])
        between = BETWEEN.match(text, position)
        if between is None or not PAIR.match(text, between.end()):
            break
        position = between.end()
    rest = text[position:].strip()
    whole = last is not None and ((ended and rest in ("", ".")) or rest.startswith(". Best is"))
    if last is not None and not whole:
        del found[last]
    return found, whole, position


def parse_value(text: str) -> Any:
    """Return a number, a quoted text, a truth value; what is none of them stays text."""
    if COUNT.fullmatch(text):
        return int(text.replace(",", ""))
    value = parse_literal(text)
    return text if value is None and text != "None" else value
