"""Trial log: one table defines every line, for the writer and for every reader.

A line is `[I 2026-11-21 10:15:00,123] HEAD: field=value, ... ;1a2b3c4d`. Floats have full
precision, text is JSON, and the line ends in the CRC-32 of everything before it: a line that was
cut, mixed or altered is refused, never misread.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

LOG_VERSION = 2
IDENTITY = ("study", "run")
ARCHITECTURE = ("arch_idx", "d_model", "n_layers", "n_heads", "param_count", "d_ff")
STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL", "running": "RUNNING"}
# The head of each kind of line, and the fields that it always has; IDENTITY ends the line.
SAME = " ".join(ARCHITECTURE)
START = "learning_rate epochs batch_size d_ff kind config_id datetime_start"
RESULT = "state value learning_curve"
LOG_EVENTS = {
    "run_start": ("Run {run} started", "name task horizon budget"),
    "enqueued": ("Run {run} enqueued", "enqueued_id trial_params"),
    "history": ("Run {run} history", f"from_study from_trial trial_params {RESULT}"),
    "trial_start": ("Trial {trial}", f"{SAME.removesuffix(' d_ff')} {START}"),
    "evaluation": ("Trial {trial} {unit} {step}", SAME),
    "trial_resumed": ("Trial {trial} resumed", f"{SAME} learning_curve"),
    "trial_end": ("Trial {trial} ended", f"{SAME} {RESULT} datetime_start datetime_complete"),
    "test_opened": ("Run {run} opened test", "evaluation_number"),
    "test_result": ("Run {run} tested", "evaluation_number verdict comparisons results"),
    "run_end": ("Run {run} ended", f"reason {' '.join(STATES)} best_trial best_value"),
}
FIELDS = {event: (*names.split(), *IDENTITY) for event, (_, names) in LOG_EVENTS.items()}
# Names in the log, for regular expressions that exist; everywhere else the names on the left.
SHORT_NAMES = {"param_count": "params", "learning_rate": "lr"}
LONG_NAMES = {short: name for name, short in SHORT_NAMES.items()}
STAMP = re.compile(rb"\[[A-Z] \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] ")
HEAD_FIELDS = {"run": r"\w+", "trial": r"\d+", "unit": r"[a-z]+", "step": r"\d+"}
HEADS = {
    event: re.compile(re.sub(r"{(\w+)}", lambda m: f"(?P<{m[1]}>{HEAD_FIELDS[m[1]]})", head))
    for event, (head, _) in LOG_EVENTS.items()
}
# A number is matched with its name; every other value is JSON, and begins behind the match.
FIELD = re.compile(r"(?:, )?([^\s=]+)=(-?(?:\d|inf|nan)[^\s,]*(?:,\d{3})*(?=, |$))?")
DECODER = json.JSONDecoder()


def format_value(name: str, value: object) -> str:
    """Return one value as text that cannot end its line or imitate the start of another."""
    if name == "param_count":
        return f"{value:,}"
    return re.sub(r"\[(?=[A-Z] )", r"\\u005b", json.dumps(value))


def format_event(
    event: str, fields: Mapping[str, object], *, time: datetime, level: str = "I"
) -> str:
    """Return the line of an event, without newline. Raises KeyError for a missing field."""
    known = {*FIELDS[event], *HEADS[event].groupindex}
    others = (name for name in fields if name not in known)
    names = (*FIELDS[event][:-2], *others, *IDENTITY)
    short = ((SHORT_NAMES.get(name, name), name) for name in names)
    values = ", ".join(f"{text}={format_value(name, fields[name])}" for text, name in short)
    stamp = time.isoformat(" ", "milliseconds").replace(".", ",")
    line = f"[{level} {stamp}] {LOG_EVENTS[event][0].format_map(fields)}: {values}"
    return f"{line} ;{zlib.crc32(line.encode()):08x}"


def read_fields(text: str) -> dict[str, Any]:
    """Return the fields of a line. Raises ValueError for text that is not fields to its end."""
    fields: dict[str, Any] = {}
    position = 0
    while position < len(text):
        field = FIELD.match(text, position)
        if field is None:
            raise ValueError(text[position:])
        name, number = LONG_NAMES.get(field[1], field[1]), field[2]
        if number is None:
            fields[name], position = DECODER.raw_decode(text, field.end())
        else:
            digits, position = number.replace(",", ""), field.end()
            fields[name] = int(digits) if digits.lstrip("-").isdigit() else float(digits)
    return fields


def read_event(line: bytes) -> tuple[str, dict[str, Any]] | None:
    """Return the event of a line and its fields; None for a line that is damaged or unknown."""
    stamp, text = STAMP.match(line), line[:-10]
    if stamp is None or line[-10:] != b" ;%08x" % zlib.crc32(text):
        return None
    head, _, rest = text[stamp.end() :].decode("utf-8", "replace").partition(": ")
    for event, pattern in HEADS.items():
        if match := pattern.fullmatch(head):
            try:
                fields = {**read_fields(rest), **match.groupdict()}
            except (ValueError, RecursionError):
                return None
            for name in {"trial", "step"} & pattern.groupindex.keys():
                fields[name] = int(fields[name])
            return (event, fields) if fields.keys() >= {*FIELDS[event]} else None
    return None
