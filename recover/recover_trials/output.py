"""Tables of recovered trials: for a terminal, CSV, JSON, JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recover_trials.model import Study, Trial
from recover_trials.recovery import Recovery

SHOWN_ATTRIBUTES = ("arch_idx", "d_model", "n_layers", "n_heads", "d_ff", "param_count")


def dataframe_row(trial: Trial) -> dict[str, Any]:
    """Return a trial under the column names of Optuna's `trials_dataframe`."""
    row: dict[str, Any] = {"number": trial.number}
    if len(trial.values) > 1:
        row |= {f"values_{index}": value for index, value in enumerate(trial.values)}
    else:
        row["value"] = trial.value
    start, complete = trial.datetime_start, trial.datetime_complete
    row |= {
        "datetime_start": start,
        "datetime_complete": complete,
        "duration": complete - start if start and complete else None,
    }
    row |= {f"params_{name}": value for name, value in sorted(trial.params.items())}
    row |= {f"user_attrs_{name}": value for name, value in sorted(trial.user_attrs.items())}
    return {**row, "state": trial.state}


def to_csv(recovery: Recovery) -> str:
    """Return all studies as one CSV; the column `study` is there when there are several."""
    several = len(recovery.studies) > 1
    rows = []
    for study in recovery.studies:
        for trial in study.rows:
            row = dataframe_row(trial)
            row.pop("user_attrs_learning_curve", None)
            rows.append({"study": study.name, **row} if several else row)
    names = {name for row in rows for name in row}
    n_values = max((len(trial.values) for s in recovery.studies for trial in s.rows), default=0)
    values = ["value", *(f"values_{index}" for index in range(n_values))]
    order = ["study", "number", *values, "datetime_start", "datetime_complete", "duration"]
    rest = sorted(names - {*order, "state"})
    if n_values > 1 and all(row.get("value") is None for row in rows):
        names.discard("value")
    columns = [*(name for name in order if name in names), *rest, "state"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace").decode()  # lone surrogates


def plain(value: Any) -> Any:
    """Return a value as JSON has it: null for NaN and infinity, text for times."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def record(study: Study, trial: Trial) -> dict[str, Any]:
    """Return everything that is known of a trial, in the keys of the script's own files."""
    found = {
        "study": study.name,
        "trial_number": trial.number,
        "state": trial.state,
        "value": trial.value,
        "values": trial.values,
        "datetime_start": trial.datetime_start,
        "datetime_complete": trial.datetime_complete,
        "params": trial.params,
        "user_attrs": trial.user_attrs,
        "intermediate_values": trial.intermediate_values,
        "flags": trial.flags,
    }
    clean: dict[str, Any] = plain(found)
    return clean


def to_json(recovery: Recovery) -> str:
    """Return all studies as JSON."""
    studies = [
        {
            "study": study.name,
            "source": study.source,
            "about": plain(study.about),
            "best_trial": study.best.number if study.best else None,
            "trials": [record(study, trial) for trial in study.rows],
        }
        for study in recovery.studies
    ]
    return json.dumps({"generated_from": "log_recovery", "studies": studies}, indent=1) + "\n"


def to_jsonl(recovery: Recovery) -> str:
    """Return a trial per line."""
    lines = [
        json.dumps(record(study, trial)) for study in recovery.studies for trial in study.rows
    ]
    return "".join(f"{line}\n" for line in lines)


def cell(value: Any) -> Text:
    """Return a value for a terminal; what a log says cannot move the cursor or set colours."""
    if value is None:
        return Text("")
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return Text("".join(char if char.isprintable() else "\ufffd" for char in text))


def searched_names(study: Study) -> list[str]:
    """Return the parameters to show; the architecture is shown itself, not its indices."""
    names = dict.fromkeys(name for trial in study.rows for name in trial.params)
    known = any("arch_idx" in trial.user_attrs for trial in study.rows)
    return [name for name in names if not (known and name.endswith("_idx"))]


def study_table(study: Study) -> Table:
    """Return a study as an aligned table, the best trial marked."""
    attributes = [
        name for name in SHOWN_ATTRIBUTES if any(name in t.user_attrs for t in study.rows)
    ]
    extra = [
        name
        for name in ("kind", "ended_by", "fail_reason")
        if any(name in trial.user_attrs for trial in study.rows)
    ]
    params = searched_names(study)
    table = Table(box=None, pad_edge=False)
    for name in ("", "number", "state", "value", *attributes, *params, *extra):
        left = name in ("", "state", *extra)
        table.add_column(cell(name), justify="left" if left else "right", no_wrap=True)
    for trial in study.rows:
        known = {**trial.user_attrs, **trial.params}
        values = trial.value if len(trial.values) < 2 else list(trial.values)
        named = [known.get(name) for name in (*attributes, *params, *extra)]
        mark = "*" if trial is study.best else ""
        row = [mark, trial.number, trial.state, values, *named]
        table.add_row(*map(cell, row))
    return table


def to_table(recovery: Recovery) -> str:
    """Return aligned tables, as wide as they need to be."""
    text = io.StringIO()
    console = Console(file=text, width=10_000, force_terminal=False)
    for study in recovery.studies:
        console.print(cell(study.name))
        console.print(study_table(study))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


WRITERS = {"table": to_table, "csv": to_csv, "json": to_json, "jsonl": to_jsonl}
