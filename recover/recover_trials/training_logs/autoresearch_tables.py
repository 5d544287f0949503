"""Tables of runs that scripts collect from training logs: autoresearch's TSV, nanochat's CSV.

In them, 0.0 stands for a number that is missing: every number of a crashed run, and a CORE score
that the log does not have.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from recover_trials.files.result_entries import cell_value
from recover_trials.files.result_study import ResultStudy
from recover_trials.training_logs.line_formats import is_never_zero, is_number
from recover_trials.training_logs.runs import IS_NAN

HEADER = re.compile(
    rb"(?:commit\t(?=[^\r\n]*\tstatus[\t\r\n])(?=[^\r\n]*\tdescription[\t\r\n])[^\r\n]+"
    rb"|(?:[\w./-]+,)*(?:depth|flops_budget),(?:[\w./-]+,)*val_(?:bpb|loss)\b[\w,./-]*)\r?\n"
)
LONGEST_HEADER = 4096
PARAMS = ("depth", "flops_budget", "model_dim", "num_layers", "n_layer", "n_embd")
NAMES = {
    "train_time_sec": "train_seconds",
    "params_total": "param_count",
    "tokens_trained": "tokens",
}
FAILED = re.compile(r"\b(?:crash|fail|error|oom|timeout|invalid)", re.IGNORECASE)
MEASURES = re.compile(r"memory|vram|mfu")
LOWER = re.compile(r"\w*(?:bpb|loss|error|perplexity)\w*")
TEXTS = ("commit", "status", "description")
ZERO = re.compile(r"[0.]*0[0.]*")


def is_run_table(head: bytes) -> bool:
    return HEADER.match(head, 0, LONGEST_HEADER) is not None


def read_run_table(data: bytes) -> list[ResultStudy]:
    """Return the runs of a table; a row with more or fewer cells is damaged.

    If the last line lacks its end, its last cell may be cut, which is harmless in a description.
    """
    text = data.decode("utf-8", "replace")
    separator = "\t" if text.startswith("commit\t") else ","
    lines = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
    )
    header, *rows = [row for row in lines if row]
    value = next((name for name in header if name.startswith("val_")), header[1])
    about = {"metric": value}
    if LOWER.fullmatch(value):
        about["direction"] = "minimize"
    study = ResultStudy(about, numbered=False)
    rows = [row for row in rows if row != header]
    for place, row in enumerate(rows):
        is_cut = row is rows[-1] and not (text.endswith(("\n", "\r")) or header[-1] in TEXTS)
        if is_cut or len(row) != len(header):
            cells = "cut short" if is_cut else f"{len(row)} cells for {len(header)} columns"
            study.damaged.append(f"row {place + 1}: {cells}")
        else:
            study.add_one(place, entry_of(dict(zip(header, row, strict=True)), value))
    return [study]


def entry_of(cells: dict[str, str], value: str) -> dict[str, Any]:
    """Return the entry of a row. Numbers are missing where their cells are empty or hold a 0."""
    failed = FAILED.search(cells.get("status", "")) is not None
    entry: dict[str, Any] = {"params": {}, "user_attrs": {}}
    entry["state"] = "FAIL" if failed else "COMPLETE"
    for name, text in cells.items():
        if not text or (ZERO.fullmatch(text) and (failed or is_missing(name, cells, value))):
            continue
        is_text = name in TEXTS
        number = text if is_text else cell_value(text)
        if name == value and number != number:
            entry["state"], entry["user_attrs"]["error"] = "FAIL", IS_NAN.format(name)
        elif name == value and is_number(number):
            entry["value"] = number
        else:
            kind = "params" if name in PARAMS else "user_attrs"
            entry[kind][NAMES.get(name, name)] = number
    return entry


def is_missing(name: str, cells: dict[str, str], value: str) -> bool:
    """Return whether a zero is no measurement: a CORE score, or all that a run broke off with."""
    measured = [text for other, text in cells.items() if other == value or MEASURES.search(other)]
    is_unmeasured = len(measured) > 1 and all(map(ZERO.fullmatch, measured))
    return name == "core_score" or is_never_zero(name) or is_unmeasured
