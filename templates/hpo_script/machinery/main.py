"""Main: what the command line asks for."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import uuid
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import torch

from hpo_script.constants import (
    ARCHITECTURES,
    EXTREME_INDICES,
    FIXED_PARAMS,
    HPOGEN,
    METRIC,
    SAMPLER,
    SEARCH_SPACE,
    TASK,
    WARM_START,
)
from hpo_script.experiment.shared import UnusableError
from hpo_script.experiment.space import SPACE, distributions, searched_params
from hpo_script.experiment.task import Task
from hpo_script.experiment.training import Training, train
from hpo_script.machinery.device import choose_device
from hpo_script.machinery.dry_run import check_shapes, dry_run
from hpo_script.machinery.log_file import Interrupted, LogFile, read_log, say
from hpo_script.machinery.logged_study import LoggedStudy
from hpo_script.machinery.mounts import mount_of, unreachable_worker
from hpo_script.machinery.results import say_result, summary
from hpo_script.machinery.source import COMPARED, REMARKED, SAME_SPACE, changes, read_source
from hpo_script.machinery.trial_log import LOG_VERSION
from hpo_script.machinery.trial_loop import Search, digest


def run_fields(task: Task, arguments: Namespace, device: torch.device) -> dict[str, Any]:
    """Return the fields of the run line: everything that identifies the experiment."""
    source = Path(sys.argv[0]).read_text("utf-8")
    constants, code_sha256 = read_source(source)
    del constants["architectures"]
    return {
        "log_version": LOG_VERSION,
        "hpogen": HPOGEN,
        "task": TASK,
        "horizon": None,
        "sampler": SAMPLER,
        **constants,
        "unit": task.unit,
        "n_trials": arguments.n_trials,
        "trial_seconds": arguments.trial_seconds,
        "seed": arguments.seed,
        "code_sha256": code_sha256,
        "script_sha256": hashlib.sha256(source.encode()).hexdigest(),
        "architectures_sha256": digest(ARCHITECTURES),
        "search_space": {
            name: json.loads(optuna.distributions.distribution_to_json(distribution))
            for name, distribution in distributions().items()
        },
        "fixed_params": FIXED_PARAMS,
        "overrides": arguments.overrides,
        "smoke": arguments.smoke,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "worker": {"host": platform.node(), "process": str(os.getpid())},
        "python": platform.python_version(),
        "torch": torch.__version__,
        "optuna": optuna.__version__,
        "baselines": task.baselines(),
        **task.describe(),
    }


def check_log(path: Path, study: LoggedStudy, about: Mapping[str, Any]) -> None:
    """Refuse a log whose trials do not compare with new ones; say harmless differences."""
    if not study.runs:
        return
    first = next(iter(study.runs.values()))
    if first.get("log_version") != LOG_VERSION:
        raise UnusableError(
            f"{path} was written by another version of hpogen; recover-trials reads it. Give"
            " another --log"
        )
    if changed := changes(first, about, (*COMPARED, *SAME_SPACE)):
        way = "" if changes(first, about, COMPARED) else f", with --history {path} for its trials"
        raise UnusableError(
            f"{path} has trials of another experiment: {'; '.join(changed[:20])}. Undo that, or"
            f" give another --log and --out{way}"
        )
    if other := unreachable_worker(study, *mount_of(path)):
        raise UnusableError(
            f"{path}: {other} has not ended, and locks may not reach it: wait for its end, or use"
            " NFSv4 or a script that was rendered --with storage; if it was killed, continue it on"
            " its machine, or a copy of the log on a local disk"
        )
    for text in changes(first, about, REMARKED):
        say(f"warning: not as in the first run: {text}")


def normal_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as the sampler would draw them. Raises ValueError for others."""
    space = distributions()
    if unknown := sorted(params.keys() - space):
        raise ValueError(f"{', '.join(unknown)}: not searched; there are {', '.join(space)}")
    used = {name: space[name] for name in params}
    found = {n: d.to_external_repr(d.to_internal_repr(params[n])) for n, d in used.items()}
    optuna.trial.create_trial(value=0.0, params=found, distributions=used)  # checks the ranges
    return found


def history_lines(path: Path, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the trials of another log that lie in this search space, as lines of this log."""
    study = read_log(path).study
    first = next(iter(study.runs.values()), {})
    if first.get("log_version") != LOG_VERSION:
        raise UnusableError(f"--history {path}: no log of a script of this version of hpogen")
    if changed := changes(first, about, COMPARED):
        raise UnusableError(f"--history {path}: not comparable: {'; '.join(changed[:20])}")
    rows = {tuple(row.values()): arch_idx for arch_idx, row in enumerate(ARCHITECTURES)}
    searched = [trial for trial in study.trials.values() if trial.rerun_of is None]
    ended = [trial for trial in searched if trial.state in ("COMPLETE", "PRUNED")]
    lines = []
    for trial in ended:
        known = {**trial.attributes, "params": trial.attributes["param_count"]}
        with suppress(KeyError, ValueError):  # outside of this search space
            arch_idx = rows[tuple(known[axis] for axis in ARCHITECTURES[0])]
            params = normal_params(searched_params({**known, **SPACE.encode(arch_idx)}))
            fields: dict[str, Any] = {"from_study": study.study_id, "from_trial": trial.number}
            fields |= {"trial_params": params, "state": trial.state, "value": trial.value}
            shown = (about["unit"], METRIC)
            curve = [{name: point[name] for name in shown} for point in trial.curve]
            lines.append({**fields, "learning_curve": curve})
    say(f"--history {path}: {len(lines)} of {len(ended)} trials lie in this search space")
    return lines


def enqueued_lines(path: Path) -> list[dict[str, Any]]:
    """Return the configurations of a JSON list as lines of the log. Raises UnusableError."""
    content, lines = path.read_bytes(), list[dict[str, Any]]()
    file = hashlib.sha256(content).hexdigest()[:12]
    try:
        for config in json.loads(content):
            params = {name: value for name, value in config.items() if name != "arch_idx"}
            if "arch_idx" in config:
                if config["arch_idx"] not in SPACE.allowed:
                    raise ValueError(f"arch_idx {config['arch_idx']!r} is no row, or skipped")
                params |= SPACE.encode(config["arch_idx"])
            line = {"enqueued_id": f"{file}-{len(lines)}", "trial_params": normal_params(params)}
            lines.append(line)
    except (ValueError, TypeError, AttributeError) as error:
        raise UnusableError(
            f"--enqueue {path}: [{len(lines)}]: {error}; give a JSON list of objects such as"
            ' {"arch_idx": 3, "learning_rate": 0.001}'
        ) from None
    return lines


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


def repeat_trial(path: Path, number: int, task: Task, device: torch.device) -> int:
    """Train trial `number` of a log again; return 1 if an evaluation differs."""
    study = read_log(path).study
    trial = study.trials.get(number)
    if not trial or not trial.curve:
        raise UnusableError(f"--repeat {number}: {path} has no evaluation of this trial")
    run = study.runs.get(trial.claims[-1], {}) if trial.claims else {}
    if run.get("trial_seconds"):
        raise UnusableError(f"--repeat {number}: its schedule depended on the speed of a machine")
    torch.set_num_threads(run.get("threads", 1))  # another number changes the last digits
    config = trial.attributes
    arch, key = ARCHITECTURES[config["arch_idx"]], (config["seed"], number)
    training = Training(task, arch, config, key, device)
    again = train(training, micro_batch=config["micro_batch"], after_batch=lambda _share: None)
    same = True
    for known, found in zip(trial.curve, again, strict=False):  # it may have ended early
        same &= known == found
        print(json.dumps(found), "as recorded" if known == found else f"recorded: {known}")
    print(f"trial {number}: {'the same' if same else 'NOT the same'}")
    return 0 if same else 1


def print_result(path: Path, study: LoggedStudy) -> None:
    """Print the last line of stdout, for programs that drive this script."""
    print("RESULT " + json.dumps({**summary(study), "log": str(path)}), flush=True)


def main(arguments: Namespace, task: Task, search: type[Search] = Search) -> int:
    """Run; return the exit code."""
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
