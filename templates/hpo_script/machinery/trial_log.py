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
from typing import Any, NamedTuple


class LogEvent(NamedTuple):
    """A kind of line: its head, and its fields before and after those of the task."""

    head: str
    first: tuple[str, ...]
    last: tuple[str, ...]


LOG_VERSION = 2
IDENTITY = ("study", "run")
ARCHITECTURE = ("arch_idx", "d_model", "n_layers", "n_heads", "params")
EXPERIMENT = (
    *("log_version", "name", "budget", "horizon", "task", "metric", "direction", "unit"),
    *("n_trials", "timeout_hours", "trial_seconds", "seed"),
    *("data", "data_sha256", "architectures_sha256", "settings", "code_sha256"),
    *("spec_sha256", "script_sha256", "search_space", "conditions", "skip_indices"),
    *("fixed_params", "sampler", "pruner", "overrides", "smoke", "device", "threads"),
    *("worker", "versions", "baselines"),
)
COUNTS = ("complete", "pruned", "failed", "running")
LOG_EVENTS = {
    "run_start": LogEvent("Run {run} started", EXPERIMENT, IDENTITY),
    "enqueued": LogEvent("Run {run} enqueued", ("file_sha256", "trial_params"), IDENTITY),
    "history": LogEvent(
        "Run {run} history",
        ("from_study", "from_trial", "trial_params", "state", "value", "curve"),
        IDENTITY,
    ),
    "trial_start": LogEvent(
        "Trial {trial}",
        (*ARCHITECTURE, "lr", "epochs", "batch_size", "d_ff"),
        ("kind", "config_id", "datetime_start", *IDENTITY),
    ),
    "evaluation": LogEvent("Trial {trial} {unit} {step}", (*ARCHITECTURE, "d_ff"), IDENTITY),
    "trial_retry": LogEvent("Trial {trial} retried", (*ARCHITECTURE, "d_ff"), IDENTITY),
    "trial_resumed": LogEvent("Trial {trial} resumed", (*ARCHITECTURE, "d_ff"), IDENTITY),
    "trial_end": LogEvent(
        "Trial {trial} ended",
        (*ARCHITECTURE, "d_ff", "state", "value"),
        ("learning_curve", "datetime_start", "datetime_complete", *IDENTITY),
    ),
    "note": LogEvent("Run {run} note", ("text",), IDENTITY),
    "run_end": LogEvent(
        "Run {run} ended", ("reason", *COUNTS, "best_trial", "best_value"), IDENTITY
    ),
}
# Names in the log, for regular expressions that exist; everywhere else the names on the left.
SHORT_NAMES = {"param_count": "params", "learning_rate": "lr"}
STAMP = re.compile(rb"\[[A-Z] \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] ")
HEAD_FIELDS = {"run": r"\w+", "trial": r"\d+", "unit": r"[a-z]+", "step": r"\d+"}
HEADS = {
    event: re.compile(re.sub(r"{(\w+)}", lambda m: f"(?P<{m[1]}>{HEAD_FIELDS[m[1]]})", kind.head))
    for event, kind in LOG_EVENTS.items()
}
# A number or word is matched with its name; JSON begins behind the match.
FIELD = re.compile(r'(?:, )?([^\s=]+)=([^\s,"{[]+(?:,\d{3})*(?=, |$))?')
WORDS = {"null": None, "true": True, "false": False}
DECODER = json.JSONDecoder()


def format_value(name: str, value: object) -> str:
    """Return one value as text that cannot end its line or imitate the start of another."""
    if value is None or isinstance(value, (bool, str, list, dict, tuple)):
        return re.sub(r"\[(?=[A-Z] )", r"\\u005b", json.dumps(value))
    if isinstance(value, int):
        return f"{int(value):,}" if name == "params" else str(int(value))
    if isinstance(value, float):
        return repr(float(value))  # numpy's own repr would be np.float64(0.1)
    raise TypeError(f"{name}: cannot log a {type(value).__name__}")


def format_event(
    event: str, fields: Mapping[str, object], *, time: datetime, level: str = "I"
) -> str:
    """Return the line of an event, without newline. Raises TypeError for a missing field."""
    head, first, last = LOG_EVENTS[event]
    table = {*HEADS[event].groupindex, *first, *last}
    if missing := table - fields.keys():
        raise TypeError(f"{event}: missing {', '.join(sorted(missing))}")
    names = [*first, *(name for name in fields if name not in table), *last]
    values = ", ".join(f"{name}={format_value(name, fields[name])}" for name in names)
    stamp = f"{time.isoformat(' ', 'milliseconds')}".replace(".", ",")
    line = f"[{level} {stamp}] {head.format_map(fields)}: {values}"
    return f"{line} ;{zlib.crc32(line.encode()):08x}"


def read_scalar(text: str) -> Any:
    """Return the value of a number, true, false or null. Raises ValueError."""
    if text in WORDS:
        return WORDS[text]
    whole = text.replace(",", "")
    return int(whole) if re.fullmatch(r"-?\d+", whole) else float(text)


def read_fields(text: str) -> dict[str, Any]:
    """Return the fields of a line. Raises ValueError for text that is not fields to its end."""
    fields: dict[str, Any] = {}
    position = 0
    while position < len(text):
        field = FIELD.match(text, position)
        if field is None:
            raise ValueError(text[position:])
        (name, scalar), position = field.groups(), field.end()
        if scalar is None:
            fields[name], position = DECODER.raw_decode(text, position)
        else:
            fields[name] = read_scalar(scalar)
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
            numbers = {"trial", "step"} & pattern.groupindex.keys()
            fields |= {name: int(fields[name]) for name in numbers}
            kind = LOG_EVENTS[event]
            needed = {*kind.first, *kind.last} if "trial" in numbers else {*IDENTITY}
            return (event, fields) if needed <= fields.keys() else None
    return None
