"""Studies that qualify for a scaling law, as points (cells), and the reasons why others do not."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import Any

from hpogen.report.smoothed import smoothed_of
from hpogen.report.view import StudyView
from hpogen.report.words import finite, plural, text_of
from hpogen.scaling.parameters_and_compute import PARAMETERS, Axis
from recover_trials import Trial

LOSSES = ("best", "smoothed", "confirmed")
EDGE = 0.02  # share of a searched range; of its logarithm if the search is logarithmic
STILL_FALLING = 0.001  # relative fall in the last evaluation
# Losses compare only if these fields and every val_… field are equal.
EVALUATED_BY = ("data_sha256", "loss")


@dataclass
class Cell:
    """A study as a point of a law.

    Attributes:
        winner: the trial whose architecture is the size; the best, or the best of those that
            have the confirmed configuration.
        loss: its value, or the mean over the seeds of its configuration.
        seeds: how often the configuration was trained; 1: the value is that of one trial.
        losses: one per complete trial, or per seed; resampled for intervals.
        deviation: standard deviation of a smoothed loss, which replaces the resampling.
        reasons: why the study does not qualify, by kind; empty if it does.
        kept: kinds of reasons that the user overrules.
    """

    view: StudyView
    winner: Trial
    loss: float
    seeds: int
    losses: list[float]
    reasons: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    deviation: float = 0.0

    @property
    def name(self) -> str:
        return self.view.name

    @cached_property
    def budget(self) -> int:
        """Return the target number of parameters, or the exact one where the log has none."""
        return self.view.budget or int(PARAMETERS.size(self.winner) or 0)

    def size(self, axis: Axis) -> float | None:
        return axis.size(self.winner)

    @cached_property
    def by_loss(self) -> dict[str, Cell]:
        """Return the study with its best, smoothed and confirmed loss, where it has them."""
        found = {"best": cell_of(self.view, confirmed=False)}
        smoothed, _ = smoothed_of(self.view)
        if smoothed and smoothed.value > 0:
            found["smoothed"] = replace(
                found["best"],
                winner=smoothed.trial,
                loss=smoothed.value,
                deviation=smoothed.deviation,
            )
        if repeated(self.view):
            found["confirmed"] = cell_of(self.view, confirmed=True)
        return found

    @property
    def source_of_loss(self) -> str:
        """Return how the loss was determined, in words."""
        if self.deviation:
            return "smoothed"
        if self.seeds > 1:
            return f"mean of {self.seeds} seeds"
        return f"best of {plural(len(self.losses), 'trial')}"


@dataclass
class Group:
    """The studies of one task, horizon and metric.

    Attributes:
        views: all of them.
        loss: best, or confirmed if every study has a configuration of several seeds.
        cells: those that qualify, by size.
        left_out: (name, sentences) of the others.
        faults: kinds of faults of these, for --keep.
        remarks: facts that change no point.
    """

    task: Any
    horizon: Any
    metric: str
    views: Sequence[StudyView] = ()
    loss: str = "best"
    cells: list[Cell] = field(default_factory=list)
    left_out: list[tuple[str, list[str]]] = field(default_factory=list)
    faults: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        words = [] if self.task is None else [text_of(self.task)]
        words += [] if self.horizon is None else [f"horizon {text_of(self.horizon)}"]
        return ", ".join([*words, self.metric])

    @property
    def budgets(self) -> list[int]:
        return sorted({cell.budget for cell in self.cells})


def groups_of(views: Iterable[StudyView], keep: Collection[str] = ()) -> list[Group]:
    """Return the studies by task, horizon and metric; `keep`: reasons that leave no study out."""
    members: dict[tuple[str, ...], list[StudyView]] = defaultdict(list)
    for view in views:
        about = view.study.about
        members[(repr(about.get("task")), repr(about.get("horizon")), view.metric)].append(view)
    return [group_of(found, keep) for found in members.values()]


def group_of(views: Sequence[StudyView], keep: Collection[str]) -> Group:
    """Return studies as cells; those that do not qualify are left out."""
    about = views[0].study.about
    group = Group(about.get("task"), about.get("horizon"), views[0].metric, views)
    confirmed = all(repeated(view) for view in views if no_loss(view) is None)
    group.loss = "confirmed" if confirmed else "best"
    cells = list[Cell]()
    for view in views:
        if reason := no_loss(view):
            group.left_out.append((view.name, [reason]))
        else:
            cells.append(cell_of(view, confirmed=confirmed))
    mark_other_data(cells)
    for cell in cells:
        cell.reasons |= dict(faults_of(cell))
        cell.kept = [kind for kind in cell.reasons if kind in keep]
        counted = [reason for kind, reason in cell.reasons.items() if kind not in keep]
        if counted:
            group.faults |= cell.reasons.keys() - {*keep}
            group.left_out.append((cell.name, counted))
        else:
            group.cells.append(cell)
    group.cells.sort(key=lambda cell: PARAMETERS.size(cell.winner) or 0)
    group.remarks = list(remarks_on(group.cells))
    return group


def no_loss(view: StudyView) -> str | None:
    """Return why a study has no loss to compare, None if it has one."""
    if view.study.about.get("smoke"):
        return "it is a smoke run"
    if view.best is None or not view.ranking:
        return "it has no best trial"
    if view.sign != 1:
        return f"a higher {view.metric} is better: a power law needs a loss"
    if view.ranking[0].values[0] <= 0:
        return f"its {view.metric} is not positive"
    if PARAMETERS.size(view.ranking[0]) is None:
        return "the number of parameters is not in its log"
    return None


def repeated(view: StudyView) -> list[list[Trial]]:
    """Return the configurations that were trained more than once, each as its trials.

    Where the log marks reruns, only they count: the trial that they repeat was chosen for its
    value, so that a part of it is luck.
    """
    reruns: dict[Any, list[Trial]] = defaultdict(list)
    configurations: dict[Any, list[Trial]] = defaultdict(list)
    for trial in with_loss(view):
        if is_rerun(trial):
            reruns[trial.user_attrs["rerun_of"]].append(trial)
        elif config := trial.user_attrs.get("config_id"):
            configurations[str(config)].append(trial)
    for found in (reruns, configurations):
        if several := [trials for trials in found.values() if len(trials) > 1]:
            return several
    return []


def with_loss(view: StudyView) -> list[Trial]:
    """Return the complete trials with a positive value, reruns included."""
    complete = [trial for trial in view.study.rows if trial.state == "COMPLETE"]
    return [trial for trial in complete if (finite(trial.value) or 0.0) > 0]


def is_rerun(trial: Trial) -> bool:
    """Return whether a trial repeats one that was among the best, with another seed."""
    return isinstance(trial.user_attrs.get("rerun_of"), int)


def mean_loss(trials: Sequence[Trial]) -> float:
    return fmean(trial.values[0] for trial in trials)


def cell_of(view: StudyView, *, confirmed: bool) -> Cell:
    """Return a study as a point: the best trial, or the best mean over seeds."""
    if confirmed:
        seeds = min(repeated(view), key=mean_loss)
        winner = min(seeds, key=lambda trial: trial.values[0])
        return Cell(view, winner, mean_loss(seeds), len(seeds), [t.values[0] for t in seeds])
    winner = view.ranking[0]
    losses = [trial.values[0] for trial in with_loss(view) if not is_rerun(trial)]
    return Cell(view, winner, winner.values[0], 1, losses)


def mark_other_data(cells: Sequence[Cell]) -> None:
    """Mark the cells whose losses are of other data or labels than those of most cells."""
    facts = [evaluated_on(cell.view) for cell in cells]
    names = dict.fromkeys(name for found in facts for name in found)
    for name in names:
        values = Counter(found[name] for found in facts if name in found)
        common = values.most_common(1)[0][0]
        for cell, found in zip(cells, facts, strict=True):
            if name in found and found[name] != common and "data" not in cell.reasons:
                differs = f"{name} {short(found[name])} instead of {short(common)}"
                cell.reasons["data"] = f"other data or labels: {differs}"


def evaluated_on(view: StudyView) -> dict[str, str]:
    """Return the facts that must be equal for a comparison: data, validation split, labels."""
    about = {**view.study.about.get("fixed_params", {}), **view.study.about}
    names = [n for n in about if n in EVALUATED_BY or n.startswith("val_")]
    return {name: text_of(about[name], 200) for name in names if about[name] is not None}


def short(text: str) -> str:
    """Return a digest in short form."""
    return text[:12] if len(text) == 64 else text


def faults_of(cell: Cell) -> Iterator[tuple[str, str]]:
    """Yield (kind, sentence) for everything that keeps a study out."""
    winner, view = cell.winner, cell.view
    if winner.user_attrs.get("collapsed") is True:
        yield "collapsed", f"trial {winner.number}, the best, is collapsed"
    missed = [f"{b.name} ({b.metric} {text_of(b.value)})" for b in view.baselines if not b.beaten]
    if missed:
        yield "baseline", f"not better than {' and '.join(missed)}"
    if edges := list(edges_of(cell)):
        yield "edge", f"trial {winner.number}, the best, is at the edge: {', '.join(edges)}"
    if is_unconverged(cell):
        yield "unconverged", f"the loss of trial {winner.number} still fell at its end"


def edges_of(cell: Cell) -> Iterator[str]:
    """Yield the searched parameters that the winner has at an end of their range."""
    space = cell.view.study.about.get("search_space")
    for name, distribution in space.items() if isinstance(space, dict) else ():
        value = finite(cell.winner.params.get(name))
        ends = range_of(distribution)
        if value is None or ends is None or name.endswith("_idx"):
            continue
        low, high, place = *ends, place_in_range(value, distribution, *ends)
        if place > 1 - EDGE:
            yield f"{text_of(name)} {text_of(value)} of at most {text_of(high)}"
        elif place < EDGE and low != 0:  # nothing lies beyond 0
            yield f"{text_of(name)} {text_of(value)} of at least {text_of(low)}"


def range_of(distribution: Any) -> tuple[float, float] | None:
    """Return the ends of a numeric range of a run line; None for anything else."""
    attributes = distribution.get("attributes") if isinstance(distribution, dict) else None
    if not isinstance(attributes, dict):
        return None
    low, high = finite(attributes.get("low")), finite(attributes.get("high"))
    return (low, high) if low is not None and high is not None and low < high else None


def place_in_range(value: float, distribution: Any, low: float, high: float) -> float:
    """Return where a value lies in its range, from 0 to 1."""
    if distribution["attributes"].get("log") and low > 0 and value > 0:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def is_unconverged(cell: Cell) -> bool:
    """Return whether the best evaluation is the last one and still better than those before."""
    curve = cell.view.curve(cell.winner)
    if len(curve) < 2:
        return False
    before, last = min(value for _, value in curve[:-1]), curve[-1][1]
    return before - last > STILL_FALLING * abs(last)


def remarks_on(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield facts about cells that qualify: overruled reasons, extremes of the grid, settings."""
    for cell in cells:
        if cell.kept:
            reasons = "; ".join(cell.reasons[kind] for kind in cell.kept)
            yield f"{cell.name} is kept: {reasons}."
        if extreme := cell.winner.user_attrs.get("extreme"):
            yield f"{cell.name}: the best architecture is an extreme of the grid: {extreme}."
    settings: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        recorded = cell.view.study.about.get("settings")
        for name, value in recorded.items() if isinstance(recorded, dict) else ():
            settings[name].add(repr(value))
    if differing := [text_of(name) for name, values in settings.items() if len(values) > 1]:
        yield f"Settings differ between the studies: {', '.join(differing)}."
