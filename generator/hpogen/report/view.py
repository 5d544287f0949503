"""One recovered study as a report shows it, in the terms of its user."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any, NamedTuple

from hpogen.grid.budget import format_budget
from hpogen.report.words import finite, plural, text_of
from recover_trials import Recovery, Study, Trial, seed_noise

AXES = ("d_model", "n_layers", "n_heads", "d_ff")
LOWER_IS_BETTER = ("loss", "per_byte", "brier")  # ends of names, as in the script's results


class Noise(NamedTuple):
    """The spread of one configuration's value over seeds.

    Attributes:
        deviation: standard deviation, pooled over the configurations.
        configurations: how many were trained more than once.
        trials: how many trials these took.
    """

    deviation: float
    configurations: int
    trials: int


class Baseline(NamedTuple):
    """A metric of a baseline, beside that of the best trial (None if it lacks the metric)."""

    name: str
    metric: str
    value: float
    reached: float | None
    beaten: bool


@dataclass
class StudyView:
    """A study and what follows from it.

    Attributes:
        study: as recovered.
        architectures: rows of ARCHITECTURES, where the script or a list is at hand.
    """

    study: Study
    architectures: Sequence[Mapping[str, int]] = field(default_factory=list)

    @cached_property
    def name(self) -> str:
        smoke = "-smoke" if self.study.about.get("smoke") is True else ""  # as its log
        return text_of(f"{self.study.name}{smoke}", 100)

    @cached_property
    def about(self) -> list[str]:
        """Return budget, task, horizon and seed in words."""
        about, words = self.study.about, []
        if self.budget:
            words.append(f"{format_budget(self.budget)} parameters")
        if about.get("task") is not None:
            words.append(text_of(about["task"]))
        if about.get("horizon") is not None:
            words.append(f"horizon {text_of(about['horizon'])}")
        if about.get("seed") is not None:
            words.append(f"seed {text_of(about['seed'])}")
        return words

    @cached_property
    def budget(self) -> int:
        """Return the target number of parameters; 0 if the log has none."""
        budget = self.study.about.get("budget")
        return budget if isinstance(budget, int) and 0 < budget < 10**18 else 0

    @cached_property
    def metric(self) -> str:
        return text_of(self.study.about.get("metric") or "value", 30)

    @cached_property
    def sign(self) -> int:
        """Return 1 if lower is better, -1 if higher is, 0 if the log does not show it."""
        return {"minimize": 1, "maximize": -1}.get(self.study.direction or "", 0)

    @cached_property
    def best(self) -> Trial | None:
        best = self.study.best
        return best if best and finite(best.value) is not None else None

    @cached_property
    def finished(self) -> list[Trial]:
        """Return the complete trials with one finite value, by number, without reruns."""
        return [trial for trial in self.complete if trial.rerun_of is None]

    @cached_property
    def reruns(self) -> list[Trial]:
        """Return the complete reruns of best trials, with other seeds."""
        return [trial for trial in self.complete if trial.rerun_of is not None]

    @cached_property
    def complete(self) -> list[Trial]:
        """Return the complete trials with one finite value, by number."""
        complete = [trial for trial in self.study.rows if trial.state == "COMPLETE"]
        return [trial for trial in complete if finite(trial.value) is not None]

    @cached_property
    def ranking(self) -> list[Trial]:
        """Return the finished trials, the best first."""
        return sorted(self.finished, key=lambda t: (self.sign * t.values[0], t.number))

    @cached_property
    def has_results(self) -> bool:
        return any(trial.state == "COMPLETE" and trial.values for trial in self.study.rows)

    @cached_property
    def states(self) -> list[str]:
        """Return the counts of states with their reasons: `8 COMPLETE (8 schedule)`."""
        reasons: dict[str, Counter[str]] = defaultdict(Counter)
        for trial in self.study.rows:
            found = trial.user_attrs.get("fail_reason") or trial.user_attrs.get("ended_by")
            reason = "" if found in (None, trial.state.lower()) else text_of(found, 30)
            reasons[trial.state][reason] += 1
        return [state_line(state, reasons[state]) for state in sorted(reasons)]

    @cached_property
    def total(self) -> int | None:
        """Return how many trials the study shall have."""
        total = self.study.about.get("n_trials")
        return total if isinstance(total, int) and total > 0 else None

    @cached_property
    def integrity(self) -> list[str]:
        """Return the findings about the study's lines."""
        lines = Recovery([self.study]).report()[1:]
        return [text_of(line.strip(), 300) for line in lines]

    # --- Baselines and noise ---------------------------------------------------------------------

    @cached_property
    def baselines(self) -> list[Baseline]:
        """Return the baselines of the last run, those in the study's metric first."""
        found = self.study.about.get("baselines")
        baselines = []
        for name, metrics in found.items() if isinstance(found, dict) else ():
            for metric, value in metrics.items() if isinstance(metrics, dict) else ():
                if (number := finite(value)) is not None:
                    baselines.append(self.beside(text_of(name, 30), text_of(metric, 30), number))
        return sorted(baselines, key=lambda b: b.metric != self.metric)

    def beside(self, name: str, metric: str, value: float) -> Baseline:
        """Return a baseline beside the best trial."""
        sign = (
            self.sign if metric == self.metric else 1 if metric.endswith(LOWER_IS_BETTER) else -1
        )
        reached = None
        if self.best is not None and sign:
            metrics = {**self.best.user_attrs, self.metric: self.best.value}
            reached = finite(metrics.get(metric))
        beaten = reached is None or sign * reached < sign * value
        return Baseline(name, metric, value, reached, beaten)

    @cached_property
    def rerun_noise(self) -> dict[str, Any]:
        """Return what the reruns of the best trial show, {} without reruns: see `seed_noise`."""
        return seed_noise(self.study)

    @cached_property
    def noise(self) -> Noise | None:
        """Return the noise of the seed; None if no configuration was trained twice.

        It is that of the reruns. Without them, trials with one `config_id` are one configuration;
        each has random streams of its own.
        """
        if self.rerun_noise:
            return Noise(self.rerun_noise["sd"], 1, self.rerun_noise["reruns"])
        groups: dict[str, list[float]] = defaultdict(list)
        for trial in self.complete:
            if config := trial.user_attrs.get("config_id"):
                groups[str(config)].append(trial.values[0])
        repeated = [values for values in groups.values() if len(values) > 1]
        if not repeated:
            return None
        squares = sum((v - fmean(values)) ** 2 for values in repeated for v in values)
        freedom = sum(len(values) - 1 for values in repeated)
        return Noise((squares / freedom) ** 0.5, len(repeated), sum(map(len, repeated)))

    @property
    def why_no_noise(self) -> str:
        """Say why the noise of the seed is not known."""
        deviation = self.best and finite(self.best.user_attrs.get(f"{self.metric}_sd"))
        if deviation is not None:
            return f"Each value is a mean over seeds, SD {text_of(deviation)} for the best trial."
        if any("config_id" in trial.user_attrs for trial in self.finished):
            return "Seed noise was not measured, because no configuration was trained twice."
        return "Seed noise is not known, because the log does not mark repeated configurations."

    # --- Configurations --------------------------------------------------------------------------

    def settings(self, trial: Trial) -> dict[str, Any]:
        """Return a configuration: sizes in the place of indices, then the searched parameters."""
        sizes = {axis: trial.user_attrs[axis] for axis in AXES if axis in trial.user_attrs}
        indexed = bool(sizes) and "arch_idx" in trial.user_attrs
        params = {n: v for n, v in trial.params.items() if not (indexed and n.endswith("_idx"))}
        return {**sizes, **params}

    @cached_property
    def varied(self) -> list[str]:
        """Return the names of settings that differ between finished trials."""
        values: dict[str, set[str]] = defaultdict(set)
        for trial in self.finished:
            for name, value in self.settings(trial).items():
                values[name].add(repr(value))
        return [name for name, found in values.items() if len(found) > 1]

    def curve(self, trial: Trial) -> list[tuple[int, float]]:
        """Return the finite values that a trial reported, by step."""
        points = sorted(trial.intermediate_values.items())
        return [(step, number) for step, value in points if (number := finite(value)) is not None]

    @cached_property
    def best_so_far(self) -> list[tuple[int, float]]:
        """Return (number, value) of each finished trial that was the best when it ended."""
        path: list[tuple[int, float]] = []
        for trial in self.finished if self.sign else ():
            if not path or self.sign * trial.values[0] < self.sign * path[-1][1]:
                path.append((trial.number, trial.values[0]))
        return path


def state_line(state: str, reasons: Counter[str]) -> str:
    """Return a state with its count and reasons."""
    known = [f"{n:,} {reason}" for reason, n in reasons.most_common() if reason]
    text = f"{sum(reasons.values()):,} {text_of(state)}"
    return f"{text} ({', '.join(known)})" if known else text


def order_of(view: StudyView) -> tuple[int, float, str, bool]:
    """Return the place of a study among several: by budget, then horizon, then name.

    Trainings of a final script come after the search that chose their configurations.
    """
    search = view.name.removeprefix("final_")
    horizon = finite(view.study.about.get("horizon")) or 0.0
    return view.budget, horizon, search, view.name != search


def progress_of(view: StudyView) -> str:
    """Return how many trials have ended, of how many."""
    ended = sum(
        n for state, n in view.study.counts().items() if state not in ("RUNNING", "WAITING")
    )
    return f"{ended:,} of {plural(view.total, 'trial')}" if view.total else plural(ended, "trial")
