"""Evaluation: the test split, read once, beside the baselines."""

from __future__ import annotations

import json
from collections.abc import Mapping
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


def mean_sd(values: list[float]) -> dict[str, float]:
    """Return mean and standard deviation over seeds; 0 for one seed."""
    return {"mean": fmean(values), "sd": stdev(values) if len(values) > 1 else 0.0}


def evaluate(trainings: Trainings, log: LogFile, study: FinalStudy) -> None:
    """Read the test split, and write what the trainings and the baselines reach there.

    That it is read stands in the log before it is read: a run that is killed meanwhile counts.
    """
    task = trainings.task
    log.write("test_opened", {"evaluation_number": study.n_opened + 1})
    with log.round():
        pass
    task.open_test()
    fits = [f for f in trainings.fits if study.trials[f.number].state == "COMPLETE"]
    scores, about = {}, {}
    for fit in fits:
        model, about[fit.name] = load_model(fit.path, task, trainings.device)
        scores[fit.name] = task.test_scores(model, about[fit.name], micro_batch_of(log, fit))
    both = trainings.arguments.train_on != "train"
    fields = judge(task, fits, scores, about, both=both)
    table = task.test_rows(scores).to_csv(index=False)
    out = trainings.arguments.out
    replace_file(out / "test_scores.csv", lambda file: file.write(table.encode()))
    content = json.dumps(fields, indent=1) + "\n"
    replace_file(out / "result.json", lambda file: file.write(content.encode()))
    log.write("test_result", {"evaluation_number": study.n_opened, **fields})
    with log.round():
        pass


def judge(
    task: FinalTask,
    fits: list[Fit],
    scores: Mapping[str, np.ndarray],
    about: Mapping[str, Mapping[str, Any]],
    *,
    both: bool,
) -> dict[str, Any]:
    """Return the verdict on the configuration that is best on validation, and all results.

    `both`: the trainings used the validation split, so the baselines use it as well.
    """
    baselines, strongest = task.baseline_scores(both)
    results = {}
    for place in dict.fromkeys(fit.place for fit in fits):
        names = [fit.name for fit in fits if fit.place == place]
        results[place] = configuration_result(task, names, scores, about, baselines)
    chosen = min(results, key=lambda place: SIGN * results[place]["validation"]["mean"])
    found = results[chosen]
    best = min(found["trainings"], key=lambda name: SIGN * about[name]["value"])
    leads = [gain for gain in found["comparisons"] if gain["measure"] == task.deciding]
    verdict = next(gain["verdict"] for gain in leads if gain["baseline"] == strongest)
    if task.too_few():
        verdict = TOO_FEW
    elif found["collapsed"]:
        verdict = COLLAPSED
    whole = np.ones((1, len(scores[best])))
    return {
        "verdict": verdict,
        "measure": task.deciding,
        "baseline": strongest,
        "comparisons": found["comparisons"],
        "results": [results[place] for place in sorted(results)],
        "chosen": chosen,
        "best_training": best,
        "baselines_on_test": {
            name: {m: float(v[0]) for m, v in task.measures(values, whole).items()}
            for name, values in baselines.items()
        },
        "test_samples": len(scores[best]),
        "reliability": task.table(scores[best]),
        "bootstrap": {"block": BLOCK_LENGTH, "resamples": N_RESAMPLES, "confidence": CONFIDENCE},
    }


def configuration_result(
    task: FinalTask,
    names: list[str],
    scores: Mapping[str, np.ndarray],
    about: Mapping[str, Mapping[str, Any]],
    baselines: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Return what the seeds of one configuration reach on the test split."""
    by_seed = [scores[name] for name in names]
    whole = np.ones((1, len(by_seed[0])))
    rows = []
    for name in names:
        measured = {m: float(v[0]) for m, v in task.measures(scores[name], whole).items()}
        rows.append({**measured, **task.more(scores[name], about[name])})
    gains = compare(by_seed, baselines, task.measures, task.signs)
    n_collapsed = sum(task.collapsed(scores[name], about[name]) for name in names)
    return {
        "trainings": names,
        "validation": {"metric": METRIC, **mean_sd([about[name]["value"] for name in names])},
        "test": {measure: mean_sd([row[measure] for row in rows]) for measure in rows[0]},
        "comparisons": [{**gain._asdict(), "verdict": verdict_of(gain)} for gain in gains],
        "collapsed": 2 * n_collapsed > len(names),
    }
