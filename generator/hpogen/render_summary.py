"""Summary of the search of a script, for the person who renders it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from hpogen.configuration.yaml_file import shown
from hpogen.configuration.yaml_keys import CategoricalEntry, Entry
from hpogen.spec import Spec
from hpogen.spec.spec import FEWEST_TRIALS
from hpogen.spec.spec_warnings import counted

WIDTH = 96
MOST = 400  # characters of one item


def summary_lines(spec: Spec) -> list[str]:
    """Return lines about the architectures, features, parameters, trials and methods."""
    family = spec.family
    searched = (f"{name} {searched_range(entry)}" for name, entry in spec.search.items())
    items = {
        "grid": f"{space_size(spec)}; {space_range(spec)}",
        "features": family.describe_inputs(spec.constants, spec.options),
        "searched": "; ".join(searched) or "nothing but the architecture",
        "study": trials(spec),
        "sampler": methods(spec),
    }
    lines: list[str] = []
    for name, text in items.items():
        lines += textwrap.wrap(f"{name}: {shown(text, MOST)}", WIDTH, subsequent_indent="  ")
    return lines


def methods(spec: Spec) -> str:
    """Return the types of sampler and pruner, and both metrics if there are two."""
    text = f"{spec.sampler.type}; pruner: {spec.pruner.type}"
    if spec.second_metric is None:
        return text
    return f"{text}, because two metrics are optimized, {spec.metric} and {spec.second_metric}"


def summary_line(spec: Spec) -> str:
    """Return the numbers of architectures and trials in one line."""
    return f"{space_size(spec)}; {trials(spec)}"


def space_size(spec: Spec) -> str:
    """Return the numbers of searched architectures, of their shapes, and of skipped ones."""
    space = spec.space()
    shapes = {space.shape_of[arch_idx] for arch_idx in space.allowed}
    skipped = f" ({len(spec.skipped):,} more skipped)" if spec.skipped else ""
    architectures = counted(len(space.allowed), "architecture")
    return f"{architectures}, {counted(len(shapes), 'shape')}{skipped}"


def space_range(spec: Spec) -> str:
    """Return the ranges of parameter counts and of aspect ratios."""
    space = spec.space()
    rows = [space.rows[arch_idx] for arch_idx in space.allowed]
    counts = [row["params"] for row in rows]
    aspects = [row["d_model"] / row["n_layers"] for row in rows]
    return (
        f"{min(counts):,} to {max(counts):,} parameters;"
        f" d_model/n_layers {min(aspects):.3g} to {max(aspects):.3g}"
    )


def trials(spec: Spec) -> str:
    """Return the numbers of trials and of extremes among them."""
    n_extremes = min(len(spec.extremes), spec.n_trials)
    extremes = counted(n_extremes, "extreme architecture")
    return f"{counted(spec.n_trials, 'trial')}, of these {extremes}{reruns(spec)}"


def reruns(spec: Spec) -> str:
    """Return the number of trials that run the best ones again."""
    if spec.n_trials < FEWEST_TRIALS:
        n_reruns = spec.n_noise + spec.n_confirm
        return (
            f" and no rerun of the best (only from {FEWEST_TRIALS} trials on)" if n_reruns else ""
        )
    return f" and {counted(spec.n_reruns, 'rerun')} of the best"


def searched_range(entry: Entry) -> str:
    """Return the values of a searched parameter, and the condition under which it is searched."""
    if isinstance(entry, CategoricalEntry):
        text = "/".join(map(str, entry.choices))
    else:
        step = getattr(entry, "step", 1)
        steps = f" by {step}" if step != 1 else ""
        text = f"{entry.low} to {entry.high}{steps}{', log' if entry.log else ''}"
    return f"{text}{condition(entry.when)}"


def condition(when: Mapping[str, list[object]]) -> str:
    """Return the condition of a parameter as text, empty if it has none."""
    tests = (f"{name}={'/'.join(map(str, values))}" for name, values in when.items())
    return f" if {' and '.join(tests)}" if when else ""
