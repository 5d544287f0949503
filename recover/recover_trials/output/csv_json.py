"""Recovered trials as CSV, JSON and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from recover_trials.output.rows import as_record, json_value, table_of
from recover_trials.recovery import Recovery

CURVE = "learning_curve"


def to_csv(recovery: Recovery) -> str:
    """Return all studies as one CSV, learning curves left out."""
    return csv_of(*table_of(recovery, without=CURVE))


def csv_of(columns: list[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(text_cell, row) for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace").decode()  # lone surrogates


def text_cell(value: Any) -> Any:
    """Return a cell; an empty text and the text None are quoted, for they have other meanings."""
    return repr(value) if value in ("", "None") else value


def to_json(recovery: Recovery) -> str:
    """Return all studies as JSON."""
    studies = [
        {
            "study": study.name,
            "source": study.source,
            "about": json_value(study.about),
            "best_trial": study.best.number if study.best else None,
            "trials": [as_record(study, trial) for trial in study.rows],
        }
        for study in recovery.studies
    ]
    return json.dumps({"generated_from": "log_recovery", "studies": studies}, indent=1) + "\n"


def to_jsonl(recovery: Recovery) -> str:
    """Return a trial per line."""
    lines = [
        json.dumps(as_record(study, trial)) for study in recovery.studies for trial in study.rows
    ]
    return "".join(f"{line}\n" for line in lines)
