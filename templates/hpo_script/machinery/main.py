"""What the command line asks for."""

from __future__ import annotations

import re
import uuid
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna
import torch
from optuna.storages import BaseStorage

from hpo_script.command_line import without_password
from hpo_script.device import choose_device
from hpo_script.dry_run import dry_run
from hpo_script.experiment import Experiment, UnusableError
from hpo_script.log_writer import open_closed_streams, say
from hpo_script.recorder import Recorder
from hpo_script.repeat_trial import repeat_trial
from hpo_script.search import Search, measure_shapes
from hpo_script.stops import Interrupted, Stops, interrupt, on_signals
from hpo_script.storage import (
    StorageError,
    is_of_storage,
    open_storage,
    root_of,
    trouble,
)
from hpo_script.study import enqueue_extremes, open_study, refuse_lost, remarks
from hpo_script.task import Task
from hpo_script.workers import Workers

Guards = Sequence[Callable[[Stops], str | None]]


def smoke_version(experiment: Experiment, params: Mapping[str, Any]) -> Experiment:
    """Return the experiment of --smoke: the two smallest architectures, a study of its own."""
    rows = experiment.architectures
    by_size = sorted(experiment.space.allowed, key=lambda arch_idx: rows[arch_idx]["params"])
    other = (i for i in by_size if rows[i]["params"] != rows[by_size[0]]["params"])
    smallest = (by_size[0], next(other, by_size[1]))
    space = {name: v for name, v in experiment.search_space.items() if name not in params}
    return replace(
        experiment,
        study_name=f"{experiment.study_name}-smoke-{uuid.uuid4().hex[:8]}",
        n_trials=2,
        timeout_hours=None,
        extreme_indices={arch_idx: f"smoke {arch_idx}" for arch_idx in smallest},
        search_space=space,
        fixed_params={**experiment.fixed_params, **params},
    )


def main(
    arguments: Namespace,
    task: Task,
    experiment: Experiment,
    guards: Guards = (),
    join: Callable[..., Workers] = Workers,
) -> int:
    """Do what the command line asks; return the exit code."""
    open_closed_streams()
    on_signals(interrupt)
    arguments.url = arguments.storage or f"sqlite:///{arguments.out / 'study.db'}"
    try:
        return dispatch(arguments, task, experiment, guards, join)
    except Interrupted as stop:
        return stop.code
    except (UnusableError, ImportError) as error:
        say(f"error: {error}")
        return 3 if isinstance(error, ImportError) else 2  # a sampler or storage needs a package
    except Exception as error:
        if not isinstance(error, StorageError) and not is_of_storage(error):
            raise
        say(f"error: {trouble(arguments.url, arguments.log, root_of(error))}")
        return 2


def dispatch(
    arguments: Namespace,
    task: Task,
    experiment: Experiment,
    guards: Guards,
    join: Callable[..., Workers],
) -> int:
    """Check, repeat a trial, or search; return the exit code."""
    experiment = replace(experiment, n_trials=arguments.n_trials, seed=arguments.seed)
    device = choose_device(arguments.device)
    task.load(device)
    if arguments.smoke:
        experiment = smoke_version(experiment, task.shrink())
    if arguments.dry_run:
        return dry_run(task, experiment, device)
    if arguments.trial_from:
        return repeat_trial(arguments.trial_from, task, experiment, device)
    if not arguments.storage and set("?#%") & set(arguments.url):
        out = arguments.out
        raise UnusableError(f"--out {out}: ?, # and % would end the address of the database")
    if arguments.log.is_dir():
        raise UnusableError(f"--log {arguments.log} is a folder, not a file")
    if re.fullmatch(r"sqlite(\+\w+)?:/*(:memory:)?", arguments.url):
        raise UnusableError(f"--storage {arguments.url} is lost with the run: name a file")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    fits = measure_shapes(task, experiment, device)
    arguments.out.mkdir(parents=True, exist_ok=True)
    storage = open_storage(arguments.url)
    workers = join(storage, experiment.study_name, arguments.url, take_over=arguments.take_over)
    with workers.round():
        recorder = open_run(arguments, task, experiment, storage, workers.run, device)
    own = (lambda _stops: workers.confirm(), *guards)
    stops = Stops(arguments.out / "STOP", experiment.timeout_hours, own)
    return Search(task, recorder, storage, workers, stops, device, fits).run()


def open_run(
    arguments: Namespace,
    task: Task,
    experiment: Experiment,
    storage: BaseStorage,
    run: str,
    device: torch.device,
) -> Recorder:
    """Open the study and, in its log, this run; return what records the run."""
    data, smoke = task.describe(), arguments.smoke
    if not smoke:
        shown = without_password(arguments.url)
        refuse_lost(experiment.study_name, storage, shown, arguments.out, arguments.log)
    sha256 = data["data_sha256"]
    study = open_study(experiment, task, storage, arguments, data_sha256=sha256, device=device)
    recorder = Recorder(study, experiment, arguments, run)
    recorder.open_run(
        unit=task.unit,
        search_space=study.user_attrs["space"]["search_space"],
        overrides=arguments.overrides,
        smoke=smoke,
        device=str(device),
        threads=torch.get_num_threads(),
        **data,
    )
    for text in remarks(study, device):
        say(f"warning: {text}")
        recorder.log.write("note", {"text": text}, level="W")
    enqueue_extremes(study, experiment, "smoke" if smoke else "extreme")
    return recorder
