"""Old logs completed from the list of architectures that a search used."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from recover_trials.errors import UnreadableError
from recover_trials.legacy.script_constants import constants_of
from recover_trials.model import Study, Trial

FIELDS = ("d_model", "n_layers", "n_heads", "d_ff")
COUNTS = ("params", "param_count")
OUTSIDE = "arch_idx is outside the list of architectures"
DIFFERS = "its row in the list of architectures has another architecture"
ELSEWHERE = "its row in the list of architectures has another architecture; row {0} matches"
UNPROVEN = "sizes not added: no parameter count in the log confirms the list of architectures"
SEVERAL = "sizes not added: several rows of the list of architectures match"
NONE_MATCHES = "sizes not added: no row of the list of architectures matches"


class Match(IntEnum):
    """Result of the comparison of a row of the list with a trial."""

    CONFLICT = 0
    POSSIBLE = 1  # the log holds no parameter count
    PROVEN = 2  # by the parameter count


@dataclass(frozen=True)
class PatchModel:
    """Sizes in the predecessor's formula for the parameter count, besides the architecture."""

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


def read_architectures(path: Path) -> list[dict[str, int]]:
    """Return the architectures of a script, a CSV or a JSON file.

    Raises UnreadableError for an invalid list. No code of the file is run.
    """
    try:
        items = parse_list(path.read_text(encoding="utf-8-sig"), path.suffix.lower())
        rows = [{str(k): int(v) for k, v in item.items() if str(v).strip()} for item in items]
    except (ValueError, TypeError, AttributeError, SyntaxError, RecursionError) as error:
        raise UnreadableError(f"not a list of architectures: {error}") from None
    if not rows or any(not {"d_model", "n_layers"} <= row.keys() for row in rows):
        raise UnreadableError("not a list of architectures: every row needs d_model and n_layers")
    if all("arch_idx" in row for row in rows):
        by_index = {row["arch_idx"]: row for row in rows}
        if sorted(by_index) != list(range(len(rows))):
            raise UnreadableError(
                "the arch_idx values of the list must count from 0 without a gap"
            )
        rows = [by_index[index] for index in range(len(rows))]
    return rows


def parse_list(text: str, suffix: str) -> Iterable[Mapping[str, Any]]:
    if suffix == ".csv":
        return list(csv.DictReader(io.StringIO(text)))
    if suffix == ".json":
        document = json.loads(text)
        if isinstance(document, dict):
            document = document.get("ARCHITECTURES", document.get("architectures"))
        return list(document)
    if constants := constants_of(text, {"ARCHITECTURES"}):
        return list(constants["ARCHITECTURES"])
    raise ValueError("the script does not assign ARCHITECTURES")


def complete_from_list(
    study: Study, rows: list[dict[str, int]], model: PatchModel | None = None
) -> None:
    """Add the sizes that the log does not hold; flag trials that conflict with the list.

    Sizes are added only if the parameter count of a trial confirms the list and no trial conflicts
    with it. Trials without arch_idx are matched by their parameter count.
    """
    model = model or PatchModel()
    proven = conflicting = False
    indexed = []
    for trial in study.rows:
        config = {**trial.params, **trial.user_attrs}
        index = config.get("arch_idx")
        if not isinstance(index, int):
            complete_by_shape(trial, config, rows, model)
        elif not 0 <= index < len(rows):
            trial.flags.append(OUTSIDE)
            conflicting = True
        elif match := match_row(rows[index], config, model):
            proven |= match is Match.PROVEN
            indexed.append((trial, rows[index]))
        else:
            trial.flags.append(conflict_flag(config, rows, model))
            conflicting = True
    for trial, row in indexed:
        if proven and not conflicting:
            add_sizes(trial, row)
        elif not {*FIELDS} <= trial.user_attrs.keys():
            trial.flags.append(UNPROVEN)


def conflict_flag(config: dict[str, Any], rows: list[dict[str, int]], model: PatchModel) -> str:
    """Return the flag of a trial that conflicts with its row of the list."""
    matches = [
        index for index, row in enumerate(rows) if match_row(row, config, model) is Match.PROVEN
    ]
    return ELSEWHERE.format(matches[0]) if len(matches) == 1 else DIFFERS


def complete_by_shape(
    trial: Trial, config: dict[str, Any], rows: list[dict[str, int]], model: PatchModel
) -> None:
    """Add sizes to a trial without arch_idx if one row has its parameter count."""
    if not {"d_model", "n_layers", "param_count"} <= config.keys():
        return
    matches = [row for row in rows if match_row(row, config, model) is Match.PROVEN]
    if len(matches) == 1:
        add_sizes(trial, matches[0])
    elif not {*FIELDS} <= config.keys():
        trial.flags.append(SEVERAL if matches else NONE_MATCHES)


def match_row(row: dict[str, int], config: dict[str, Any], model: PatchModel) -> Match:
    """Compare a row of the list with the logged configuration of a trial."""
    if any(name in row and config.get(name, row[name]) != row[name] for name in FIELDS):
        return Match.CONFLICT
    logged = config.get("param_count")
    if not isinstance(logged, int):
        return Match.POSSIBLE
    counts = {row[name] for name in COUNTS if name in row}
    if "d_ff" in row:
        counts.add(model.count(row["d_model"], row["n_layers"], row["d_ff"]))
    if logged in counts:
        return Match.PROVEN
    return Match.CONFLICT if counts else Match.POSSIBLE


def add_sizes(trial: Trial, row: dict[str, int]) -> None:
    """Add the sizes of a row that the trial does not have."""
    for name in FIELDS:
        if name in row and name not in trial.params:
            trial.user_attrs.setdefault(name, row[name])
