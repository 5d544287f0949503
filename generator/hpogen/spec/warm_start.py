"""Warm start: the best configurations of earlier studies, for the grid of another budget.

Searched parameters keep their values. An architecture becomes that of the new grid whose aspect
ratio lies nearest to the same place of its range, from the deepest (0) to the widest (1), because
the same ratio would be an end of one grid and the centre of another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hpogen.configuration.yaml_file import shown
from hpogen.configuration.yaml_keys import CategoricalEntry, Entry, IntEntry
from hpogen.errors import UsageError
from hpogen.spec.spec import Spec
from recover_trials import Study, Trial, UnreadableError, read_trials

MOST = 4  # configurations of all studies together
SIZES = ("d_model", "n_layers", "n_heads", "d_ff")
Config = dict[str, Any]


def with_warm_start(spec: Spec, logs: Sequence[Path]) -> tuple[Spec, list[str]]:
    """Return a specification that tries the best configurations of logs first, and notes.

    Raises UsageError for a log without a complete trial or of another task or metric.
    """
    notes: list[str] = []
    found = [carried(spec, study, notes) for study in studies_of(spec, logs)]
    rounds = max((len(configs) for configs in found), default=0)
    ranked = [configs[k] for k in range(rounds) for configs in found if k < len(configs)]
    chosen = [config for k, config in enumerate(ranked) if config not in ranked[:k]][:MOST]
    if len(spec.extremes) + len(chosen) > spec.n_trials - spec.n_reruns:
        notes.append(
            f"--warm-start: {len(spec.extremes)} extremes and {len(chosen)} configurations do not"
            f" fit into {spec.n_trials} trials; raise study.n_trials"
        )
    return spec.model_copy(update={"warm_start": chosen}), list(dict.fromkeys(notes))


def studies_of(spec: Spec, logs: Sequence[Path]) -> list[Study]:
    """Return the studies of logs, the budget nearest to that of the specification first."""
    try:
        studies = [study for study in read_trials(logs).studies if study.trials]
    except (OSError, UnreadableError) as error:
        raise UsageError(f"--warm-start: {getattr(error, 'strerror', None) or error}") from None
    if not studies:
        raise UsageError("--warm-start: the logs hold no study")
    for study in studies:
        refuse_other(spec, study)

    def distance(study: Study) -> float:
        budget = study.about.get("budget")
        if not isinstance(budget, int) or budget <= 0:
            return math.inf
        return abs(math.log(budget / spec.budget))

    return sorted(studies, key=distance)


def refuse_other(spec: Spec, study: Study) -> None:
    """Raise UsageError for a study whose best trials say nothing about this search."""
    for name in ("task", "metric"):
        stated = study.about.get(name)
        if stated not in (None, getattr(spec, name)):
            raise UsageError(
                f"--warm-start {shown(study.name)}: its {name} is {shown(str(stated))}, not"
                f" {getattr(spec, name)}"
            )
    if study.about.get("smoke") or not complete(study):
        raise UsageError(
            f"--warm-start {shown(study.name)}: no trial is complete and has a known architecture"
        )


def complete(study: Study) -> list[Trial]:
    """Return the complete trials with value and architecture, without reruns."""
    rows = [trial for trial in study.rows if trial.rerun_of is None]
    return [trial for trial in rows if trial.state == "COMPLETE" and has_all(trial)]


def has_all(trial: Trial) -> bool:
    """Return whether value and architecture of a trial are known."""
    sizes = [trial.user_attrs.get(name) for name in SIZES]
    return trial.value is not None and all(isinstance(n, int) and n > 0 for n in sizes)


def carried(spec: Spec, study: Study, notes: list[str], *, most: int = MOST) -> list[Config]:
    """Return the best configurations of a study for the grid of a specification, best first."""
    sign = 1 if spec.family.metrics[spec.metric] == "minimize" else -1
    trials = sorted(complete(study), key=lambda t: (sign * (t.value or 0.0), t.number))
    row_of = nearest_row(spec, trials)
    configs: list[Config] = []
    outside: dict[tuple[str, Any], list[str]] = {}  # trials by parameter and value
    for trial in trials:
        config: Config = {"arch_idx": row_of(trial)}
        for name, value in searched_values(spec, trial):
            if contains(spec.search[name], value):
                config[name] = value
            else:
                outside.setdefault((name, value), []).append(str(trial.number))
        if config not in configs:
            configs.append(config)
        if len(configs) == most:
            break
    for (name, value), numbers in outside.items():
        notes.append(
            f"--warm-start {shown(study.name)}: {name} {shown(str(value))} (trial"
            f" {', '.join(numbers)}) is outside of the new space and left out"
        )
    return configs


def searched_values(spec: Spec, trial: Trial) -> Iterator[tuple[str, Any]]:
    """Yield the parameters of a trial that the specification searches under its conditions."""
    known = {**spec.fixed, **trial.user_attrs, **trial.params}
    for name, entry in spec.search.items():
        if applies(entry, known) and isinstance(known.get(name), (int, float, str)):
            yield name, known[name]


def applies(entry: Entry, config: Mapping[str, Any]) -> bool:
    """Return whether the condition of a parameter holds."""
    return all(config.get(other) in values for other, values in entry.when.items())


def contains(entry: Entry, value: Any) -> bool:
    """Return whether a search entry has a value."""
    if isinstance(entry, CategoricalEntry):
        return value in entry.choices
    if not is_number(value) or not entry.low <= value <= entry.high:
        return False
    return not isinstance(entry, IntEntry) or (value - entry.low) % entry.step == 0


def is_number(value: Any) -> bool:
    """Return whether a value is a number and no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def nearest_row(spec: Spec, trials: Iterable[Trial]) -> Callable[[Trial], int]:
    """Return a function that maps one of the trials to the nearest allowed row of the grid."""
    allowed = spec.space().allowed
    rows = {arch_idx: spec.architectures[arch_idx] for arch_idx in allowed}
    new_place = placed(map(aspect, rows.values()))
    old_place = placed(aspect(trial.user_attrs) for trial in trials)

    def row_of(trial: Trial) -> int:
        old = trial.user_attrs

        def gap(arch_idx: int) -> tuple[float, float, float]:
            row = rows[arch_idx]
            widths = row["d_ff"] / row["d_model"] - old["d_ff"] / old["d_model"]
            heads = math.log2(row["n_heads"] / old["n_heads"])
            place = new_place(aspect(row)) - old_place(aspect(old))
            return round(abs(place), 6), abs(widths), abs(heads)

        return min(rows, key=gap)

    return row_of


def aspect(sizes: Mapping[str, Any]) -> float:
    """Return the logarithm of d_model / n_layers."""
    return math.log(sizes["d_model"] / sizes["n_layers"])


def placed(aspects: Iterable[float]) -> Callable[[float], float]:
    """Return a function that gives the place of an aspect in a range, from 0 to 1."""
    values = [*aspects]
    low, high = min(values, default=0.0), max(values, default=1.0)
    return lambda value: (value - low) / (high - low) if high > low else 0.5
