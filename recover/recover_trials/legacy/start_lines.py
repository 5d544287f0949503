"""Starts of trials, with their parameters, as predecessors print them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

from recover_trials.optuna_log import assignments
from recover_trials.optuna_log.literals import read_literal
from recover_trials.optuna_log.stamps import time_before

LINE = re.compile(
    r"(?P<dry>\[DRY[ -]RUN\] )?Trial (?P<number>\d{1,9})"
    r"(?P<kind>(?: starting)?: (?=arch_idx=|device=|lr=|d_model=)|: (?=\{)| - Testing parameters:)"
)
FORCED = re.compile(
    rb"Forced dropout=(\d*\.\d+|\d+) for diversity \(was (\d*\.\d+|\d+)(?:, prev=[\d.]+)?\)"
)
# `  learning_rate: 0.0003`, also after the prefix of a logger.
PRINTED = re.compile(r"(?:.*(?: [-|]|\]|:) )?[ \t]+([A-Za-z_][\w.]*): (\S.*?)[ \t]*")
SIZES = re.compile(r"(\d{1,9})x(\d{1,9})")
LONG_NAMES = {"lr": "learning_rate", "params": "param_count"}
SEARCHED = {"learning_rate", "epochs", "dropout", "weight_decay", "warmup_steps"}


class Start(NamedTuple):
    """A start line; `params` is None if the parameters follow on their own lines."""

    number: int
    time: datetime | None
    params: dict[str, Any] | None
    user_attrs: dict[str, Any]
    whole: bool
    dry: bool = False


def parse_start(text: str, *, ended: bool = True) -> tuple[Start, int] | None:
    """Return the start of a trial in a line, and its position; `ended` if a line end follows."""
    match = LINE.search(text)
    if match is None:
        return None
    number, time = int(match["number"]), time_before(text, match.start())
    dry = bool(match["dry"])
    if match["kind"].endswith("parameters:"):
        return Start(number, time, None, {}, whole=True, dry=dry), match.start()
    if text.startswith("{", match.end()):
        params, _ = read_literal(text, match.end())
        whole = isinstance(params, dict)
        return Start(number, time, params if whole else {}, {}, whole, dry), match.start()
    pairs, whole, _ = assignments.parse_assignments(text, match.end(), ended=ended)
    params, attrs = split_params(pairs)
    return Start(number, time, params, attrs, whole, dry), match.start()


def split_params(pairs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the searched parameters and the attributes, under their long names."""
    named = {LONG_NAMES.get(name, name): value for name, value in pairs.items()}
    sizes = SIZES.fullmatch(str(named.get("batch", "")))
    if sizes:
        micro, steps = int(sizes[1]), int(sizes[2])
        del named["batch"]
        named |= {"batch_size": micro * steps, "micro_batch": micro, "accumulation_steps": steps}
    params = {name: value for name, value in named.items() if name in SEARCHED}
    return params, {name: value for name, value in named.items() if name not in SEARCHED}


def read_parameter(text: str) -> tuple[str, Any] | None:
    """Return name and value of the parameter that fills a line; None for other lines."""
    match = PRINTED.fullmatch(text)
    return (match[1], assignments.parse_value(match[2])) if match else None
