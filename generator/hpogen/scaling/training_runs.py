"""Training runs of other programs as points of size, tokens and loss, and the runs left out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hpogen.report.view import StudyView
from hpogen.report.words import finite
from recover_trials import Trial

SAME_COMPUTE = 0.1  # runs whose FLOP differ by less are of one compute budget
FEWEST_SIZES = 4  # of a compute budget, to see whether its best size is inside
Count = Callable[[Mapping[str, Any]], float | None]


class Run(NamedTuple):
    """One training run: parameters, training tokens, training FLOP, loss."""

    name: str
    size: float
    tokens: float
    flops: float
    loss: float


def total(*names: str) -> Count:
    """Return a count: the sum of attributes, None if one is missing."""

    def count(attributes: Mapping[str, Any]) -> float | None:
        values = [finite(attributes.get(name)) for name in names]
        known = [value for value in values if value is not None and value > 0]
        return sum(known) if len(known) == len(values) else None

    return count


# The names of counts in the logs of nanochat and in the table of its sweep.
MATRICES = ("params_transformer", "transformer_matrices")
HEADS = ("params_lm_head", "lm_head")
CONVENTIONS: dict[str, Sequence[Count]] = {
    "all parameters": [total("param_count")],
    "matrices and head": [
        *(total(*pair) for pair in zip(MATRICES, HEADS, strict=True)),
        total("num_scaling_params"),
    ],
    "matrices only": [total(name) for name in MATRICES],
}


@dataclass
class Runs:
    """The runs of several files by one convention of counting parameters."""

    convention: str
    used: list[Run] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def runs_by_convention(views: Iterable[StudyView]) -> list[Runs]:
    """Return the runs for each convention that at least one run has; empty without tokens.

    The trials of a search script are none: most have settings that were not tuned.
    """
    rows = [
        (f"{view.name} run {trial.number}", trial)
        for view in views
        if view.sign == 1 and view.study.about.get("task") is None
        for trial in view.study.rows
    ]
    if not any(finite(trial.user_attrs.get("tokens")) for _, trial in rows):
        return []
    found = [runs_of(rows, convention) for convention in CONVENTIONS]
    return [runs for runs in found if runs.used]


def runs_of(rows: Sequence[tuple[str, Trial]], convention: str) -> Runs:
    """Return rows as runs, by one convention."""
    runs = Runs(convention)
    known = dict[tuple[float, ...], str]()
    for name, trial in rows:
        found = run_of(name, trial, CONVENTIONS[convention])
        if not isinstance(found, Run):
            runs.left_out.append((name, found))
        elif (same := known.setdefault(found[1:], name)) != name:
            runs.left_out.append((name, f"it is equal to {same}"))
        else:
            runs.used.append(found)
    return runs


def run_of(name: str, trial: Trial, counts: Sequence[Count]) -> Run | str:
    """Return a trial as a run, or why it is none."""
    if trial.state != "COMPLETE":
        return f"its state is {trial.state}"
    attributes = trial.user_attrs
    size = next((found for count in counts if (found := count(attributes))), None)
    tokens, loss = total("tokens")(attributes), finite(trial.value)
    if loss is None or loss <= 0:
        return "it has no positive loss"
    if size is None:
        return "its number of parameters is unknown"
    if tokens is None:
        return "its number of training tokens is unknown"
    given = finite(trial.params.get("flops_budget")) or finite(attributes.get("flops"))
    return Run(name, size, tokens, given or 6 * size * tokens, loss)


class ComputeBudget(NamedTuple):
    """Runs of nearly equal training compute, by size."""

    flops: float
    runs: Sequence[Run]

    @property
    def best(self) -> Run:
        return min(self.runs, key=lambda run: run.loss)

    @property
    def at_edge(self) -> bool:
        """Return whether the best run is the smallest or the largest, so that no optimum shows."""
        return self.best.size in (self.runs[0].size, self.runs[-1].size)


def compute_budgets(runs: Iterable[Run]) -> list[ComputeBudget]:
    """Return the compute budgets with at least FEWEST_SIZES sizes, by FLOP."""
    groups: dict[int, list[Run]] = defaultdict(list)
    first, number = 0.0, -1
    for run in sorted(runs, key=lambda run: run.flops):
        if number < 0 or run.flops > first * (1 + SAME_COMPUTE):
            first, number = run.flops, number + 1
        groups[number].append(run)
    budgets = []
    for members in groups.values():
        if len({run.size for run in members}) >= FEWEST_SIZES:
            middle = math.exp(sum(math.log(run.flops) for run in members) / len(members))
            budgets.append(ComputeBudget(middle, sorted(members, key=lambda run: run.size)))
    return budgets
