"""MLflow: a copy of the study in an MLflow database or server; the log stays the study.

A thread sends the lines of trials, so a slow server delays no trial and no error ends one. A trial
that another run resumes keeps its MLflow run.
"""

from __future__ import annotations

import os
import queue
import re
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from hpo_script.constants import NAME
from hpo_script.machinery.log_file import LogFile, say
from hpo_script.machinery.logged_study import NOT_METRICS
from hpo_script.sections.constants import MLFLOW_EXPERIMENT, MLFLOW_URI

START_SECONDS, END_SECONDS = 60.0, 10.0  # the most that a run waits at each
STATUS = {"COMPLETE": "FINISHED", "PRUNED": "FINISHED", "FAIL": "FAILED"}
TAGS = ("state", "kind", "ended_by", "fail_reason", "error", "config_id")
COSTS = ("value", "seconds", "samples_per_second", "peak_memory_bytes", "train_flops")
Line = tuple[str, dict[str, Any], int]  # event, fields, time in milliseconds


class MlflowSender(threading.Thread):
    """Sends lines of trials in their order."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        self.runs: dict[int, str] = {}  # MLflow's id of each trial
        self.connection: tuple[MlflowClient, str] | None = None  # and id of the experiment
        self.connected, self.failing = threading.Event(), False

    def put(self, event: str, fields: Mapping[str, Any]) -> None:
        """Queue a line."""
        self.lines.put((event, dict(fields), time.time_ns() // 1_000_000))

    def close(self) -> None:
        """Wait for the lines not yet sent, for END_SECONDS at most."""
        self.lines.put(None)
        self.join(END_SECONDS)
        if self.is_alive():
            say(f"mlflow: the last lines were not sent within {END_SECONDS:.0f} seconds")

    def run(self) -> None:
        """Connect, and send lines until the queue ends."""
        self.try_to_send(None)
        self.connected.set()
        while line := self.lines.get():
            self.try_to_send(line)

    def try_to_send(self, line: Line | None) -> None:
        """Send a line, connected first; report the first of several errors in a row."""
        try:
            self.connection = self.connection or connect()
            if line:
                client, experiment = self.connection
                self.send(client, experiment, *line)
            self.failing = False
        except Exception as error:  # MLflow has many, and none may end the run
            if not self.failing:
                say(f"mlflow: {str(error)[:200]}; the log has what is missing there")
            self.failing = True

    def send(
        self,
        client: MlflowClient,
        experiment: str,
        event: str,
        fields: dict[str, Any],
        milliseconds: int,
    ) -> None:
        """Send one line."""
        run = self.run_of(client, experiment, fields)
        if event == "trial_start":
            simple = {n: v for n, v in fields.items() if type(v) in (int, float, str)}
            params = [Param(mlflow_key(name), str(value)) for name, value in simple.items()]
            client.log_batch(run, params=params)
        names = fields.keys() - NOT_METRICS if event == "evaluation" else COSTS
        numbers = {n: fields[n] for n in names if type(fields.get(n)) in (int, float)}
        metrics = [
            Metric(mlflow_key(name), float(value), milliseconds, fields.get("step", 0))
            for name, value in numbers.items()
        ]
        client.log_batch(run, metrics=metrics)
        if event == "trial_end":
            tags = [RunTag(n, str(fields[n])) for n in TAGS if fields.get(n) is not None]
            client.log_batch(run, tags=tags)
            client.set_terminated(run, STATUS[fields["state"]], milliseconds)

    def run_of(self, client: MlflowClient, experiment: str, fields: Mapping[str, Any]) -> str:
        """Return MLflow's id of the run of a trial, which is created for its first line."""
        number, study = fields["trial"], fields["study"]
        if number not in self.runs:
            same = f"tags.study = '{study}' and tags.trial = '{number}'"
            found = [*client.search_runs([experiment], same)]
            tags = {"study": study, "trial": str(number), "script": NAME}
            if not found:
                name = f"{NAME} trial {number}"
                found = [client.create_run(experiment, tags=tags, run_name=name)]
            self.runs[number] = found[0].info.run_id
        return self.runs[number]


def connect() -> tuple[MlflowClient, str]:
    """Return a client and the id of the experiment, with tables and experiment created."""
    client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", MLFLOW_URI))
    known = client.get_experiment_by_name(MLFLOW_EXPERIMENT)
    return client, known.experiment_id if known else client.create_experiment(MLFLOW_EXPERIMENT)


def mlflow_key(name: str) -> str:
    """Return a name with the characters that MLflow accepts."""
    return re.sub(r"[^\w\-./ ]", "_", name)


def with_mlflow(write: Callable[..., None], arguments: Namespace) -> Callable[..., None]:
    """Return LogFile.write with a copy of each line of a trial to MLflow.

    It waits until MLflow has its tables, since a kill in that moment would leave half of them.
    """
    if arguments.smoke or arguments.dry_run or arguments.status or arguments.repeat is not None:
        return write
    sender = MlflowSender()
    sender.start()
    sender.connected.wait(START_SECONDS)

    def write_and_send(
        log: LogFile, event: str, fields: Mapping[str, Any], *, level: str = "I"
    ) -> None:
        write(log, event, fields, level=level)
        if event == "run_end":
            sender.close()
        elif "trial" in fields:
            sender.put(event, {**fields, "study": log.study.study_id})

    return write_and_send
