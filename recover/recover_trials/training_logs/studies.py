"""Studies of training logs: the runs of the logs in one folder are the trials of one study."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from recover_trials.files.log_collectors import ANSI, lines_of
from recover_trials.model import Study
from recover_trials.skipped_lines import Findings
from recover_trials.training_logs.runs import (
    LOWER_IS_BETTER,
    Run,
    RunReader,
    objective_of,
    trial_of,
)

LONGEST = 4000  # characters of a line
RANK = re.compile(
    r"\A(?:\[(?:default|rank)?\d+\]|\d{1,4}): ?"
)  # before each line of a distributed run
TRAINING = re.compile(
    rb"^(?:\[?(?:default|rank)?\d+\]?: ?)?(?:[Ss]tep:? ?\d+(?:/\d+)?(?: \([\d.]+%\))? \| [A-Za-z]"
    rb"|step:\d+/\d+ \w+:|\[tune-metric\]: \{|METRIC [\w./-]+=\S+$|val_\w+: +[\d.]+\s*$)",
    re.MULTILINE,
)
TRIAL = re.compile(rb"rial[# ]\d+[ :]| A new study created")
DAMAGED = "measurements that cannot be read: {0}, such as {1!r}"
NO_OBJECTIVE = "no metric is known to be the objective: the values are attributes"


def is_training_log(head: bytes) -> bool:
    """Return whether a log begins with lines of a training script, and without trials."""
    lines = head.replace(b"\r", b"\n")
    return TRAINING.search(lines) is not None and TRIAL.search(head) is None


class TrainingLogs:
    """Collects training logs."""

    def __init__(self) -> None:
        # Runs with the names of their logs, by folder and objective.
        self.runs: dict[tuple[str, str | None], list[tuple[str, Run]]] = defaultdict(list)

    def add(self, source: str, chunks: Iterable[bytes], findings: Findings) -> None:
        """Read a log."""
        reader = RunReader()
        runs = reader.read(separate_lines(lines_of(chunks)))
        if lost := reader.damaged:
            findings.problems.append(DAMAGED.format(len(lost), lost[0][:200]))
        path = Path(source)
        if runs:
            self.runs[str(path.parent), objective_of(runs)] += [(path.name, run) for run in runs]

    def studies(self) -> list[Study]:
        """Return a study per folder and objective."""
        return [study_of(folder, name, runs) for (folder, name), runs in self.runs.items()]


def separate_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines without colours and prefixes.

    A last line without an end may be cut, and a very long line holds no measurement.
    """
    for line in lines:
        if line.endswith("\n"):
            parts = (part.rstrip() for part in ANSI.sub("", line).split("\r"))
            yield from (RANK.sub("", part, count=1) for part in parts if len(part) < LONGEST)


def study_of(folder: str, objective: str | None, runs: list[tuple[str, Run]]) -> Study:
    """Return the study of logs with one objective, whose runs are its trials."""
    logs = dict.fromkeys(log for log, _ in runs)
    first = next(iter(logs))
    name = Path(first).stem if len(logs) == 1 else Path(folder).absolute().name
    study = Study(f"{folder}#{objective}", name, str(Path(folder) / first))
    study.about = {"metric": objective} if objective else {}
    if objective and LOWER_IS_BETTER.fullmatch(objective):
        study.about["direction"] = "minimize"
    study.remarks += [NO_OBJECTIVE] * (objective is None)
    for number, (log, run) in enumerate(runs):
        trial = trial_of(run, number, objective)
        trial.user_attrs = {"log": log, **trial.user_attrs} if len(logs) > 1 else trial.user_attrs
        study.trials[number] = [trial]
    return study
