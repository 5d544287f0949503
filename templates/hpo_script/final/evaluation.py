"""Evaluation: the test split, read once, beside the baselines."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from hpo_script.constants import METRIC
from hpo_script.final.bootstrap import BLOCK_LENGTH, CONFIDENCE, N_RESAMPLES, compare
from hpo_script.final.task import FinalTask
from hpo_script.final.training import SIGN, Fit, Trainings, micro_batch_of
from hpo_script.final.verdict import COLLAPSED, TOO_FEW, verdict_of
from hpo_script.final.weights import load_model
from hpo_script.machinery.checkpoint import replace_file
from hpo_script.machinery.log_file import LogFile
from hpo_script.machinery.logged_study import LoggedStudy


class FinalStudy(LoggedStudy):
    """The trainings of a log, and how often the test split was read."""

    def __init__(self) -> None:
        super().__init__()
        self.n_opened = 0
        self.result: dict[str, Any] | None = None  # of the last evaluation

    def take(self, event: str, fields: dict[str, Any]) -> None:
        """Take the event of one line, unless the line is of another study."""
        super().take(event, fields)
        if fields["study"] == self.study_id and event == "test_opened":
            self.n_opened += 1
        elif fields["study"] == self.study_id and event == "test_result":
            self.result = fields


def times_opened(log: LogFile, data_sha256: str) -> int:
    """Return how often this log and other final scripts' read the test split of these data."""
    total = 0
    for path in {log.path, *log.path.parent.glob("final_*.log")}:
        other, study = LogFile(path), FinalStudy()
        other.study = study
        with path.open("rb") as file:
            other.take(file)
        first = next(iter(study.runs.values()), {})
        total += study.n_opened if first.get("data_sha256") == data_sha256 else 0
    return total


def evaluate(trainings: Trainings, study: FinalStudy) -> None:
    """Read the test split, and write what the trainings and the baselines reach there.

    That it is read stands in the log before it is read: a run that is killed meanwhile counts.
    """
    task, log, out = trainings.task, trainings.log, trainings.arguments.out
    number = 1 + times_opened(log, task.describe()["data_sha256"])
    log.write("test_opened", {"evaluation_number": number})
    with log.round():
        pass
    task.open_test()
    fits = [fit for fit in trainings.fits if study.trials[fit.number].state == "COMPLETE"]
    scores, about = {}, {}
    for fit in fits:
        model, about[fit.name] = load_model(fit.path, task, trainings.device)
        scores[fit.name] = task.test_scores(model, about[fit.name], micro_batch_of(log, fit))
    both = trainings.arguments.train_on != "train"
    found = {"evaluation_number": number, **judge(task, fits, scores, about, both=both)}
    table = task.test_rows(scores).to_csv(index=False)
    replace_file(out / "test_scores.csv", lambda file: file.write(table.encode()))
    content = json.dumps(found, indent=1) + "\n"
    replace_file(out / "result.json", lambda file: file.write(content.encode()))
    log.write("test_result", found)
    with log.round():
        pass


def judge(
    task: FinalTask,
    fits: Sequence[Fit],
    scores: Mapping[str, np.ndarray],
    about: Mapping[str, Mapping[str, Any]],
    *,
    both: bool,
) -> dict[str, Any]:
    """Return the verdict on the configuration that is best on validation, and all results.

    `both`: the trainings used the validation split, so the baselines use it as well.
    """
    baselines, strongest = task.baseline_scores(both)
    groups = itertools.groupby(fits, key=lambda fit: fit.place)
    names = [[fit.name for fit in group] for _, group in groups]
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
        "bootstrap": {"block": BLOCK_LENGTH, "resamples": N_RESAMPLES, "confidence": CONFIDENCE},
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
    names: list[str],
    scores: Mapping[str, np.ndarray],
    about: Mapping[str, Mapping[str, Any]],
    baselines: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Return what the seeds of one configuration reach on the test split."""
    by_seed = [scores[name] for name in names]
    rows = [{**measured(task, scores[n]), **task.more(scores[n], about[n])} for n in names]
    few = task.too_few()
    gains = [] if few else compare(by_seed, baselines, task.measures, task.signs)
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
