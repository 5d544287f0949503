"""Main: train, evaluate once, or use the weights."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import uuid
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hpo_script.constants import DIRECTION, HPOGEN, METRIC, TASK
from hpo_script.experiment.shared import UnusableError
from hpo_script.final.constants import CONFIGURATIONS, SEEDS
from hpo_script.final.evaluation import FinalStudy, evaluate
from hpo_script.final.report import report
from hpo_script.final.task import FinalTask
from hpo_script.final.train_seeds import Trainings
from hpo_script.final.weights import best_weights, load_model
from hpo_script.machinery.checkpoint import replace_file
from hpo_script.machinery.device import choose_device
from hpo_script.machinery.log_file import Interrupted, LogFile, say
from hpo_script.machinery.log_lines import LOG_VERSION, STATES
from hpo_script.machinery.source_digest import COMPARED, changes, read_source

SAME_TRAININGS = (*COMPARED, "configurations", "seeds", "trial_seconds", "train_on")


def run_fields(task: FinalTask, arguments: Namespace, device: torch.device) -> dict[str, Any]:
    """Return the fields of the run line: everything that identifies the trainings."""
    source = Path(sys.argv[0]).read_text("utf-8")
    constants, code_sha256 = read_source(source)
    return {
        "log_version": LOG_VERSION,
        "hpogen": HPOGEN,
        "task": TASK,
        "horizon": None,
        **constants,
        "metric": METRIC,
        "direction": DIRECTION,
        "unit": task.unit,
        "n_trials": len(CONFIGURATIONS) * len(SEEDS),
        "train_on": arguments.train_on,
        "code_sha256": code_sha256,
        "script_sha256": hashlib.sha256(source.encode()).hexdigest(),
        "search_space": {},
        "device": str(device),
        "threads": torch.get_num_threads(),
        "worker": {"host": platform.node(), "process": str(os.getpid())},
        "python": platform.python_version(),
        "torch": torch.__version__,
        "baselines": task.baselines(),
        **task.describe(),
    }


def open_run(log: LogFile, about: Mapping[str, Any]) -> None:
    """Check the log and write that a run starts. Raises UnusableError."""
    log.open()
    if not log.lock_trial(0):
        raise UnusableError(f"{log.path}: another process works on it; wait for its end")
    with log.round() as study:
        first = next(iter(study.runs.values()), about)
        if changed := changes(first, about, SAME_TRAININGS):
            raise UnusableError(
                f"{log.path} has other trainings: {'; '.join(changed[:20])}. Undo that, or give"
                " another --log and --out"
            )
        study.study_id = study.study_id or uuid.uuid4().hex[:12]
        log.write("run_start", about)
    log.report_damage()


def close_run(log: LogFile, reason: str) -> None:
    """Write how the run ended."""
    with log.round() as study:
        best = study.best(DIRECTION)
        found = {"best_trial": best and best.number, "best_value": best and best.value}
        log.write("run_end", {"reason": reason, **study.counts(), **found})


def train_and_evaluate(arguments: Namespace, task: FinalTask) -> int:
    """Run the trainings that are left, then the evaluation unless the log has one."""
    device = choose_device(arguments.device)
    task.load(device)
    log, study = LogFile(arguments.log, uuid.uuid4().hex[:8]), FinalStudy()
    log.study = study
    open_run(log, run_fields(task, arguments, device))
    trainings, reason = Trainings(task, log, device, arguments), "error"
    try:
        trainings.run()
        reason = "trials"
        if not study.counts()["complete"]:
            raise UnusableError(f"{log.path}: every training failed")
        if study.result is None or arguments.evaluate_again:
            evaluate(trainings, study)
    except Interrupted as stop:
        reason = stop.reason
        raise
    finally:
        close_run(log, reason)
    result = study.result or {}
    print(report(result))
    found = {name: result[name] for name in ("verdict", "comparisons", "evaluation_number")}
    states = {name: study.counts()[name] for name in STATES}
    print("RESULT " + json.dumps({"log": str(log.path), **states, **found}), flush=True)
    return 0


def use_weights(arguments: Namespace, task: FinalTask) -> int:
    """Score the rows of a file, or export the model."""
    device = torch.device("cpu") if arguments.export else choose_device(arguments.device)
    path = arguments.weights or best_weights(arguments.out)
    model, about = load_model(path, task, device)
    if arguments.export:
        target = path.with_suffix(".onnx")
        export_onnx(model, task, target)
        print(target)
        return 0
    text = task.predict(arguments.predict, model, about, device).to_csv(index=False)
    if arguments.output:
        replace_file(arguments.output, lambda file: file.write(text.encode()))
    else:
        sys.stdout.write(text)
    say(f"scored with {path}")
    return 0


def export_onnx(model: torch.nn.Module, task: FinalTask, path: Path) -> None:
    """Write a model as ONNX, for batches of any size.

    Raises ImportError where torch needs another package.
    """
    axes = {"inputs": {0: "batch"}}
    try:
        torch.onnx.export(
            model, (task.example(),), path, input_names=["inputs"], dynamic_axes=axes
        )
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"{missing.name} is not installed: python -m pip install onnx onnxscript"
        ) from None


def main(arguments: Namespace, task: FinalTask) -> int:
    """Do what the command line asks; return the exit code."""
    use = use_weights if arguments.predict or arguments.export else train_and_evaluate
    try:
        return use(arguments, task)
    except KeyboardInterrupt:
        return 130
    except Interrupted as stop:
        say(f"stopped: {stop.reason}. To continue, run the same command again")
        return stop.code
    except OSError as error:
        say(f"error: {error.filename or arguments.log}: {error.strerror}")
        return 2
    except (UnusableError, ImportError) as error:
        say(f"error: {error}")
        return 3 if isinstance(error, ImportError) else 2
