"""Verdict: one sentence of a closed list, on the configuration that is best on validation.

It compares with the baseline that is best on validation, by the measure of the study's metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from hpo_script.constants import DIRECTION, METRIC
from hpo_script.final.bootstrap import CONFIDENCE, N_RESAMPLES, Gain, block_length, compare
from hpo_script.final.task import FinalTask

SIGN = 1 if DIRECTION == "minimize" else -1

COLLAPSED = "collapsed"
TOO_FEW = "too few positives"


def verdict_of(gain: Gain) -> str:
    """Return what the interval of a gain says: it lies above 0, below 0, or around 0."""
    if gain.low > 0:
        return f"beats {gain.baseline} by {gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]"
    if gain.high < 0:
        return f"loses to {gain.baseline}"
    return f"within noise of {gain.baseline}"


def judge(
    task: FinalTask,
    names: Sequence[Sequence[str]],
    scores: Mapping[str, np.ndarray],
    about: Mapping[str, Mapping[str, Any]],
    *,
    both: bool,
) -> dict[str, Any]:
    """Return the verdict and all results.

    Args:
        task: with the test split open.
        names: of the trainings of each configuration, one per seed.
        scores: of the test split, by training.
        about: metadata of the weights, by training.
        both: the trainings used the validation split, so the baselines use it as well.
    """
    baselines, strongest = task.baseline_scores(both)
    results = [seeds_result(task, group, scores, about, baselines) for group in names]
    chosen = min(results, key=lambda found: SIGN * found["validation"]["mean"])
    best = min(chosen["trainings"], key=lambda name: SIGN * about[name]["value"])
    return {
        "verdict": verdict_on(task, chosen, strongest),
        "measure": task.deciding,
        "baseline": strongest,
        "comparisons": chosen["comparisons"],
        "results": results,
        "chosen": results.index(chosen),
        "best_training": best,
        "baselines_on_test": {name: measured(task, baselines[name]) for name in baselines},
        "test_samples": len(scores[best]),
        "reliability": task.table(scores[best]),
        "bootstrap": {
            "of": f"blocks of {block_length(len(scores[best]))} samples"
            if task.groups is None
            else f"{len({*task.groups.tolist()})} groups",
            "resamples": N_RESAMPLES,
            "confidence": CONFIDENCE,
        },
    }


def verdict_on(task: FinalTask, found: Mapping[str, Any], baseline: str) -> str:
    """Return the verdict on a configuration, beside a baseline."""
    if task.too_few():
        return TOO_FEW
    if found["collapsed"]:
        return COLLAPSED
    wanted = (baseline, task.deciding)
    gains: list[dict[str, str]] = found["comparisons"]
    return next(g["verdict"] for g in gains if (g["baseline"], g["measure"]) == wanted)


def measured(task: FinalTask, scores: np.ndarray) -> dict[str, float]:
    """Return the measures on the test split."""
    whole = np.ones((1, len(scores)))
    return {name: float(values[0]) for name, values in task.measures(scores, whole).items()}


def seeds_result(
    task: FinalTask,
    names: Sequence[str],
    scores: Mapping[str, np.ndarray],
    about: Mapping[str, Mapping[str, Any]],
    baselines: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Return what the seeds of one configuration reach on the test split."""
    by_seed = [scores[name] for name in names]
    rows = [{**measured(task, scores[n]), **task.more(scores[n], about[n])} for n in names]
    few = task.too_few()
    gains = [] if few else compare(by_seed, baselines, task.measures, task.signs, task.groups)
    n_collapsed = sum(task.collapsed(scores[name], about[name]) for name in names)
    return {
        "trainings": names,
        "validation": {"metric": METRIC, **mean_sd([about[name]["value"] for name in names])},
        "test": {measure: mean_sd([row[measure] for row in rows]) for measure in rows[0]},
        "comparisons": [{**gain._asdict(), "verdict": verdict_of(gain)} for gain in gains],
        "collapsed": 2 * n_collapsed > len(names),
    }


def mean_sd(values: list[float]) -> dict[str, float]:
    """Return mean and standard deviation over seeds; 0 for one seed."""
    return {"mean": fmean(values), "sd": stdev(values) if len(values) > 1 else 0.0}
