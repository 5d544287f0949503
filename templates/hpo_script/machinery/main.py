"""Main: the study, or the mode that the command line selects, such as --dry-run."""

from __future__ import annotations

import json
import uuid
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna

from hpo_script.constants import (
    ARCHITECTURES,
    EXTREME_INDICES,
    FIXED_PARAMS,
    SEARCH_SPACE,
    WARM_START,
)
from hpo_script.experiment.shared import UnusableError
from hpo_script.experiment.space import SPACE
from hpo_script.experiment.task import Task
from hpo_script.machinery.claim_trials import Search
from hpo_script.machinery.device import choose_device
from hpo_script.machinery.dry_run import check_shapes, dry_run
from hpo_script.machinery.enqueue_and_history import enqueued_lines, history_lines
from hpo_script.machinery.log_file import Interrupted, LogFile, read_log, say
from hpo_script.machinery.logged_study import LoggedStudy
from hpo_script.machinery.repeat_recorded_trial import repeat_trial
from hpo_script.machinery.results import say_result, summary
from hpo_script.machinery.same_experiment import check_log, run_fields


def open_run(log: LogFile, about: Mapping[str, Any], arguments: Namespace) -> None:
    """Check the log; write that a run starts, and what --history and --enqueue add."""
    history = history_lines(arguments.history, about) if arguments.history else []
    enqueued = enqueued_lines(arguments.enqueue) if arguments.enqueue else []
    log.open()
    with log.round() as study:
        check_log(log.path, study, about)
        study.study_id = study.study_id or uuid.uuid4().hex[:12]
        log.write("run_start", about)
        known = {(trial.attributes["from_study"], trial.number) for trial in study.history}
        for fields in history:
            if (fields["from_study"], fields["from_trial"]) not in known:
                log.write("history", fields)
        for fields in enqueued:
            if fields["enqueued_id"] not in study.enqueued:
                log.write("enqueued", fields)


def make_smoke(task: Task, arguments: Namespace) -> None:
    """Turn the constants into two short trials of the two smallest shapes, in a new log."""
    params = task.limit_for_smoke()
    for name in params:
        SEARCH_SPACE.pop(name, None)
    FIXED_PARAMS.update(params)
    sizes = {ARCHITECTURES[row]["params"]: row for row in SPACE.allowed}
    WARM_START.clear()
    EXTREME_INDICES.clear()
    EXTREME_INDICES.update({sizes[params]: "small" for params in sorted(sizes)[:2]})
    arguments.n_trials = 2
    arguments.log.unlink(missing_ok=True)
    say(f"smoke test: log in {arguments.log}")


def print_result(path: Path, study: LoggedStudy) -> None:
    """Print the last line of stdout, for programs that drive this script."""
    print("RESULT " + json.dumps({**summary(study), "log": str(path)}), flush=True)


def main(arguments: Namespace, task: Task, search: type[Search] = Search) -> int:
    """Run the script, report an error without a traceback, and return the exit code."""
    try:
        return run(arguments, task, search)
    except KeyboardInterrupt:
        return 130
    except Interrupted as stop:
        say(f"stopped: {stop.reason}")
        return stop.code
    except (UnusableError, OSError, ImportError) as error:
        say(f"error: {error}")
        return 3 if isinstance(error, ImportError) else 2


def run(arguments: Namespace, task: Task, search: type[Search]) -> int:
    if arguments.status:
        print_result(arguments.log, read_log(arguments.log).study)
        return 0
    device = choose_device(arguments.device)
    task.load(device)
    if arguments.smoke:
        make_smoke(task, arguments)
    if arguments.repeat is not None:
        return repeat_trial(arguments.log, arguments.repeat, task, device)
    costs, free = search.plan(task, device, arguments)
    if arguments.dry_run:
        return dry_run(task, device, costs, free, arguments)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    check_shapes(costs, free)
    log = LogFile(arguments.log, uuid.uuid4().hex[:8])
    trials = search(task, log, costs, device, arguments)
    open_run(log, run_fields(task, arguments, device), arguments)
    code = trials.run()
    say_result(log.study)
    print_result(arguments.log, log.study)
    return code
