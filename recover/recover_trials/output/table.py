"""Aligned tables for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recover_trials.model import Study
from recover_trials.output.csv_json import text_cells
from recover_trials.output.rows import cells_of, shared_fields, table_of
from recover_trials.recovery_report import Recovery
from recover_trials.seed_noise import noise_sentence, seed_noise

SHOWN_ATTRIBUTES = ("arch_idx", "d_model", "n_layers", "n_heads", "d_ff", "param_count")


def cell(value: Any) -> Text:
    """Return a value for a terminal, without characters that move the cursor or set colours."""
    if value is None:
        return Text("")
    (value,) = text_cells([value])
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return Text("".join(char if char.isprintable() else "\ufffd" for char in text))


def searched_names(study: Study) -> list[str]:
    """Return the names of parameters to show; sizes replace the indices of architectures."""
    names = dict.fromkeys(name for trial in study.rows for name in trial.params)
    has_sizes = any("arch_idx" in trial.user_attrs for trial in study.rows)
    return [name for name in names if not (has_sizes and name.endswith("_idx"))]


def study_table(study: Study) -> Table:
    """Return a study as an aligned table with a mark at the best trial."""
    attributes = [
        name for name in SHOWN_ATTRIBUTES if any(name in t.user_attrs for t in study.rows)
    ]
    extra = [
        name
        for name in ("kind", "rerun_of", "repeat_of", "ended_by", "fail_reason")
        if any(name in trial.user_attrs for trial in study.rows)
    ]
    measures = [name for name in study.front if any(name in t.user_attrs for t in study.rows)]
    params = searched_names(study)
    table = Table(box=None, pad_edge=False)
    for name in ("", "number", "state", "value", *measures, *attributes, *params, *extra):
        left = name in ("", "state", *extra)
        table.add_column(cell(name or None), justify="left" if left else "right", no_wrap=True)
    for trial in study.rows:
        config = {**trial.user_attrs, **trial.params}
        values = trial.value if len(trial.values) < 2 else list(trial.values)
        cells = [*cells_of(config, [*measures, *attributes, *params, *extra])]
        mark = "*" if trial is study.best else None
        row = [mark, trial.number, trial.state, values, *cells]
        table.add_row(*map(cell, row))
    return table


def selected_table(study: Study, columns: list[str] | None) -> Table:
    """Return a study as a table of the named columns."""
    if columns is None:
        return study_table(study)
    return plain_table(*table_of(Recovery([study], columns=columns)))


def plain_table(names: list[str], rows: list[list[Any]]) -> Table:
    """Return rows as an aligned table."""
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(cell(name), no_wrap=True)
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def to_table(recovery: Recovery) -> str:
    """Return the studies as aligned tables."""
    parts: list[Text | Table] = []
    for study in recovery.studies:
        shared = (f"{name} {value}" for name, value in shared_fields(study).items() if value)
        parts.append(cell(", ".join([study.name, *shared])))
        parts.append(selected_table(study, recovery.columns))
        if noise := seed_noise(study):
            parts.append(cell(noise_sentence(noise)))
    return printed(parts)


def printed(parts: Iterable[Text | Table]) -> str:
    """Return the text of tables, as wide as they need to be."""
    text = io.StringIO()
    console = Console(file=text, width=10_000, force_terminal=False)
    for part in parts:
        console.print(part)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())
