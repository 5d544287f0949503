"""Ends of trials as predecessors print them."""

from __future__ import annotations

import re

from recover_trials.optuna_log.optuna_lines import NUMBER, Result
from recover_trials.optuna_log.stamps import time_before

LINE = re.compile(
    r"Trial (?P<number>\d{1,9})"
    rf"(?: completed with \w+: (?P<value>{NUMBER}|nan)\s*(?P<rest>.?)"
    r"| failed(?: with (?:\w+ )*error| \((?P<kind>\w+)\)): ?(?P<error>.*))"
)
EARLY_STOP = re.compile(rb"arly ?[Ss]topping triggered (?:at|after) epoch (\d{1,9})\b")


def parse_end(text: str, *, ended: bool = True) -> tuple[Result, int] | None:
    """Return the end of a trial in a line, and its position; `ended` if a line end follows."""
    match = LINE.search(text)
    if match is None:
        return None
    number, time = int(match["number"]), time_before(text, match.start())
    if match["value"] is None:
        kind = f"{match['kind']}: " if match["kind"] else ""
        error = f"{kind}{match['error'].strip()}"
        return Result(number, "FAIL", time, error=error or None), match.start()
    if match["rest"] or not ended:
        return None  # the number may be cut
    value = float(match["value"])
    return Result(number, "COMPLETE", time, (value,)), match.start()
