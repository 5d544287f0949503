"""Warnings about valid settings that make the results of a study useless."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from hpogen.configuration.samplers import Nsga2
from hpogen.configuration.yaml_keys import CategoricalEntry
from hpogen.families.family import Schedule
from hpogen.grid.budget import format_budget
from hpogen.spec import Spec
from hpogen.spec.make import grid_points

FEW_SHAPES = 5


def spec_warnings(spec: Spec, n_train_rows: int | None = None) -> list[str]:
    """Return a warning per setting, with its place in YAML, its value and a remedy.

    `n_train_rows` is the number of training rows in the data file. Without it, `long_warmup` skips
    the comparison if the number of optimizer steps depends on the rows.
    """
    return [
        *few_shapes(spec),
        *only_extremes(spec),
        *many_reruns(spec),
        *long_warmup(spec, n_train_rows),
        *idle_pruner(spec, n_train_rows),
        *random_categories(spec),
        *one_generation(spec),
        *idle_params(spec),
    ]


def few_shapes(spec: Spec) -> Iterator[str]:
    """Yield a warning if few shapes are searched."""
    space = spec.space()
    n_shapes = len({space.shape_of[arch_idx] for arch_idx in space.allowed})
    if n_shapes < FEW_SHAPES:
        axes = spec.family.axes
        wanted = [axis for axis in ("d_model", "n_layers") if len(axes.get(axis, (1, 2))) > 1]
        names = " and ".join(f"architecture.{axis}" for axis in wanted)
        yield (
            f"architecture: {counted(n_shapes, 'shape')} within {format_budget(spec.budget)}"
            f" ±{spec.tolerance:.0%}, fewer than {FEW_SHAPES}; give {names} more values, or"
            " raise tolerance"
        )


def only_extremes(spec: Spec) -> Iterator[str]:
    """Yield a warning if all trials are extremes."""
    n_extremes = len(spec.extremes)
    last = f", the last {spec.n_reruns} reruns" if spec.n_reruns else ""
    if spec.n_trials - spec.n_reruns <= n_extremes:
        yield (
            f"study.n_trials: {counted(spec.n_trials, 'trial')}, and the first {n_extremes} are"
            f" extreme architectures{last}, so the sampler chooses none; write more than"
            f" {n_extremes + spec.n_reruns}"
        )


def many_reruns(spec: Spec) -> Iterator[str]:
    """Yield a warning if reruns take half of the trials, or combinations of a grid."""
    places = "study.n_noise, study.n_confirm"
    if 2 * spec.n_reruns > spec.n_trials:
        yield (
            f"{places}: {counted(spec.n_reruns, 'rerun')} of the best, more than half of"
            f" {counted(spec.n_trials, 'trial')}; lower them, or raise study.n_trials"
        )
    elif spec.sampler.type == "grid":
        n_left = spec.n_trials - spec.n_reruns
        if n_left < grid_points(spec) <= spec.n_trials:
            yield (
                f"{places}: {counted(n_left, 'trial')} besides the reruns, fewer than the"
                f" {grid_points(spec):,} combinations of the grid; raise study.n_trials, or write"
                " 0"
            )


def long_warmup(spec: Spec, n_train_rows: int | None) -> Iterator[str]:
    """Yield a warning if a warm-up can be longer than half of a trial."""
    longest = max(values_of(spec, "warmup_steps"))
    shortest = min(
        ((n, lengths) for lengths, schedule in schedules(spec, n_train_rows)
         if (n := schedule.n_optimizer_steps) is not None),
        key=lambda pair: pair[0],
        default=None,
    )  # fmt: skip
    if shortest and 2 * longest > shortest[0]:
        n_steps, lengths = shortest
        place = place_of(spec, "warmup_steps")
        yield (
            f"{place}: a warm-up of {longest:,} steps is longer than half of a trial of"
            f" {counted(n_steps, 'step')} ({as_text(lengths)}); lower {place} or raise"
            f" {place_of(spec, spec.family.length_params[0])}"
        )


def idle_pruner(spec: Spec, n_train_rows: int | None) -> Iterator[str]:
    """Yield a warning if a trial can end before the pruner may stop it."""
    if spec.pruner.type == "none":
        return
    for lengths, schedule in schedules(spec, n_train_rows):
        if reasons := pruning_limits(spec, schedule):
            length = place_of(spec, spec.family.length_params[0])
            yield (
                f"pruner: a trial with {as_text(lengths)} ends before it can be pruned, because of"
                f" {' and '.join(reasons)}; raise {length}, lower these, or write pruner:"
                " {type: none}"
            )
            return


def pruning_limits(spec: Spec, schedule: Schedule) -> list[str]:
    """Return the settings that prevent pruning at every evaluation before the last."""
    n_before = schedule.n_evaluations - 1
    step = n_before * schedule.step
    prune_from, warmup = (max(values_of(spec, n)) for n in ("prune_from", "warmup_steps"))
    n_warmup_steps = getattr(spec.pruner, "n_warmup_steps", 0)
    if n_before < 1:
        return ["its single evaluation"]
    limits = {
        f"{place_of(spec, 'prune_from')} {prune_from}": step < prune_from * schedule.last_step,
        f"pruner.n_warmup_steps {n_warmup_steps:,}": step < n_warmup_steps,
        f"{place_of(spec, 'warmup_steps')} {warmup:,}": (
            schedule.n_batches is not None and n_before * schedule.n_batches <= warmup
        ),
    }
    return [name for name, is_reached in limits.items() if is_reached]


def random_categories(spec: Spec) -> Iterator[str]:
    """Yield a warning if the sampler draws categorical parameters at random."""
    names = [name for name, e in spec.search.items() if isinstance(e, CategoricalEntry)]
    if names and spec.sampler.type == "cmaes":
        places = ", ".join(f"search.{name}" for name in names)
        yield (
            f"{places}: categorical, which sampler.type cmaes draws at random; write type: int or"
            " type: float, fix the parameter, or choose another sampler"
        )


def one_generation(spec: Spec) -> Iterator[str]:
    """Yield a warning if no trial of NSGA-II has parents."""
    if isinstance(spec.sampler, Nsga2):
        size, n_left = spec.sampler.population_size, spec.n_trials - spec.n_reruns
        if n_left <= size:
            yield (
                f"sampler.population_size: the first {size:,} trials are drawn at random, and"
                f" {counted(n_left, 'trial')} besides the reruns are no more; lower it, or raise"
                " study.n_trials"
            )


def idle_params(spec: Spec) -> Iterator[str]:
    """Yield a warning per searched parameter that has no effect in any trial."""
    rows = spec.architectures
    axes = {name: [row[name] for row in rows] for name in rows[0]}
    values = {name: values_of(spec, name) for name in (*spec.fixed, *spec.search)}
    for name, (reason, other) in spec.family.idle({**axes, **values}).items():
        if name in spec.search:
            yield (
                f"search.{name}: no effect, because {reason}; raise {place_of(spec, other)}, or"
                f" write {name} under fixed"
            )


def schedules(spec: Spec, n_train_rows: int | None) -> Iterator[tuple[dict[str, Any], Schedule]]:
    """Yield each combination of the length parameters at their ends, and its schedule."""
    family = spec.family
    ends = {name: values_of(spec, name) for name in family.length_params}
    n_samples = family.count_samples(spec.constants, spec.horizon, n_train_rows)
    for values in itertools.product(*({min(v): 0, max(v): 0} for v in ends.values())):
        config = dict(zip(ends, values, strict=True))
        yield config, family.schedule(config, n_samples)


def values_of(spec: Spec, name: str) -> list[Any]:
    """Return the values of a numeric parameter, or both ends of its range."""
    entry = spec.search.get(name)
    values = [spec.fixed[name]] if name in spec.fixed else []
    if isinstance(entry, CategoricalEntry):
        return [*values, *entry.choices]
    return [*values, entry.low, entry.high] if entry else values


def place_of(spec: Spec, name: str) -> str:
    """Return the place of a parameter in YAML."""
    return f"search.{name}" if name in spec.search else f"fixed.{name}"


def as_text(config: Mapping[str, Any]) -> str:
    """Return parameters as NAME=VALUE, …."""
    return ", ".join(f"{name}={value}" for name, value in config.items())


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, in the plural unless the number is 1."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
