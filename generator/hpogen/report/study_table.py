"""A table of studies for other programs: a row each, with the columns of a list of experiments.

The table is derived from the logs and written anew each time, so it needs no lock, and a study
that failed has its row as well.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from hpogen.errors import UsageError
from hpogen.files import shown_path, write_atomic
from hpogen.grid.budget import format_budget
from hpogen.report.costs import seconds_of
from hpogen.report.view import AXES, StudyView
from recover_trials import Trial

COLUMNS = (
    "timestamp", "experiment", "phase", "budget", "task", "horizon", "timescale", "script_path",
    "run_type", "status", "duration_seconds", "val_loss", "test_accuracy", "hyperparameters",
    "error_message", "thermal_max_temp", "data_md5", *AXES, "param_count",
)  # fmt: skip
HEAT = ("max_celsius", "thermal_max_temp")


def write_table(path: Path, views: Iterable[StudyView]) -> None:
    """Write the table. Raises UsageError if the file exists and is another one."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for view in views:
        table.writerow({name: safe(value) for name, value in row_of(view).items()})
    refuse_other_table(path)
    write_atomic(path, text.getvalue().encode())


def refuse_other_table(path: Path) -> None:
    """Refuse to overwrite a file without the header of this table, such as a log."""
    try:
        with path.open("rb") as file:
            is_table = file.readline(1000).strip() == ",".join(COLUMNS).encode()
    except OSError:
        return
    if not is_table:
        raise UsageError(f"{shown_path(path)} exists and is no such table; choose another file")


def safe(value: Any) -> Any:
    """Return a value that no spreadsheet takes for a formula; None is an empty cell."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value


def row_of(view: StudyView) -> dict[str, Any]:
    """Return the row of a study; a column that no log can fill is None."""
    about, best = view.study.about, view.best
    shown = best or last_of(view.study.rows)
    attributes = shown.user_attrs if shown else {}
    times = [seconds for trial in view.study.rows if (seconds := seconds_of(trial)) is not None]
    values = [
        started(view.study.rows),
        view.name,
        "smoke" if about.get("smoke") else about.get("kind", "search"),
        format_budget(view.budget) if view.budget else None,
        about.get("task"),
        about.get("horizon"),
        "daily" if about.get("horizon") is not None else None,
        script_of(view),
        "hpo" if about.get("search_space") else "training",
        status_of(view),
        round(sum(times), 3) if times else None,
        validation_loss(view, best),
        attributes.get("test_accuracy"),
        json.dumps(shown.params, default=str) if shown else None,
        last_error(view.study.rows),
        hottest(view.study.rows),
        data_digest(about),
        *(attributes.get(axis) for axis in AXES),
        attributes.get("param_count"),
    ]
    return dict(zip(COLUMNS, values, strict=True))


def last_of(trials: list[Trial]) -> Trial | None:
    return trials[-1] if trials else None


def started(trials: list[Trial]) -> str | None:
    """Return when the first trial started, in local time."""
    times = [trial.datetime_start for trial in trials if trial.datetime_start]
    first: datetime | None = min(times, default=None)
    return first.isoformat(" ", "seconds") if first else None


def script_of(view: StudyView) -> str:
    """Return the script beside the folder of the log, or the log where there is none."""
    source = Path(view.study.source)
    script = source.parent.parent / f"{source.stem}.py"
    return str(script if script.is_file() else source)


def status_of(view: StudyView) -> str:
    """Return success, failed (no trial is complete) or unfinished."""
    ended = sum(trial.state != "RUNNING" for trial in view.study.rows)
    if view.total is not None and ended < view.total:
        return "unfinished"
    return "success" if view.has_results else "failed"


def validation_loss(view: StudyView, best: Trial | None) -> Any:
    """Return the validation loss of the best trial, or its value if that is a loss."""
    if best is None:
        return None
    return best.user_attrs.get("val_loss", best.value if view.sign == 1 else None)


def last_error(trials: list[Trial]) -> str | None:
    """Return reason and error of the last trial that failed."""
    failed = [trial for trial in trials if trial.state == "FAIL"]
    if not failed:
        return None
    found = [failed[-1].user_attrs.get(name) for name in ("fail_reason", "error")]
    return ": ".join(str(text) for text in found if text) or "failed"


def hottest(trials: list[Trial]) -> float | None:
    """Return the highest temperature that the trials recorded."""
    found = [trial.user_attrs.get(name) for trial in trials for name in HEAT]
    return max((heat for heat in found if isinstance(heat, (int, float))), default=None)


def data_digest(about: dict[str, Any]) -> str | None:
    """Return the MD5 of the data if the file is still the one of the log, else its SHA-256."""
    known = about.get("data_sha256")
    if not isinstance(known, str):
        return None
    try:
        content = Path(str(about.get("data"))).read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != known:
        return f"sha256:{known}"
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
