"""Block bootstrap: how much of a difference on the test split may be chance.

Neighbouring samples resemble each other, so blocks of them are drawn, moving along the split with
its ends joined (Politis and Romano 1992). Model and baseline are compared on the same samples. The
seeds are drawn, too, so that an interval holds the noise of both. Where the samples have groups,
such as sentences of one post, groups are drawn instead of blocks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hpo_script.final.constants import BLOCK_LENGTH

N_RESAMPLES = 2000
CONFIDENCE = 0.95  # of an interval, from the percentiles of the resamples

# From the scores of samples, and the counts of each sample per resample, (resamples, samples), to
# the values of each measure, (resamples,).
Measures = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


class Gain(NamedTuple):
    """The lead over a baseline in a measure, above 0 where the model is better."""

    baseline: str
    measure: str
    value: float
    low: float
    high: float


def block_length(n: int) -> int:
    """Return the length of a block; resamples of fewer than five blocks would be alike."""
    return max(1, min(BLOCK_LENGTH, n // 5))


def block_counts(n: int, generator: np.random.Generator, length: int) -> Iterator[np.ndarray]:
    """Yield how often each of n samples is in each resample, (resamples, n), in pieces."""
    offsets = np.arange(length)
    most = max(1, 4_000_000 // n)
    for done in range(0, N_RESAMPLES, most):
        rows = min(most, N_RESAMPLES - done)
        starts = generator.integers(n, size=(rows, -(-n // length), 1))
        drawn = ((starts + offsets) % n).reshape(rows, -1)[:, :n]
        places = (drawn + n * np.arange(rows)[:, None]).ravel()
        yield np.bincount(places, minlength=rows * n).reshape(rows, n).astype(np.float64)


def group_counts(groups: np.ndarray, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield how often each sample is in each resample of groups, (resamples, samples)."""
    _, number = np.unique(groups, return_inverse=True)
    for counts in block_counts(int(number.max()) + 1, generator, 1):
        yield counts[:, number]


def compare(
    by_seed: Sequence[np.ndarray],
    baselines: Mapping[str, np.ndarray],
    measures: Measures,
    signs: Mapping[str, int],
    groups: np.ndarray | None = None,
) -> list[Gain]:
    """Return the gain of the mean over seeds, for each baseline and measure.

    `signs`: 1 where a higher value of the measure is better, else -1. `groups`: of each sample.
    """
    n, n_seeds = len(by_seed[0]), len(by_seed)
    generator = np.random.default_rng(0)
    resamples = (
        block_counts(n, generator, block_length(n))
        if groups is None
        else group_counts(groups, generator)
    )
    drawn: dict[tuple[str, str], list[np.ndarray]] = {}
    for counts in itertools.chain([np.ones((1, n))], resamples):
        seeds = generator.integers(n_seeds, size=(len(counts), n_seeds))
        if not drawn:  # the split itself, with each seed once
            seeds = np.arange(n_seeds)[None]
        by_measure = [measures(scores, counts) for scores in by_seed]
        for baseline, scores in baselines.items():
            reference = measures(scores, counts)
            for measure, sign in signs.items():
                values = np.stack([values[measure] for values in by_measure], 1)
                mean = np.take_along_axis(values, seeds, 1).mean(1)
                gains = sign * (mean - reference[measure])
                drawn.setdefault((baseline, measure), []).append(gains)
    tails = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    found = []
    for names, pieces in drawn.items():
        value, *resampled = np.concatenate(pieces)
        low, high = np.nanquantile(resampled, tails)  # a resample of one class has no AUC
        found.append(Gain(*names, float(value), float(low), float(high)))
    return found
