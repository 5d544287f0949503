"""The trial log of version 1, as its scripts wrote it; recover-trials still reads such logs."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple


class LogEvent(NamedTuple):
    """A kind of line: its head, and the fields before and after those of the task's own."""

    head: str
    first: tuple[str, ...]
    last: tuple[str, ...]


IDENTITY = ("study", "run")
ARCHITECTURE = ("arch_idx", "d_model", "n_layers", "n_heads", "params")
EXPERIMENT = (
    *("name", "study_name", "budget", "horizon", "task", "metric", "direction", "unit"),
    *("n_trials", "timeout_hours", "seed"),
    *("data", "data_sha256", "architectures_sha256", "settings_sha256"),
    *("spec_sha256", "script_sha256"),
    *("search_space", "conditions", "skip_indices", "fixed_params", "sampler", "pruner"),
    *("overrides", "smoke", "device", "threads", "worker", "versions"),
)
COUNTS = ("complete", "pruned", "failed", "running")
LOG_EVENTS = {
    "run_start": LogEvent("Run {run} started", EXPERIMENT, IDENTITY),
    "study_resumed": LogEvent("Run {run} resumed", COUNTS, IDENTITY),
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
        ("datetime_start", "datetime_complete", *IDENTITY),
    ),
    "note": LogEvent("Run {run} note", ("text",), IDENTITY),
    "run_end": LogEvent(
        "Run {run} ended", ("reason", *COUNTS, "best_trial", "best_value"), IDENTITY
    ),
}
# The log's short names of two attributes of a trial; all others have the same name in both.
SHORT_NAMES = {"param_count": "params", "learning_rate": "lr"}


def escape_line_start(text: str, bracket: str) -> str:
    """Return text in which nothing looks like the beginning of a log line."""
    return re.sub(r"\[(?=[A-Z] )", bracket, text)


def format_value(name: str, value: object) -> str:
    """Write one value: floats in full precision, text so that it cannot break or forge a line."""
    if value is None or isinstance(value, (bool, str, list, dict, tuple)):
        return escape_line_start(json.dumps(value), r"\\u005b")
    if isinstance(value, int):
        return f"{int(value):,}" if name == "params" else str(int(value))
    if isinstance(value, float):
        return repr(float(value))  # numpy's own repr would be np.float64(0.1)
    raise TypeError(f"{name}: cannot log a {type(value).__name__}")


def time_stamp(time: datetime, level: str) -> str:
    """Return the beginning of a line, as Optuna writes it."""
    return f"[{level} {time:%Y-%m-%d %H:%M:%S},{time.microsecond // 1000:03d}] "


def checksum_suffix(line: str) -> str:
    """Return the mark that ends a whole line."""
    return f" ;{zlib.crc32(line.encode()):08x}"


def format_event(
    event: str, fields: Mapping[str, object], *, time: datetime, level: str = "I"
) -> str:
    """Return the line (without newline) of an event; a field of the table left out is an error."""
    head, first, last = LOG_EVENTS[event]
    fields = {SHORT_NAMES.get(name, name): value for name, value in fields.items()}
    table = {*re.findall(r"{(\w+)}", head), *first, *last}
    if missing := table - fields.keys():
        raise TypeError(f"{event}: missing {', '.join(sorted(missing))}")
    names = [*first, *(name for name in fields if name not in table), *last]
    values = ", ".join(f"{name}={format_value(name, fields[name])}" for name in names)
    line = f"{time_stamp(time, level)}{head.format_map(fields)}: {values}"
    return line + checksum_suffix(line)
