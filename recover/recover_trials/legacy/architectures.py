"""Old logs completed: heads and widths from the list of architectures that a search used."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recover_trials.errors import UnreadableError
from recover_trials.legacy.script_constants import literals
from recover_trials.model import Study, Trial

FIELDS = ("d_model", "n_layers", "n_heads", "d_ff")
COUNTS = ("params", "param_count")
OUTSIDE = "arch_idx is not in the list of architectures"
DIFFERS = "its row in the list of architectures is another one"
ELSEWHERE = "its row in the list of architectures is another one; row {0} would fit"
UNCHECKED = "not completed: nothing in the log proves the list"
SEVERAL = "not completed: several architectures of the list fit"
NONE_FITS = "not completed: no architecture of the list fits"


@dataclass(frozen=True)
class PatchModel:
    """What the predecessor's count of parameters depends on besides the architecture."""

    features: int = 25
    context: int = 60
    patch: int = 16
    stride: int = 8

    def count(self, d_model: int, n_layers: int, d_ff: int) -> int:
        """Return the number of parameters by the predecessor's formula."""
        d, patches = d_model, (self.context - self.patch) // self.stride + 1
        embedding = self.patch * self.features * d + d + (patches + 10) * d
        layer = 4 * d * d + 4 * d + 4 * d + 2 * d * d_ff + d_ff + d
        return embedding + n_layers * layer + 2 * d + d * patches + 1


def read_list(path: Path) -> list[dict[str, int]]:
    """Return the architectures of a script, a CSV or a JSON file.

    Raises UnreadableError if there are none. Nothing in the file is evaluated.
    """
    try:
        rows = listed(path.read_text(encoding="utf-8-sig"), path.suffix.lower())
        found = [{str(k): int(v) for k, v in row.items() if str(v).strip()} for row in rows]
    except (ValueError, TypeError, AttributeError, SyntaxError, RecursionError) as error:
        raise UnreadableError(f"no list of architectures: {error}") from None
    if not found or any(not {"d_model", "n_layers"} <= row.keys() for row in found):
        raise UnreadableError(
            "no list of architectures: d_model and n_layers must be in every row"
        )
    if all("arch_idx" in row for row in found):
        by_index = {row["arch_idx"]: row for row in found}
        if sorted(by_index) != list(range(len(found))):
            raise UnreadableError("arch_idx of the list must count from 0 without a gap")
        found = [by_index[index] for index in range(len(found))]
    return found


def listed(text: str, suffix: str) -> Iterable[Mapping[str, Any]]:
    """Return the rows of a list of architectures."""
    if suffix == ".csv":
        return list(csv.DictReader(io.StringIO(text)))
    if suffix == ".json":
        found = json.loads(text)
        if isinstance(found, dict):
            found = found.get("ARCHITECTURES", found.get("architectures"))
        return list(found)
    if found := literals(text, {"ARCHITECTURES"}):
        return list(found["ARCHITECTURES"])
    raise ValueError("the script assigns no ARCHITECTURES")


def complete(study: Study, rows: list[dict[str, int]], model: PatchModel | None = None) -> None:
    """Fill what the log does not tell of architectures; flag what does not fit, guess nothing.

    A list is believed for a study if the parameter count of at least one trial proves it and that
    of none contradicts it.
    """
    model = model or PatchModel()
    proven = contradicted = False
    indexed = []
    for trial in study.rows:
        known = {**trial.params, **trial.user_attrs}
        index = known.get("arch_idx")
        if not isinstance(index, int):
            complete_by_shape(trial, known, rows, model)
        elif not 0 <= index < len(rows):
            trial.flags.append(OUTSIDE)
            contradicted = True
        elif fit := fits(rows[index], known, model):
            proven |= fit == 2
            indexed.append((trial, rows[index]))
        else:
            others = [str(i) for i, row in enumerate(rows) if fits(row, known, model) == 2]
            trial.flags.append(ELSEWHERE.format(others[0]) if len(others) == 1 else DIFFERS)
            contradicted = True
    for trial, row in indexed:
        if proven and not contradicted:
            fill(trial, row)
        elif not {*FIELDS} <= trial.user_attrs.keys():
            trial.flags.append(UNCHECKED)


def complete_by_shape(
    trial: Trial, known: dict[str, Any], rows: list[dict[str, int]], model: PatchModel
) -> None:
    """Complete a trial that tells its size but no row, if only one architecture fits."""
    if not {"d_model", "n_layers", "param_count"} <= known.keys():
        return
    fitting = [row for row in rows if fits(row, known, model) == 2]
    if len(fitting) == 1:
        fill(trial, fitting[0])
    elif not {*FIELDS} <= known.keys():
        trial.flags.append(SEVERAL if fitting else NONE_FITS)


def fits(row: dict[str, int], known: dict[str, Any], model: PatchModel) -> int:
    """Return 2 if the parameter count proves a row, 1 if nothing contradicts it, else 0."""
    if any(name in row and known.get(name, row[name]) != row[name] for name in FIELDS):
        return 0
    told = known.get("param_count")
    if not isinstance(told, int):
        return 1
    counts = {row[name] for name in COUNTS if name in row}
    if "d_ff" in row:
        counts.add(model.count(row["d_model"], row["n_layers"], row["d_ff"]))
    return 2 if told in counts else 0 if counts else 1


def fill(trial: Trial, row: dict[str, int]) -> None:
    """Write what a row has and the trial has not."""
    for name in FIELDS:
        if name in row and name not in trial.params:
            trial.user_attrs.setdefault(name, row[name])
