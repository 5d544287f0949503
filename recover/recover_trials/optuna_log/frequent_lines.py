"""Regular lines: the most frequent forms of lines about trials, converted a block at a time.

One regular expression finds them, and their parameters are parsed as one JSON text: both run in C
and start once per block. The parsers of single lines, which accept every form, read the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from recover_trials.legacy.start_lines import Start
from recover_trials.optuna_log.literals import parse_json, parse_mapping
from recover_trials.optuna_log.optuna_lines import Result

FLOAT = rb"-?(?:\d+\.\d+(?:e[-+]\d+)?|\d+e[-+]\d+|inf)"
COUNT = rb"\d{1,3}(?:,\d{3})*"
# A regular line, or else a part of every line about a trial. The literal prefix lets a search
# read gigabytes per second. A line end, or the bracket that ends a progress bar, precedes the time
# stamp of a regular line.
MENTION = re.compile(
    rb"rial(?: (?<=[\r\n\]]\[[A-Z] (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] Trial )(\d{1,9})"
    rb"(?: finished with value: (%(float)b) and parameters: \{([ !#-\[\]-z|~-\xff]*)\}"
    rb"\. Best is trial (\d{1,9}) with value: (%(float)b)\."
    rb"| (pruned)\.[^\[\x1b\r\n]*"
    # The predecessor printed six digits of the learning rate.
    rb"|: arch_idx=(\d+), d_model=(\d+), n_layers=(\d+)(?:, n_heads=(\d+))?, params=(%(count)b)"
    rb", lr=(\d\.\d{6}), epochs=(\d+), batch(?:_size=(\d+)|=(\d+)x(\d+), dropout=(\d\.\d\d)))"
    rb" ?(?=[\r\n])|[# ]\d| resulted in value| status as TrialState)"
    % {b"float": FLOAT, b"count": COUNT}
)

FINISHED, PRUNED = 6, 7  # the last groups of these lines

Content = Result | Start
Mention = tuple[int, Content | None, int]  # position, content of a regular line, end


def mentions_of(block: bytes) -> list[Mention]:
    """Return the lines about trials, with the content of the regular ones."""
    matches = [*MENTION.finditer(block)]
    regular = [match for match in matches if match.lastindex]
    times = iter(times_of([match[1] for match in regular]))
    params = iter(parse_parameters([match[4] for match in regular if match.lastindex == FINISHED]))
    return [
        (match.start(), content_of(match, times, params) if match.lastindex else None, match.end())
        for match in matches
    ]


def times_of(stamps: list[bytes]) -> list[datetime | None]:
    """Return the times of stamps; None for all if one is invalid."""
    texts = b"\n".join(stamps).replace(b",", b".").decode("latin-1").split("\n")
    try:
        return [*map(datetime.fromisoformat, texts)] if stamps else []
    except ValueError:
        return [None] * len(stamps)


def content_of(
    match: re.Match[bytes],
    times: Iterator[datetime | None],
    mappings: Iterator[dict[str, Any] | None],
) -> Content | None:
    """Return the content of a line; None if its time or its parameters are invalid."""
    kind, time = match.lastindex, next(times)
    params = next(mappings) if kind == FINISHED else {}
    if time is None or params is None:
        return None
    if kind == PRUNED:
        return Result(int(match[2]), "PRUNED", time)
    if kind == FINISHED:
        number, value, best, best_value = match.group(2, 3, 5, 6)
        named = int(best), float(best_value)
        values = (float(value),)
        return Result(int(number), "COMPLETE", time, values, params, None, True, named)
    return predecessor_start(time, match[2], *match.groups()[PRUNED:])


def predecessor_start(
    time: datetime,
    number: bytes,
    index: bytes,
    d_model: bytes,
    n_layers: bytes,
    n_heads: bytes | None,
    count: bytes,
    rate: bytes,
    epochs: bytes,
    batch: bytes | None,
    micro: bytes,
    steps: bytes,
    dropout: bytes,
) -> Start:
    """Return the content of a start line of the predecessor."""
    attrs = {"arch_idx": int(index), "d_model": int(d_model), "n_layers": int(n_layers)}
    params: dict[str, Any] = {"learning_rate": float(rate), "epochs": int(epochs)}
    if n_heads:
        attrs["n_heads"] = int(n_heads)
    attrs["param_count"] = int(count.replace(b",", b""))
    if batch:
        attrs["batch_size"] = int(batch)
    else:
        attrs["batch_size"] = int(micro) * int(steps)
        attrs |= {"micro_batch": int(micro), "accumulation_steps": int(steps)}
        params["dropout"] = float(dropout)
    return Start(int(number), time, params, attrs, True)


def parse_parameters(texts: list[bytes]) -> list[dict[str, Any] | None]:
    """Return the mappings whose contents are given; None for a text that is not a mapping."""
    lines = ["{" + text.decode("utf-8", "replace") + "}" for text in texts]
    mappings = parse_json(f"[{','.join(lines)}]")
    if mappings is None or len(mappings) != len(lines):
        return [parse_mapping(line) for line in lines]
    return list(mappings)
