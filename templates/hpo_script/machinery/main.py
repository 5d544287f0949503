"""Main: what the command line asks for."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import uuid
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.distributions import distribution_to_json

from hpo_script.constants import (
    ARCHITECTURES,
    BUDGET,
    CONDITIONS,
    DIRECTION,
    EXTREME_INDICES,
    FIXED_PARAMS,
    HPOGEN,
    METRIC,
    NAME,
    PRUNER,
    SAMPLER,
    SEARCH_SPACE,
    SETTINGS,
    SKIP_INDICES,
    SPEC_SHA256,
    TASK,
    TIMEOUT_HOURS,
)
from hpo_script.experiment.shared import Interrupted, UnusableError
from hpo_script.experiment.space import SPACE, distributions, searched_params
from hpo_script.experiment.task import Task
from hpo_script.machinery.device import choose_device, measure_shapes
from hpo_script.machinery.dry_run import dry_run
from hpo_script.machinery.log_file import LogFile, read_log, say
from hpo_script.machinery.logged_study import LoggedStudy
from hpo_script.machinery.memory_study import MemoryStudy, reported_values
from hpo_script.machinery.mounts import unreachable_worker
from hpo_script.machinery.repeat import repeat_trial
from hpo_script.machinery.results import say_result, summary
from hpo_script.machinery.search import Search, digest
from hpo_script.machinery.stops import Stops, interrupt, on_signals
from hpo_script.machinery.trial_log import LOG_VERSION

COMPARED = ("data_sha256", "metric", "direction", "settings", "code_sha256")
SAME_SPACE = ("architectures_sha256", "search_space", "conditions", "skip_indices", "fixed_params")
REMARKED = ("seed", "device", "versions", "script_sha256", "sampler", "pruner", "trial_seconds")
Guards = Sequence[Callable[[Stops], str | None]]


def code_digest(source: str) -> str:
    """Return the SHA-256 of the experiment's code: trials of another code do not compare."""
    code = source.split("\n# === ")[2]  # header and constants, experiment, machinery
    return hashlib.sha256(code.encode()).hexdigest()


def this_worker() -> dict[str, str]:
    """Return the host and process of this run, and the start of the machine."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    about = {"host": platform.node(), "process": str(os.getpid())}
    return about | {"boot": boot.read_text().strip() if boot.exists() else ""}


def run_fields(task: Task, arguments: Namespace, device: torch.device) -> dict[str, Any]:
    """Return the fields of the run line: everything that identifies the experiment."""
    source = Path(sys.argv[0]).read_text()
    space = {name: json.loads(distribution_to_json(d)) for name, d in distributions().items()}
    versions = {"hpogen": HPOGEN, "python": platform.python_version()}
    return {
        **{"log_version": LOG_VERSION, "name": NAME, "budget": BUDGET, "task": TASK},
        **{"horizon": SETTINGS.get("horizon"), "metric": METRIC, "direction": DIRECTION},
        **{"unit": task.unit, "n_trials": arguments.n_trials, "timeout_hours": TIMEOUT_HOURS},
        **{"trial_seconds": arguments.trial_seconds, "seed": arguments.seed},
        **{"architectures_sha256": digest(ARCHITECTURES), "settings": SETTINGS},
        "code_sha256": code_digest(source),
        "spec_sha256": SPEC_SHA256,
        "script_sha256": hashlib.sha256(source.encode()).hexdigest(),
        **{"search_space": space, "conditions": CONDITIONS, "skip_indices": SKIP_INDICES},
        **{"fixed_params": FIXED_PARAMS, "sampler": SAMPLER, "pruner": PRUNER},
        **{"overrides": arguments.overrides, "smoke": arguments.smoke, "device": str(device)},
        "threads": torch.get_num_threads(),
        "worker": this_worker(),
        "versions": {**versions, "torch": torch.__version__, "optuna": optuna.__version__},
        "baselines": task.baselines(),
        **task.describe(),
    }


def differences(old: object, new: object, name: str) -> Iterator[str]:
    """Yield what differs between two values, with its place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from differences(old.get(key), new.get(key), f"{name}.{key}")
    elif old != new:
        was, now = (json.dumps(value)[:60] for value in (old, new))
        yield f"{name} was {was}, is {now}"


def changes(
    old: Mapping[str, Any], new: Mapping[str, Any], names: Sequence[str]
) -> list[str]:
    """Return how two run lines differ in some fields."""
    new = json.loads(json.dumps({name: new[name] for name in names}))
    return [line for name in names for line in differences(old.get(name), new[name], name)]


def check_log(path: Path, study: LoggedStudy, about: Mapping[str, Any]) -> list[str]:
    """Refuse a log whose trials do not compare with new ones; return harmless differences."""
    if not study.runs:
        return []
    first = next(iter(study.runs.values()))
    if first.get("log_version") != LOG_VERSION:
        raise UnusableError(
            f"{path} is of another version of hpogen: recover-trials reads it, this script does"
            " not continue it. Give another --log"
        )
    changed = changes(first, about, (*COMPARED, *SAME_SPACE))
    if changed:
        space_only = not changes(first, about, COMPARED)
        way = f", with --history {path} to use its trials" if space_only else ""
        raise UnusableError(
            f"{path} has trials of another experiment: {'; '.join(changed[:20])}. Undo that, or"
            f" give another --log and --out{way}"
        )
    return changes(first, about, REMARKED)


def history_lines(path: Path, about: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the trials of another log that lie in this search space, as lines of this log."""
    log = read_log(path)
    if log is None or not log.study.runs:
        raise UnusableError(f"--history {path}: no log of a search script")
    if changed := changes(next(iter(log.study.runs.values())), about, COMPARED):
        raise UnusableError(f"--history {path}: not comparable: {'; '.join(changed[:20])}")
    rows = {tuple(row.values()): arch_idx for arch_idx, row in enumerate(ARCHITECTURES)}
    skipped = 0
    for trial in log.study.trials.values():
        sizes = {"params": trial.attributes.get("param_count"), **trial.attributes}
        arch_idx = rows.get(tuple(sizes.get(axis, 0) for axis in ARCHITECTURES[0]))
        if arch_idx is None or trial.state not in ("COMPLETE", "PRUNED"):
            skipped += 1
            continue
        params = searched_params({**trial.attributes, **SPACE.encode(arch_idx)})
        if wrong_params(params) or params.keys() < SPACE.sizes().keys():
            skipped += 1
            continue
        curve = {str(step): value for step, value in reported_values(trial.curve).items()}
        yield {
            **{"from_study": log.study.study_id, "from_trial": trial.number},
            **{"trial_params": params, "state": trial.state, "value": trial.value, "curve": curve},
        }
    if skipped:
        say(f"--history {path}: {skipped} trials lie outside of this search space, or failed")


def wrong_params(params: Mapping[str, Any]) -> list[str]:
    """Return why parameters are not in the search space."""
    wrong = []
    for name, value in params.items():
        distribution = distributions().get(name)
        try:
            inside = distribution and distribution._contains(
                distribution.to_internal_repr(value)
            )
        except (ValueError, TypeError):
            inside = False
        if not inside:
            wrong.append(f"{name}={value!r} is not in {distribution or 'the search space'}")
    return wrong


def enqueued_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the configurations of a JSON list as lines of the log. Raises UnusableError."""
    try:
        content = path.read_bytes()
        configs = json.loads(content)
        if not (isinstance(configs, list) and all(isinstance(c, dict) for c in configs)):
            raise ValueError("not a list of objects")
    except ValueError as error:
        raise UnusableError(f"--enqueue {path}: {error}") from None
    for index, config in enumerate(configs):
        params = dict(config)
        if "arch_idx" in params:
            arch_idx = params.pop("arch_idx")
            if arch_idx not in SPACE.allowed:
                raise UnusableError(f"--enqueue {path}: [{index}]: arch_idx {arch_idx!r} is unknown")
            params |= SPACE.encode(arch_idx)
        if wrong := wrong_params(params):
            raise UnusableError(f"--enqueue {path}: [{index}]: {'; '.join(wrong)}")
        yield {"file_sha256": hashlib.sha256(content).hexdigest(), "trial_params": params}


def open_run(log: LogFile, about: dict[str, Any], arguments: Namespace) -> None:
    """Check the log, and write that a run starts."""
    history = list(history_lines(arguments.history, about)) if arguments.history else []
    enqueued = list(enqueued_lines(arguments.enqueue)) if arguments.enqueue else []
    with log.round() as study:
        remarks = check_log(log.path, study, about)
        here = about["worker"]
        if other := unreachable_worker(study.runs, study.ended_runs, here, log.locks):
            raise UnusableError(
                f"{log.path}: {other} has not ended, and locks may not reach it: wait for its end,"
                " or use NFSv4 or --with storage"
            )
        study.study_id = study.study_id or uuid.uuid4().hex[:12]
        log.write("run_start", about)
        for text in remarks:
            say(f"warning: not as in the first run: {text}")
            log.write("note", {"text": text}, level="W")
        if not study.history:
            for fields in history:
                log.write("history", fields)
        if enqueued and all(line["file_sha256"] != enqueued[0]["file_sha256"] for line in study.enqueued):
            for fields in enqueued:
                log.write("enqueued", fields)
    log.report_damage()


def make_smoke(task: Task, arguments: Namespace) -> None:
    """Turn the constants into two short trials of the two smallest shapes, in a new log."""
    params = task.limit_for_smoke()
    for name in params:
        SEARCH_SPACE.pop(name, None)
    FIXED_PARAMS.update(params)
    by_size = sorted(SPACE.allowed, key=lambda arch_idx: ARCHITECTURES[arch_idx]["params"])
    smallest = ARCHITECTURES[by_size[0]]["params"]
    larger = (i for i in by_size if ARCHITECTURES[i]["params"] != smallest)
    pair = (by_size[0], next(larger, by_size[-1]))
    EXTREME_INDICES.clear()
    EXTREME_INDICES.update({arch_idx: f"smoke {arch_idx}" for arch_idx in pair})
    arguments.n_trials = 2
    arguments.log.unlink(missing_ok=True)
    say(f"smoke test: log in {arguments.log}")


def print_result(path: Path, study: LoggedStudy) -> None:
    """Print the last line of stdout, for programs that drive this script."""
    print("RESULT " + json.dumps({**summary(study), "log": str(path)}), flush=True)


def main(arguments: Namespace, task: Task, guards: Guards = ()) -> int:
    """Do what the command line asks; return the exit code."""
    on_signals(interrupt)
    try:
        if arguments.status:
            log = read_log(arguments.log)
            print_result(arguments.log, log.study if log else LoggedStudy())
            return 0
        return run(arguments, task, guards)
    except Interrupted as stop:
        say(f"stopped: {stop.reason}")
        return stop.code
    except (UnusableError, ImportError) as error:
        say(f"error: {error}")
        return 3 if isinstance(error, ImportError) else 2
    except OSError as error:
        say(f"error: {error}")
        return 2


def run(arguments: Namespace, task: Task, guards: Guards) -> int:
    """Check, repeat a trial, or search; return the exit code."""
    device = choose_device(arguments.device)
    task.load(device)
    if arguments.smoke:
        make_smoke(task, arguments)
    if arguments.dry_run:
        return dry_run(task, device)
    if arguments.repeat is not None:
        return repeat_trial(arguments.log, arguments.repeat, task, device)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    costs = measure_shapes(task, device)
    log = LogFile(arguments.log, uuid.uuid4().hex[:8])
    open_run(log, run_fields(task, arguments, device), arguments)
    memory = MemoryStudy(log.study, arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    stops = Stops(arguments.out / "STOP", guards)
    code = Search(task, log, memory, stops, device, costs, arguments).run()
    say_result(log.study)
    print_result(arguments.log, log.study)
    return code
