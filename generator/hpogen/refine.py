"""Refinement: a search script with the space that the best trials of a study span."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpogen.errors import UsageError
from hpogen.final.best_configurations import best_trials, configuration, read_study
from hpogen.final.study_script import find_script, study_spec
from hpogen.spec import Spec

MOST_CHOICES = 3  # of a categorical parameter
FEWEST_TRIALS = 2


def refined_spec(
    results: Path, *, top: int, pad: float, script: Path | None, n_trials: int | None
) -> tuple[Spec, list[str]]:
    """Return a specification with a narrower search than that of a study, and notes.

    Args:
        results: the log of the study, its trials.csv or best_params.json.
        top: how many of the best configurations span the new space.
        pad: how far a range of floats goes beyond them, as a share of its former width.
        script: the search script of the study; None: found by the study's name.
        n_trials: of the new study; None: as before.

    Raises UsageError.
    """
    study = read_study(results)
    spec, notes = study_spec(find_script(results, study.name, script), study.about)
    best = [configuration(trial, spec) for trial in best_trials(study, spec, top)]
    if len(best) < FEWEST_TRIALS:
        raise UsageError(f"the study has {len(best)} complete configurations, fewer than 2")
    if len(best) < top:
        notes.append(f"the study has {len(best)} complete configurations, fewer than {top}")
    search, fixed = narrowed(spec, best, pad)
    values = {
        **spec.model_dump(),
        "name": f"{spec.name}_refined",
        "study_name": f"{spec.study_name}_refined",
        "n_trials": n_trials or spec.n_trials,
        "architecture": narrowed_axes(spec, best),
        "skip": [item for item in spec.skip if not isinstance(item, int)],
        "search": search,
        "fixed": fixed,
    }
    return Spec.model_validate(values), notes


def narrowed(
    spec: Spec, best: Sequence[Mapping[str, Any]], pad: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the searched and the fixed parameters; one with a single value left is fixed."""
    search: dict[str, Any] = {}
    fixed: dict[str, Any] = dict(spec.fixed)
    for name, entry in spec.search.items():
        before = entry.model_dump()
        when = {other: set(values) for other, values in before["when"].items()}
        if any(other in fixed and fixed[other] not in values for other, values in when.items()):
            continue  # its condition holds no more
        before["when"] = {other: v for other, v in before["when"].items() if other in search}
        values = [config[name] for config in best if name in config]
        found = narrow_entry(before, values, pad) if values else before
        if isinstance(found, dict):
            search[name] = found
        else:
            fixed[name] = found
    return search, fixed


def narrow_entry(entry: dict[str, Any], values: Sequence[Any], pad: float) -> Any:
    """Return the entry that some values of a parameter span, or its only value."""
    if entry["type"] == "categorical":
        common = {value for value, _ in Counter(values).most_common(MOST_CHOICES)}
        choices = [choice for choice in entry["choices"] if choice in common]
        return {**entry, "choices": choices} if len(choices) > 1 else choices[0]
    if entry["type"] == "int":
        low, high = min(values), max(values)
        return {**entry, "low": low, "high": high} if low < high else low
    low, high = float_range(entry, values, pad)
    return {**entry, "low": low, "high": high} if low < high else low


def float_range(
    entry: Mapping[str, Any], values: Sequence[float], pad: float
) -> tuple[float, float]:
    """Return the padded range of floats within the former one, on its scale."""
    into, back = (math.log, math.exp) if entry["log"] else (float, float)
    first, last = into(entry["low"]), into(entry["high"])
    more = pad * (last - first)
    low = max(entry["low"], rounded(back(into(min(values)) - more)))
    high = min(entry["high"], rounded(back(into(max(values)) + more)))
    return low, high


def rounded(value: float) -> float:
    """Return a value with three digits, for a script that people read."""
    return float(f"{value:.3g}")


def narrowed_axes(spec: Spec, best: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return the values of each architecture axis from the smallest to the largest of the best."""
    axes = {}
    for name, values in spec.architecture.items():
        base, is_ratio = name.removesuffix("_ratio"), name.endswith("_ratio")
        used = [c[base] / c["d_model"] if is_ratio else c[name] for c in best]
        axes[name] = [value for value in values if min(used) <= value <= max(used)]
    narrow = spec.model_copy(update={"architecture": axes})
    rows = [narrow.count(row) for row in spec.family.candidates(axes)]
    near = [n for n in rows if abs(n / spec.budget - 1) <= spec.tolerance]
    return axes if len(near) >= 2 else dict(spec.architecture)
