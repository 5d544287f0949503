"""Smoothed pick: a Gaussian process over the trials, which averages the luck of single seeds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from hpogen.report.view import StudyView
from hpogen.report.words import finite, plural, text_of
from recover_trials import Trial

LEAST_TRIALS = 10
MOST_TRIALS = 400  # the better ones of more: the time grows with the cube
SHOWN = 5
DRAWS = 4000
LOG_FROM = 4  # ratio of the ends of a range that is seen on a logarithmic axis
# Of the values' variance and of the range of a setting.
LENGTHS = (0.5, 1.0, 2.0, 4.0)
EFFECTS = (0.1, 0.3, 1.0, 3.0)
NOISES = (0.03, 0.1, 0.3, 1.0)
NEEDS = "install it with: python -m pip install scikit-learn"


class Smoothed(NamedTuple):
    """The configuration with the best smoothed value.

    Attributes:
        trial: the first trial of it.
        value: mean of the process there.
        deviation: its standard deviation.
        chances: {number of each of the best trials: probability that it is truly the best}.
        others: the same for all other trials together.
    """

    trial: Trial
    value: float
    deviation: float
    chances: dict[int, float]
    others: float


def smoothed_of(view: StudyView) -> tuple[Smoothed | None, str]:
    """Return the smoothed pick, and why there is none."""
    if not view.sign or len(view.ranking) < LEAST_TRIALS:
        return None, (
            f"Smoothed pick: not shown for {plural(len(view.finished), 'complete trial')}, fewer"
            f" than {LEAST_TRIALS}."
        )
    if not view.varied:
        return None, "Smoothed pick: not shown, because no setting differs between the trials."
    if view.ranking[0].values == view.ranking[-1].values:
        return None, "Smoothed pick: not shown, because all values are equal."
    trials = [*view.ranking[:MOST_TRIALS], *view.reruns]
    try:
        return pick(view, trials), ""
    except ImportError:
        return None, f"Smoothed pick: needs scikit-learn; {NEEDS}"


def smoothed_sentence(view: StudyView, smoothed: Smoothed) -> str:
    """Return the smoothed pick beside the best trial of the search, in words."""
    number, best = smoothed.trial.number, view.ranking[0].number
    value = f"{view.metric} {text_of(smoothed.value)} ± {smoothed.deviation:.2g}"
    settings = (f"{text_of(n)} {text_of(v, 24)}" for n, v in view.settings(smoothed.trial).items())
    same = "also the best of the search" if number == best else f"not trial {best}"
    other = f"; another trial is it with {smoothed.others:.0%}" if smoothed.others else ""
    return (
        f"Smoothed pick: trial {number}, {same}: {value} by a Gaussian process over the trials"
        f" ({', '.join(settings)}). The row `truly best` has the probability of each{other}."
    )


def pick(view: StudyView, trials: Sequence[Trial]) -> Smoothed:
    """Return the smoothed pick. Raises ImportError."""
    import numpy as np

    inputs = np.array(points_of(view, trials))
    firsts = [i for i, row in enumerate(inputs) if not (inputs[:i] == row).all(1).any()]
    values = view.sign * np.array([trial.values[0] for trial in trials])
    low, high = np.quantile(values, [0.25, 0.75])
    if high > low:  # how bad a bad trial is says little
        values = np.minimum(values, high + 1.5 * (high - low))
    centre, spread = values.mean(), values.std()
    draws = centre + spread * posterior_draws(inputs, (values - centre) / spread, inputs[firsts])
    wins = np.bincount(draws.argmin(1), minlength=len(firsts)) / len(draws)
    chance = {trials[first].number: float(win) for first, win in zip(firsts, wins, strict=True)}
    shown = {t.number: chance.pop(t.number, 0.0) for t in view.ranking[:SHOWN]}
    best = int(draws.mean(0).argmin())
    value, deviation = view.sign * float(draws[:, best].mean()), float(draws[:, best].std())
    return Smoothed(trials[firsts[best]], value, deviation, shown, sum(chance.values()))


def posterior_draws(inputs: Any, values: Any, places: Any) -> Any:
    """Return draws of the process at places, (draws, places), without the noise of a seed.

    The scale of the settings, the size of their effect and the noise are not known: each
    combination of them gives draws in proportion to its likelihood.
    """
    import numpy as np
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    found = []
    for length, effect, noise in itertools.product(LENGTHS, EFFECTS, NOISES):
        kernel = ConstantKernel(effect) * Matern(length, nu=2.5) + WhiteKernel(noise)
        process = GaussianProcessRegressor(kernel, optimizer=None).fit(inputs, values)
        found.append((process.log_marginal_likelihood_value_, noise, process))
    likelihood = np.exp([log - max(log for log, *_ in found) for log, *_ in found])
    generator = np.random.default_rng(0)
    counts = generator.multinomial(DRAWS, likelihood / likelihood.sum())
    draws = []
    for count, (_, noise, process) in zip(counts, found, strict=True):
        if count:
            mean, covariance = process.predict(places, return_cov=True)
            covariance -= noise * np.eye(len(places))
            draws.append(generator.multivariate_normal(mean, covariance, count, method="eigh"))
    return np.concatenate(draws)


def points_of(view: StudyView, trials: Sequence[Trial]) -> list[list[float]]:
    """Return settings as coordinates from 0 to 1: numbers, and a coordinate per other value."""
    rows = [view.settings(trial) for trial in trials]
    columns = []
    for name in view.varied:
        values = [row.get(name) for row in rows]
        numbers = [finite(value) for value in values]
        if None in numbers:
            texts = [repr(value) for value in values]
            columns += [[float(text == other) for text in texts] for other in sorted(set(texts))]
        else:
            columns.append(scaled([number for number in numbers if number is not None]))
    return [list(row) for row in zip(*columns, strict=True)]


def scaled(numbers: Sequence[float]) -> list[float]:
    """Return numbers from 0 to 1, by their logarithm where their range is wide."""
    import math

    low, high = min(numbers), max(numbers)
    if low > 0 and high / low >= LOG_FROM:
        numbers = [math.log(number) for number in numbers]
        low, high = min(numbers), max(numbers)
    return [(number - low) / ((high - low) or 1.0) for number in numbers]
