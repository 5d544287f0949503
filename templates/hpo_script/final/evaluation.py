"""Evaluation: the test split, read once, beside the baselines."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hpo_script.final.train_seeds import Trainings, micro_batch_of, sync
from hpo_script.final.verdict import judge
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
    """Read the test split; write the results of the trainings and of the baselines.

    The line about the evaluation is on the disk before the test split is read, so that a run that
    is killed meanwhile counts.
    """
    task, log, out = trainings.task, trainings.log, trainings.arguments.out
    number = 1 + times_opened(log, task.describe()["data_sha256"])
    log.write("test_opened", {"evaluation_number": number})
    sync(log)
    task.open_test()
    fits = [fit for fit in trainings.fits if study.trials[fit.number].state == "COMPLETE"]
    scores, about = {}, {}
    for fit in fits:
        model, about[fit.name] = load_model(fit.path, task, trainings.device)
        scores[fit.name] = task.test_scores(model, about[fit.name], micro_batch_of(log, fit))
    groups = itertools.groupby(fits, key=lambda fit: fit.place)
    names = [[fit.name for fit in group] for _, group in groups]
    both = trainings.arguments.train_on != "train"
    found = {"evaluation_number": number, **judge(task, names, scores, about, both=both)}
    table = task.test_rows(scores).to_csv(index=False)
    replace_file(out / "test_scores.csv", lambda file: file.write(table.encode()))
    content = json.dumps(found, indent=1) + "\n"
    replace_file(out / "result.json", lambda file: file.write(content.encode()))
    log.write("test_result", found)
    sync(log)
