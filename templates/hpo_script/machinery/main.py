"""Main: what the command line asks for."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import sys
import uuid
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.distributions import distribution_to_json
from optuna.trial import TrialState, create_trial

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
    SKIP_INDICES,
    SPEC_SHA256,
    TASK,
    TIMEOUT_HOURS,
)
from hpo_script.experiment.shared import UnusableError
from hpo_script.experiment.space import SPACE, distributions, searched_params
from hpo_script.experiment.task import Task
from hpo_script.machinery.device import choose_device, measure_shapes
from hpo_script.machinery.dry_run import dry_run
from hpo_script.machinery.log_file import Interrupted, LogFile, read_log, say
from hpo_script.machinery.logged_study import LoggedStudy
from hpo_script.machinery.memory_study import MemoryStudy, reported_values
from hpo_script.machinery.mounts import unreachable_worker
from hpo_script.machinery.repeat import repeat_trial
from hpo_script.machinery.results import say_result, summary
from hpo_script.machinery.search import Search, digest
from hpo_script.machinery.stops import Stops, interrupt, on_signals
from hpo_script.machinery.trial_log import EXPERIMENT, LOG_VERSION

# Trials compare where these are equal; SAME_SPACE matters to the sampler only.
COMPARED = ("data_sha256", "task", "horizon", "metric", "direction", "settings", "code_sha256")
SAME_SPACE = ("architectures_sha256", "search_space", "conditions", "skip_indices", "fixed_params")
REMARKED = ("seed", "device", "threads", "versions", "sampler", "pruner", "trial_seconds")
NO_SETTINGS = {"ARCHITECTURES", "DATA_PATH", "DATA_RANGE", "FREE_AXES"}
Guards = Sequence[Callable[[Stops], str | None]]


def read_source(source: str) -> tuple[dict[str, str], str]:
    """Return the constants that the experiment uses, as source, and the digest of its code."""
    _, constants, code, _ = source.split("\n# === ")
    found = {}
    for node in ast.parse(f"# {constants}").body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            name = ast.unparse(targets[0])
            if name not in NO_SETTINGS and re.search(rf"\b{name}\b", code):
                found[name] = ast.unparse(node.value)
    return found, hashlib.sha256(code.encode()).hexdigest()


def this_worker() -> dict[str, str]:
    """Return the host and process of this run, and the start of the machine."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    about = {"host": platform.node(), "process": str(os.getpid())}
    return about | {"boot": boot.read_text().strip() if boot.exists() else ""}


def run_fields(task: Task, arguments: Namespace, device: torch.device) -> dict[str, Any]:
    """Return the fields of the run line: everything that identifies the experiment."""
    source = Path(sys.argv[0]).read_text()
    constants, code_sha256 = read_source(source)
    settings = {n: text for n, text in constants.items() if n.lower() not in EXPERIMENT}
    space = {name: json.loads(distribution_to_json(d)) for name, d in distributions().items()}
    versions = {"hpogen": HPOGEN, "python": platform.python_version()}
    return {
        "log_version": LOG_VERSION,
        "name": NAME,
        "budget": BUDGET,
        "task": TASK,
        "horizon": int(constants["HORIZON"]) if "HORIZON" in constants else None,
        "metric": METRIC,
        "direction": DIRECTION,
        "unit": task.unit,
        "n_trials": arguments.n_trials,
        "timeout_hours": TIMEOUT_HOURS,
        "trial_seconds": arguments.trial_seconds,
        "seed": arguments.seed,
        "settings": settings,
        "code_sha256": code_sha256,
        "spec_sha256": SPEC_SHA256,
        "script_sha256": hashlib.sha256(source.encode()).hexdigest(),
        "architectures_sha256": digest(ARCHITECTURES),
        "search_space": space,
        "conditions": CONDITIONS,
        "skip_indices": SKIP_INDICES,
        "fixed_params": FIXED_PARAMS,
        "sampler": SAMPLER,
        "pruner": PRUNER,
        "overrides": arguments.overrides,
        "smoke": arguments.smoke,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "worker": this_worker(),
        "versions": {**versions, "torch": torch.__version__, "optuna": optuna.__version__},
        "baselines": task.baselines(),
        **task.describe(),
    }


def differences(old: object, new: object, name: str) -> Iterator[str]:
    """Yield the differences between two values, each with its place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from differences(old.get(key), new.get(key), f"{name}.{key}")
    elif old != new:
        was, now = (json.dumps(value)[:60] for value in (old, new))
        yield f"{name} was {was}, is {now}"


def changes(old: Mapping[str, Any], new: Mapping[str, Any], names: Sequence[str]) -> list[str]:
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
            f"{path} was written by another version of hpogen: recover-trials reads it, this"
            " script does not continue it. Give another --log"
        )
    if changed := changes(first, about, (*COMPARED, *SAME_SPACE)):
        way = "" if changes(first, about, COMPARED) else f", with --history {path} for its trials"
        raise UnusableError(
            f"{path} has trials of another experiment: {'; '.join(changed[:20])}. Undo that, or"
            f" give another --log and --out{way}"
        )
    return changes(first, about, REMARKED)


def normal_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as the sampler would draw them. Raises ValueError for others."""
    space = distributions()
    if unknown := sorted(params.keys() - space):
        raise ValueError(f"{', '.join(unknown)}: not searched; there are {', '.join(space)}")
    used = {name: space[name] for name in params}
    found = {n: d.to_external_repr(d.to_internal_repr(params[n])) for n, d in used.items()}
    create_trial(state=TrialState.RUNNING, params=found, distributions=used)
    return found


def history_lines(path: Path, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the trials of another log that lie in this search space, as lines of this log."""
    log = read_log(path)
    first = next(iter(log.study.runs.values()), {})
    if first.get("log_version") != LOG_VERSION:
        raise UnusableError(f"--history {path}: no log of a script of this version of hpogen")
    if changed := changes(first, about, COMPARED):
        raise UnusableError(f"--history {path}: not comparable: {'; '.join(changed[:20])}")
    rows = {tuple(row.values()): arch_idx for arch_idx, row in enumerate(ARCHITECTURES)}
    ended = [t for t in log.study.trials.values() if t.state in ("COMPLETE", "PRUNED")]
    lines = []
    for trial in ended:
        known = {**trial.attributes, "params": trial.attributes["param_count"]}
        try:
            arch_idx = rows[tuple(known[axis] for axis in ARCHITECTURES[0])]
            params = normal_params(searched_params({**known, **SPACE.encode(arch_idx)}))
        except (KeyError, ValueError):  # outside of this search space
            continue
        curve = {str(step): value for step, value in reported_values(trial.curve).items()}
        lines.append(
            {
                "from_study": log.study.study_id,
                "from_trial": trial.number,
                "trial_params": params,
                "state": trial.state,
                "value": trial.value,
                "curve": curve,
            }
        )
    say(f"--history {path}: {len(lines)} of {len(ended)} trials lie in this search space")
    return lines


def enqueued_lines(path: Path) -> list[dict[str, Any]]:
    """Return the configurations of a JSON list as lines of the log. Raises UnusableError."""
    content, lines = path.read_bytes(), list[dict[str, Any]]()
    try:
        for config in json.loads(content):
            params = {name: value for name, value in config.items() if name != "arch_idx"}
            if "arch_idx" in config:
                if config["arch_idx"] not in SPACE.allowed:
                    raise ValueError(f"arch_idx {config['arch_idx']!r} is not in ARCHITECTURES")
                params |= SPACE.encode(config["arch_idx"])
            lines.append({"trial_params": normal_params(params)})
    except (ValueError, TypeError, AttributeError) as error:
        raise UnusableError(
            f"--enqueue {path}: [{len(lines)}]: {error}; give a JSON list of objects such as"
            ' {"arch_idx": 3, "learning_rate": 0.001}'
        ) from None
    file = {"file_sha256": hashlib.sha256(content).hexdigest()}
    return [{**file, "file_idx": index, **line} for index, line in enumerate(lines)]


def write_enqueued(log: LogFile, study: LoggedStudy, fields: dict[str, Any]) -> None:
    """Enqueue a configuration, unless the log has it: the same file again changes nothing."""
    starts = {e["file_sha256"]: e["enqueued_idx"] - e["file_idx"] for e in study.enqueued}
    known = {e["enqueued_idx"] for e in study.enqueued}
    used = {trial.attributes.get("enqueued_idx", -1) for trial in study.trials.values()}
    start = starts.get(fields["file_sha256"], max(known | used, default=-1) + 1)
    if start + fields["file_idx"] not in known:
        log.write("enqueued", {**fields, "enqueued_idx": start + fields["file_idx"]})


def open_run(log: LogFile, about: dict[str, Any], arguments: Namespace) -> None:
    """Check the log, and write that a run starts."""
    history = history_lines(arguments.history, about) if arguments.history else []
    enqueued = enqueued_lines(arguments.enqueue) if arguments.enqueue else []
    with log.round() as study:
        remarks = check_log(log.path, study, about)
        if other := unreachable_worker(study, about["worker"], log.locks):
            raise UnusableError(
                f"{log.path}: {other} has not ended, and locks may not reach it: wait for its end,"
                " or use NFSv4 or --with storage; if it was killed, continue it on its machine, or"
                " a copy of the log on a local disk"
            )
        study.study_id = study.study_id or uuid.uuid4().hex[:12]
        log.write("run_start", about)
        for text in remarks:
            say(f"warning: not as in the first run: {text}")
            log.write("note", {"text": text}, level="W")
        known = {line["from_study"] for line in study.history}
        for fields in history:
            if fields["from_study"] not in known:
                log.write("history", fields)
        for fields in enqueued:
            write_enqueued(log, study, fields)


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


def main(
    arguments: Namespace, task: Task, guards: Guards = (), search: type[Search] = Search
) -> int:
    """Do what the command line asks; return the exit code."""
    on_signals(interrupt)
    try:
        if arguments.status:
            print_result(arguments.log, read_log(arguments.log).study)
            return 0
        return run(arguments, task, guards, search)
    except Interrupted as stop:
        say(f"stopped: {stop.reason}")
        return stop.code
    except (UnusableError, ImportError, OSError) as error:
        say(f"error: {error}")
        return 3 if isinstance(error, ImportError) else 2


def run(arguments: Namespace, task: Task, guards: Guards, search: type[Search]) -> int:
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
    about = run_fields(task, arguments, device)
    stored = search.prepare(log, about, arguments)
    open_run(log, about, arguments)
    memory = stored or MemoryStudy(log.study, arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    stops = Stops(arguments.out / "STOP", guards)
    code = search(task, log, memory, stops, device, costs, arguments).run()
    say_result(log.study)
    print_result(arguments.log, log.study)
    return code
