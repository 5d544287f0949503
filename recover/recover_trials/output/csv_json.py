"""Recovered trials as CSV, JSON and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from recover_trials.output.rows import as_record, json_value, table_of
from recover_trials.recovery_report import Recovery

CURVE = "learning_curve"


def to_csv(recovery: Recovery) -> str:
    """Return all studies as one CSV, learning curves left out."""
    return csv_of(*table_of(recovery, without=CURVE))


def csv_of(columns: list[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(text_cells, rows))
    return text.getvalue().encode("utf-8", "backslashreplace").decode()  # lone surrogates


def text_cells(row: Sequence[Any]) -> Sequence[Any]:
    """Return a row with empty texts and the text None quoted, for they have other meanings."""
    if "" in row or "None" in row:
        return [repr(value) if value in ("", "None") else value for value in row]
    return row


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
