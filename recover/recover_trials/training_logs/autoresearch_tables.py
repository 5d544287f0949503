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

HEADER = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:commit\t[\w./-]+\t(?:[\w./-]+\t)*status\tdescription"
    rb"|(?:[\w./-]+,)*(?:depth|flops_budget),(?:[\w./-]+,)*val_(?:bpb|loss)\b[\w,./-]*)\r?\n"
)
LONGEST_HEADER = 4096
PARAMS = ("depth", "flops_budget", "model_dim", "num_layers", "n_layer", "n_embd")
NAMES = {
    "train_time_sec": "train_seconds",
    "params_total": "param_count",
    "tokens_trained": "tokens",
}
STATES = {"keep": "COMPLETE", "discard": "COMPLETE", "crash": "FAIL"}
LOWER = re.compile(r"\w*(?:bpb|loss|error|perplexity)\w*")
PLACEHOLDER = ("core_score", "0.0")


def is_run_table(head: bytes) -> bool:
    return HEADER.match(head, 0, LONGEST_HEADER) is not None


def read_run_table(data: bytes) -> list[ResultStudy]:
    """Return the runs of a table; a row with more or fewer cells is damaged."""
    text = data.decode("utf-8-sig", "replace")
    separator = "\t" if text.startswith("commit\t") else ","
    lines = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
    )
    header, *rows = [row for row in lines if row]
    value = header[1] if separator == "\t" else next(n for n in header if n.startswith("val_"))
    about = {"metric": value}
    if LOWER.fullmatch(value):
        about["direction"] = "minimize"
    study = ResultStudy(about, numbered=False)
    is_cut = not text.endswith(("\n", "\r"))
    whole = (len(row) == len(header) and not (is_cut and row is rows[-1]) for row in rows)
    study.add(
        entry_of(dict(zip(header, row, strict=False)), value) if is_whole else None
        for row, is_whole in zip(rows, whole, strict=True)
    )
    return [study]


def entry_of(cells: dict[str, str], value: str) -> dict[str, Any]:
    """Return the entry of a row. Numbers are missing where their cells are empty."""
    state = STATES.get(cells.get("status", ""), "COMPLETE")
    entry: dict[str, Any] = {"state": state, "params": {}, "user_attrs": {}}
    for name, text in cells.items():
        is_placeholder = state == "FAIL" and re.fullmatch(r"[0.]+", text)
        if not text or is_placeholder or (name, text) == PLACEHOLDER:
            continue
        if name == value:
            entry["value"] = cell_value(text)
        else:
            kind = "params" if name in PARAMS else "user_attrs"
            is_text = name in ("commit", "status", "description")
            entry[kind][NAMES.get(name, name)] = text if is_text else cell_value(text)
    return entry
