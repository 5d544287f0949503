#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = [
#     "numpy",
#     "optuna>=4,<6",
#     "pandas",
#     "torch>=2.4",
# ]
# ///
#:hpogen:0.1.0:324709106459416a55f3c4ad0dd06b59bb3033a02a208aa9156b05fc7c1e560e:{"name":"hpo_20K_h1","study_name":"hpo_20K_h1","task":"threshold_1pct","budget":20000,"horizon":1,"tolerance":0.3,"n_trials":50,"timeout_hours":null,"seed":42,"storage":null,"metric":"val_loss","options":{"inputs":"scale_free"},"sections":[],"constants":{"data_path":"prices/sp500.csv","data_sha256":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","data_range":["1999-01-04","2018-12-31"],"feature_columns":["Open","High","Low","Close","Adj\u0020Close","Volume"],"train_fraction":0.7,"val_fraction":0.15,"train_subset":1.0,"train_end":null,"val_end":null,"min_val_samples":100,"min_class_samples":10,"context_length":60,"max_context_length":60,"patch_length":10,"stride":5},"architecture":{"d_model":[16,24,32],"n_layers":[1,2,4],"n_heads":[2,4,8,16,32],"d_ff_ratio":[2,4]},"where":{},"skip":[],"max_memory_gb":null,"search":{"epochs":{"type":"categorical","choices":[50,75,100],"when":{}},"learning_rate":{"type":"float","low":0.0001,"high":0.001,"log":true,"when":{}},"weight_decay":{"type":"float","low":0.0001,"high":0.005,"log":true,"when":{}},"dropout":{"type":"float","low":0.1,"high":0.3,"log":false,"when":{}},"warmup_steps":{"type":"categorical","choices":[100,200,300,500],"when":{}}},"fixed":{"batch_size":256,"clip_norm":1.0,"beta1":0.9,"beta2":0.999,"min_lr_ratio":0.1,"patience":10,"prune_from":0.2,"min_delta":0.001,"loss":"bce"},"sampler":{"type":"tpe","n_startup_trials":10,"n_ei_candidates":24,"multivariate":false,"group":false,"constant_liar":true,"prior_weight":1.0,"consider_magic_clip":true,"consider_endpoints":false,"warn_independent_sampling":false},"pruner":{"type":"median","n_startup_trials":8,"n_warmup_steps":0,"interval_steps":1,"n_min_trials":5}}
"""Search the best 20K transformer for threshold_1pct, horizon 1.

Will the High reach Close + x % within the horizon, in trading days?

    python hpo_20K_h1.py --dry-run     check everything, train nothing
    python hpo_20K_h1.py --smoke       two trials of a few real steps
    python hpo_20K_h1.py               run, or go on, up to N_TRIALS trials
    recover-trials logs/hpo_20K_h1.log   the trial table from the log alone

One file; it needs numpy, optuna, pandas, torch and nothing else.
Rendered by hpogen 0.1.0; do not edit it, render it again.
The line that begins with #:hpogen: holds the whole specification.
"""

from __future__ import annotations

import argparse
import csv
import errno
import fcntl
import hashlib
import io
import itertools
import json
import math
import os
import pickle
import platform
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
import uuid
import warnings
import zlib
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, ClassVar, Literal, NamedTuple, NoReturn, TypeVar

# --- Experiment ----------------------------------------------------------------------------------

NAME = "hpo_20K_h1"
STUDY_NAME = NAME  # in its storage
BUDGET = 20_000  # parameters
TOLERANCE = 0.3  # of the budget, up and down
HORIZON = 1  # trading days ahead
TASK = "threshold_1pct"
METRIC = "val_loss"  # a trial's value: its best evaluation
DIRECTION: Literal["minimize", "maximize"] = "minimize"
N_TRIALS = 50  # in all, over every run of this script
TIMEOUT_HOURS = None  # a run stops after these, even in a trial
SEED = 42  # of every random stream
STORAGE = None  # default: SQLite beside the results

# Data
DATA_PATH = "prices/sp500.csv"  # CSV or Parquet
# of that file; checked if given
DATA_SHA256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
DATA_RANGE = ["1999-01-04", "2018-12-31"]  # its first and last date
FEATURE_COLUMNS = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]  # columns the model sees

# Splits, contiguous and in order
TRAIN_FRACTION = 0.7  # of all rows, in the order of dates
VAL_FRACTION = 0.15  # the rest is test, never read here
TRAIN_SUBSET = 1.0  # of the training days, evenly spread
TRAIN_END = None  # last training date, if given
VAL_END = None  # last validation date, if given
MIN_VAL_SAMPLES = 100  # fewer are refused
MIN_CLASS_SAMPLES = 10  # fewer of a class are refused

# Model
CONTEXT_LENGTH = 60  # days the model sees
MAX_CONTEXT_LENGTH = 60  # trims the label days
PATCH_LENGTH = 10  # days per patch
STRIDE = 5  # days between patches

# Searched parameters, besides the architecture
SEARCH_SPACE: dict[str, dict[str, Any]] = {
    "epochs": {"type": "categorical", "choices": [50, 75, 100]},  # passes over the training days
    # peak of the schedule
    "learning_rate": {"type": "float", "low": 0.0001, "high": 0.001, "log": True},
    # AdamW, on matrices only
    "weight_decay": {"type": "float", "low": 0.0001, "high": 0.005, "log": True},
    # on the embedding and on each residual branch
    "dropout": {"type": "float", "low": 0.1, "high": 0.3, "log": False},
    # optimizer steps of linear warm-up
    "warmup_steps": {"type": "categorical", "choices": [100, 200, 300, 500]},
}
CONDITIONS: dict[str, dict[str, list[Any]]] = {}

# Parameters that are not searched
FIXED_PARAMS: dict[str, Any] = {
    "batch_size": 256,  # samples per optimizer step, whatever fits at once
    "clip_norm": 1.0,  # largest norm of the gradient
    "beta1": 0.9,  # AdamW
    "beta2": 0.999,  # AdamW
    "min_lr_ratio": 0.1,  # end of the cosine, as a share of the peak
    "patience": 10,  # evaluations without a gain before a trial stops
    "prune_from": 0.2,  # share of its schedule before which none is pruned
    "min_delta": 0.001,  # smallest gain that counts for patience
    "loss": "bce",  # what is minimised
}

# Sampler and pruner of Optuna (steps in the unit of evaluations)
SAMPLER: dict[str, Any] = {
    "type": "TPESampler",
    "n_startup_trials": 10,
    "n_ei_candidates": 24,
    "multivariate": False,
    "group": False,
    "constant_liar": True,
    "prior_weight": 1.0,
    "consider_magic_clip": True,
    "consider_endpoints": False,
    "warn_independent_sampling": False,
}
PRUNER: dict[str, Any] = {
    "type": "MedianPruner",
    "n_startup_trials": 8,
    "n_warmup_steps": 0,
    "interval_steps": 1,
    "n_min_trials": 5,
}

# Architectures within the budget, deep and narrow to shallow and wide, exact params
FREE_AXES = ["n_heads"]  # do not change the parameter count
ARCHITECTURES = [
    {"d_model": 16, "n_layers": 4, "n_heads": 2, "d_ff": 64, "params": 14641},
    {"d_model": 16, "n_layers": 4, "n_heads": 4, "d_ff": 64, "params": 14641},
    {"d_model": 16, "n_layers": 4, "n_heads": 8, "d_ff": 64, "params": 14641},
    {"d_model": 16, "n_layers": 4, "n_heads": 16, "d_ff": 64, "params": 14641},
    {"d_model": 24, "n_layers": 4, "n_heads": 2, "d_ff": 48, "params": 21769},
    {"d_model": 24, "n_layers": 4, "n_heads": 4, "d_ff": 48, "params": 21769},
    {"d_model": 24, "n_layers": 4, "n_heads": 8, "d_ff": 48, "params": 21769},
    {"d_model": 24, "n_layers": 2, "n_heads": 2, "d_ff": 96, "params": 16729},
    {"d_model": 24, "n_layers": 2, "n_heads": 4, "d_ff": 96, "params": 16729},
    {"d_model": 24, "n_layers": 2, "n_heads": 8, "d_ff": 96, "params": 16729},
    {"d_model": 32, "n_layers": 2, "n_heads": 2, "d_ff": 64, "params": 20129},
    {"d_model": 32, "n_layers": 2, "n_heads": 4, "d_ff": 64, "params": 20129},
    {"d_model": 32, "n_layers": 2, "n_heads": 8, "d_ff": 64, "params": 20129},
    {"d_model": 32, "n_layers": 2, "n_heads": 16, "d_ff": 64, "params": 20129},
    {"d_model": 32, "n_layers": 2, "n_heads": 32, "d_ff": 64, "params": 20129},
    {"d_model": 32, "n_layers": 1, "n_heads": 2, "d_ff": 128, "params": 15745},
    {"d_model": 32, "n_layers": 1, "n_heads": 4, "d_ff": 128, "params": 15745},
    {"d_model": 32, "n_layers": 1, "n_heads": 8, "d_ff": 128, "params": 15745},
    {"d_model": 32, "n_layers": 1, "n_heads": 16, "d_ff": 128, "params": 15745},
    {"d_model": 32, "n_layers": 1, "n_heads": 32, "d_ff": 128, "params": 15745},
]

# Architectures that are tried in any case: one at each end of each axis
EXTREME_INDICES = {
    1: "min d_model",
    11: "max d_model",
    16: "min n_layers",
    5: "max n_layers",
    10: "min n_heads",
    14: "max n_heads",
}
SKIP_INDICES: list[int] = []  # never tried


# --- Command line --------------------------------------------------------------------------------


def positive(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def not_negative(text: str) -> float:
    """Read a number from zero up."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return float(text)


def without_password(url: str) -> str:
    """Return an address as others may see it."""
    return re.sub(r"(?s)(?<=\?).*", "***", re.sub(r"(?s)(://[^:/]*:).*@", r"\1***@", url))


def parse_arguments(
    doc: str, name: str, data_path: str, n_trials: int, seed: int, storage: str | None
) -> argparse.Namespace:
    """Read the command line; what is not given keeps the value of the constant above."""
    about, _, usage = doc.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog=f"{name}.py",
        description=about,
        epilog=usage,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    shown = data_path.replace("%", "%%")
    add("--data", default=data_path, metavar="PATH", help=f"default: {shown}")
    add("--new-data", action="store_true", help="use data other than those it was rendered for")
    add("--n-trials", default=n_trials, type=positive, metavar="N", help="total over all runs")
    add("--seed", default=seed, type=int, metavar="N", help=f"default: {seed}")
    add("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="default: auto")
    add("--out", type=Path, metavar="DIR", help=f"results; default: outputs/{name}")
    add("--log", type=Path, metavar="FILE", help=f"trial log; default: logs/{name}.log")
    storage = os.environ.get("OPTUNA_STORAGE", storage)
    add("--storage", default=storage, metavar="URL", help="default: OPTUNA_STORAGE, or --out")
    often = "between two checkpoints of a trial, 0: after each batch; default: 5"
    add("--checkpoint-minutes", default=5.0, type=not_negative, metavar="N", help=often)
    add("--take-over", action="store_true", help="go on with trials of machines gone for good")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="check everything, train nothing")
    mode.add_argument("--smoke", action="store_true", help="two trials of a few real steps")
    mode.add_argument("--trial-from", type=Path, metavar="FILE", help="train a trial_….json again")
    arguments = parser.parse_args()
    telling = r"(?s)://[^:/]*:.+@|\?.*password="
    if arguments.storage != storage and re.search(telling, arguments.storage):
        parser.error(
            "--storage: everybody on this machine can read a password of a command line; put the"
            " URL into OPTUNA_STORAGE, or the password where the database's client looks for it"
        )
    # Else what follows it would be taken for the host, and shown.
    if re.match(r"\w[\w+]*://[^:/?]*:[^?]*@[^?]*@", arguments.storage or ""):
        parser.error("the URL of the storage: write an @ in a password as %40")
    arguments.overrides = {
        name: without_password(str(value))
        for name, value in vars(arguments).items()
        if value != parser.get_default(name)
    }
    arguments.out = arguments.out or Path("outputs", name)
    arguments.log = arguments.log or Path("logs", f"{name}.log")
    if arguments.smoke:  # never among real results
        arguments.out = Path(f"{arguments.out}-smoke")
        arguments.log = arguments.log.with_name(f"{arguments.log.stem}-smoke.log")
    return arguments


if __name__ == "__main__":
    # Before the packages are imported: --help answers without them.
    ARGUMENTS = parse_arguments(__doc__, NAME, DATA_PATH, N_TRIALS, SEED, STORAGE)

try:
    import numpy as np
    import optuna
    import pandas as pd
    import torch
    import torch.nn.functional as F
    from numpy.typing import NDArray
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        distribution_to_json,
    )
    from optuna.storages import BaseStorage, JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
    from torch import Tensor, nn
except ModuleNotFoundError as missing:
    install = "python -m pip install numpy optuna pandas torch"
    print(f"error: {missing.name} is not installed: {install}", file=sys.stderr)
    sys.exit(3)
except KeyboardInterrupt:
    sys.exit(130)


# --- Trial log: one table defines every line -----------------------------------------------------
# A line is `[I 2026-11-21 10:15:00,123] HEAD: field=value, ... ;1a2b3c4d`. Numbers stand in full,
# text as a JSON string, and the mark at the end is the CRC-32 of all before it, so that a line
# that was cut, mixed or altered is refused instead of misread. `recover-trials` reads by this
# table.


class LogEvent(NamedTuple):
    """A kind of line: its head, and the fields before and after those of the task's own."""

    head: str
    first: tuple[str, ...]
    last: tuple[str, ...]


IDENTITY = ("study", "run")
ARCHITECTURE = ("arch_idx", "d_model", "n_layers", "n_heads", "params")
EXPERIMENT = (
    *("name", "study_name", "budget", "horizon", "task", "metric", "direction", "unit"),
    *("n_trials", "timeout_hours", "seed"),
    *("data", "data_sha256", "architectures_sha256", "settings_sha256"),
    *("spec_sha256", "script_sha256"),
    *("search_space", "conditions", "skip_indices", "fixed_params", "sampler", "pruner"),
    *("overrides", "smoke", "device", "threads", "worker", "versions"),
)
COUNTS = ("complete", "pruned", "failed", "running")
LOG_EVENTS = {
    "run_start": LogEvent("Run {run} started", EXPERIMENT, IDENTITY),
    "study_resumed": LogEvent("Run {run} resumed", COUNTS, IDENTITY),
    "trial_start": LogEvent(
        "Trial {trial}",
        (*ARCHITECTURE, "lr", "epochs", "batch_size", "d_ff"),
        ("kind", "config_id", "datetime_start", *IDENTITY),
    ),
    "evaluation": LogEvent("Trial {trial} {unit} {step}", (*ARCHITECTURE, "d_ff"), IDENTITY),
    "trial_retry": LogEvent("Trial {trial} retried", (*ARCHITECTURE, "d_ff"), IDENTITY),
    "trial_resumed": LogEvent("Trial {trial} resumed", (*ARCHITECTURE, "d_ff"), IDENTITY),
    "trial_end": LogEvent(
        "Trial {trial} ended",
        (*ARCHITECTURE, "d_ff", "state", "value"),
        ("datetime_start", "datetime_complete", *IDENTITY),
    ),
    "note": LogEvent("Run {run} note", ("text",), IDENTITY),
    "run_end": LogEvent(
        "Run {run} ended", ("reason", *COUNTS, "best_trial", "best_value"), IDENTITY
    ),
}
# The log's short names of two attributes of a trial; all others have the same name in both.
SHORT_NAMES = {"param_count": "params", "learning_rate": "lr"}
# What other programs put into a study may have any name: what is no field's own goes into these.
OTHERS = "attributes"
OTHER_PARAMS = "trial_params"
REPORTED = "intermediate_values"
RESERVED = {
    *("trial", "state", "value", "datetime_start", "datetime_complete", "system_attrs"),
    *("unit", "step", OTHERS, OTHER_PARAMS, REPORTED, *IDENTITY, *SHORT_NAMES.values()),
}


def defused(text: str, bracket: str) -> str:
    """Return text in which nothing looks like the beginning of a log line."""
    return re.sub(r"\[(?=[A-Z] )", bracket, text)


def format_value(name: str, value: object) -> str:
    """Write one value: floats in full precision, text so that it cannot break or forge a line."""
    if value is None or isinstance(value, (bool, str, list, dict, tuple)):
        return defused(json.dumps(value), r"\\u005b")
    if isinstance(value, int):
        return f"{int(value):,}" if name == "params" else str(int(value))
    if isinstance(value, float):
        return repr(float(value))  # numpy's own repr would be np.float64(0.1)
    raise TypeError(f"{name}: cannot log a {type(value).__name__}")


def time_stamp(time: datetime, level: str) -> str:
    """Return the beginning of a line, as Optuna writes it."""
    return f"[{level} {time:%Y-%m-%d %H:%M:%S},{time.microsecond // 1000:03d}] "


def closing_mark(line: str) -> str:
    """Return the mark that ends a whole line."""
    return f" ;{zlib.crc32(line.encode()):08x}"


def format_event(
    event: str, fields: Mapping[str, object], *, time: datetime, level: str = "I"
) -> str:
    """Return the line (without newline) of an event; a field of the table left out is an error."""
    head, first, last = LOG_EVENTS[event]
    table = {*re.findall(r"{(\w+)}", head), *first, *last}
    if missing := table - fields.keys():
        raise TypeError(f"{event}: missing {', '.join(sorted(missing))}")
    names = [*first, *(name for name in fields if name not in table), *last]
    values = ", ".join(f"{name}={format_value(name, fields[name])}" for name in names)
    line = f"{time_stamp(time, level)}{head.format_map(fields)}: {values}"
    return line + closing_mark(line)


# --- Log file: opened by the script itself, each line appended by one write ----------------------


def open_closed_streams() -> None:
    """Open to nothing what is closed of 0, 1 and 2: else files of the study get these numbers."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stderr = sys.stderr or io.StringIO()


def say(text: str, end: str = "\n") -> None:
    """Print to stderr; a closed terminal must not end the run."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        sys.stderr = io.StringIO()


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk: a power failure may undo new ones."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class TrialLog:
    """The log of one run; `study` and `run` stand on every line."""

    def __init__(self, path: Path, *, study: str, run: str) -> None:
        self.path, self.identity = path, {"study": study, "run": run}
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        with suppress(OSError):  # not every kind of folder can
            sync_folder(path.parent)
        self.unwritten = b""
        size = os.fstat(self.file).st_size
        if size and os.pread(self.file, 1, size - 1) != b"\n":
            self.append("")  # a run was killed within a line

    def numbers(self, head: str) -> set[int]:
        """Return the number that `head` has a group for, of all lines of this study it begins."""
        content = os.pread(self.file, os.fstat(self.file).st_size, 0)
        study, mark = self.identity["study"], "[0-9a-f]" * 8
        stamp = r"(?m)^\[[A-Z] [^]\n]{23}\] "  # a text within a line may look like a head
        line = rf'{stamp}{head}.*study="{study}", run="\w+" ;{mark}\n'
        return {int(number) for number in re.findall(line.encode(), content)}

    def write(self, event: str, fields: Mapping[str, object], *, level: str = "I") -> None:
        """Append one event of LOG_EVENTS."""
        now = datetime.now()
        self.append(format_event(event, {**fields, **self.identity}, time=now, level=level))

    def write_plain(self, message: str, *, level: str = "I") -> None:
        """Append a line as Optuna's own logger would write it."""
        self.append(time_stamp(datetime.now(), level) + defused(message, "("))

    def append(self, line: str) -> None:
        """Write a line; a full disk is said and survived, and the line written with the next."""
        rest = lines = self.unwritten + f"{line}\n".encode()
        try:
            while rest:  # twice only if the disk fills up within the line
                rest = rest[os.write(self.file, rest) :]
            self.unwritten = b""
        except OSError as error:
            self.unwritten = lines if rest == lines else b"\n" + lines
            say(f"log: {error.strerror}; not in the file: {line}")

    def sync(self) -> None:
        """Wait until the lines are on the disk."""
        with suppress(OSError):  # not every kind of file can
            os.fsync(self.file)


# --- Random streams: each has a key, so nothing depends on what ran before -----------------------


def stream_seed(seed: int, *key: int | str) -> int:
    """Return the seed (63 bits) of the stream named by a key such as (trial, epoch, purpose)."""
    digest = hashlib.blake2b(repr((seed, *key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


# --- Architecture space: how the sampler sees ARCHITECTURES --------------------------------------
# Rows that differ only in a free axis (the heads, which do not change the parameter count) are one
# shape. The sampler is given the shape's number, in the order of the list (deep and narrow to
# shallow and wide), and for each free axis the number of one of its values: both are ordered, so
# that a model of the search space can use neighbours.


class ArchSpace:
    """A list of architectures and the two-way map between its rows and search parameters."""

    def __init__(
        self,
        architectures: Sequence[Mapping[str, int]],
        *,
        free_axes: Sequence[str],
        skip: Sequence[int] = (),
    ) -> None:
        self.architectures = architectures
        self.choices = {axis: sorted({row[axis] for row in architectures}) for axis in free_axes}
        shapes: dict[tuple[int, ...], list[int]] = {}
        for arch_idx, row in enumerate(architectures):
            key = tuple(value for axis, value in row.items() if axis not in free_axes)
            shapes.setdefault(key, []).append(arch_idx)
        self.shapes = list(shapes.values())
        self.shape_of = {row: shape for shape, rows in enumerate(self.shapes) for row in rows}
        self.allowed = [row for row in self.shape_of if row not in skip]

    def sizes(self) -> dict[str, int]:
        """Return the search parameters, each an integer from 0, and how many values each has."""
        heads = {f"{axis}_idx": len(values) for axis, values in self.choices.items()}
        return {"shape_idx": len(self.shapes), **heads}

    def encode(self, arch_idx: int) -> dict[str, int]:
        """Return the search parameters that stand for a row."""
        row = self.architectures[arch_idx]
        indices = {f"{axis}_idx": values.index(row[axis]) for axis, values in self.choices.items()}
        return {"shape_idx": self.shape_of[arch_idx], **indices}

    def decode(self, params: Mapping[str, int]) -> int:
        """Return the row that search parameters stand for.

        Where that row is skipped, or a shape does not have the wanted value of a free axis (6
        heads do not divide a width of 64), the nearest one is taken: of the nearest shape, then
        by distance in log2.
        """

        def distance(arch_idx: int) -> tuple[int, float]:
            row = self.architectures[arch_idx]
            return abs(self.shape_of[arch_idx] - params["shape_idx"]), sum(
                abs(math.log2(row[axis] / values[params[f"{axis}_idx"]]))
                for axis, values in self.choices.items()
            )

        return min(self.allowed, key=distance)


# --- Experiment: the constants above as one value, and what the parts below share ----------------

Arch = Mapping[str, int]  # a row of ARCHITECTURES
Config = Mapping[str, Any]  # every parameter of a trial, searched or not
Curve = list[dict[str, Any]]  # evaluations, each with what it counts and its metrics
Table = Mapping[str, Any]  # a type of Optuna and its arguments


@dataclass(frozen=True)
class Experiment:
    """What is searched and how; the names are those of the constants."""

    name: str
    study_name: str
    budget: int
    tolerance: float
    task: str
    metric: str
    direction: Literal["minimize", "maximize"]
    n_trials: int
    timeout_hours: float | None
    seed: int
    architectures: Sequence[Arch]
    free_axes: Sequence[str]
    extreme_indices: Mapping[int, str]
    skip_indices: Sequence[int]
    search_space: Mapping[str, Table]
    conditions: Mapping[str, Mapping[str, Sequence[Any]]]
    fixed_params: Config
    sampler: Table
    pruner: Table
    hpogen: str
    spec_sha256: str
    horizon: int | None = None  # only some tasks have one

    @property
    def sign(self) -> int:
        """Return 1 where lower is better, else -1."""
        return 1 if self.direction == "minimize" else -1

    @property
    def space(self) -> ArchSpace:
        """Return the architectures as the sampler sees them."""
        return ArchSpace(self.architectures, free_axes=self.free_axes, skip=self.skip_indices)

    @property
    def searched(self) -> dict[str, Table]:
        """Return every searched parameter: the architecture's, then those of SEARCH_SPACE."""
        sizes = self.space.sizes().items()
        indices = {name: {"type": "int", "low": 0, "high": size - 1} for name, size in sizes}
        return {**indices, **self.search_space}


class Round(NamedTuple):
    """Training between two evaluations: a number of batches, and the count reached after them."""

    step: int
    n_batches: int


class UnusableError(Exception):
    """Data, storage or device cannot be used; the message says what, where, and the way out."""


def check_digest(path: str, digest: str, expected: str | None, about: str) -> None:
    """Refuse data that are not those the script was rendered for."""
    if expected not in (None, digest):
        raise UnusableError(
            f"{path}: sha256 {digest[:12]}… ({about}) is not the data this script was rendered"
            f" for, {expected[:12]}…. Give those by --data, or say --new-data to use these."
        )


# --- Metrics of a yes-or-no label, from logits; probabilities are made here and nowhere else -----


def auc(scores: Tensor, targets: Tensor) -> float:
    """Return the area under the ROC curve: P(positive above negative), a tie counting one half."""
    _, group, sizes = torch.unique(scores, return_inverse=True, return_counts=True)
    last = sizes.cumsum(0)
    ranks = (last - (sizes - 1) / 2).double()[group]  # tied scores share their mean rank
    positive = targets > 0.5
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    above = float(ranks[positive].sum()) - n_positive * (n_positive + 1) / 2
    return above / (n_positive * n_negative)


def calibration_error(probabilities: Tensor, targets: Tensor, bins: int = 15) -> float:
    """Return the expected calibration error over equal-width bins (Guo et al. 2017)."""
    index = (probabilities * bins).long().clamp_(max=bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, index, probabilities - targets)
    return float(gaps.abs().sum()) / len(targets)


def log_loss(rate: float, targets: Tensor) -> float:
    """Return the loss in nats of predicting the same probability for every sample."""
    positive = float(targets.double().mean())
    return -(positive * math.log(rate) + (1 - positive) * math.log(1 - rate))


def label_metrics(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Return every metric of a set of predictions; both tensors have shape (samples,)."""
    logits, targets = logits.double().cpu(), targets.double().cpu()
    if not torch.isfinite(logits).all():
        return {"val_loss": math.nan}
    probabilities = torch.sigmoid(logits)
    predicted = probabilities >= 0.5
    positive = targets > 0.5
    hits = int((predicted & positive).sum())
    recall = hits / int(positive.sum())
    spread = float(probabilities.max() - probabilities.min())
    return {
        "val_loss": float(F.binary_cross_entropy_with_logits(logits, targets)),
        "auc": auc(logits, targets),
        "accuracy": float((predicted == positive).double().mean()),
        "precision": hits / max(int(predicted.sum()), 1),
        "recall": recall,
        "brier": float(((probabilities - targets) ** 2).mean()),
        "ece": calibration_error(probabilities, targets),
        "prediction_range": spread,
        # The signs of a model that predicts one number for all: a low loss hides them.
        "collapsed": spread < 0.2 or recall == 0.0,
    }


# --- Loss: binary cross-entropy ------------------------------------------------------------------


def bce_loss(logits: Tensor, targets: Tensor, *, train_rate: float, config: Config) -> Tensor:
    """Return the mean log loss; the positive rate and the parameters are not needed."""
    del train_rate, config
    return F.binary_cross_entropy_with_logits(logits, targets)


# --- Labels: will the High reach Close + x % within the horizon? ---------------------------------


def make_labels(frame: pd.DataFrame, *, task: str, horizon: int) -> NDArray[np.float64]:
    """Return one label per row: max(High[t+1 .. t+horizon]) >= Close[t] (1 + x / 100).

    The last `horizon` rows have no label (NaN). The task is `threshold_<x>pct`.
    """
    percent = float(task.removeprefix("threshold_").removesuffix("pct"))
    days_ahead = pd.concat([frame["High"].shift(-day) for day in range(1, horizon + 1)], axis=1)
    reached = days_ahead.max(axis=1) >= frame["Close"] * (1 + percent / 100)
    labels = reached.astype(np.float64)
    labels.iloc[-horizon:] = np.nan
    return np.asarray(labels, np.float64)


# --- Inputs: scale-free daily features, standardised on training rows ----------------------------
# Prices become log ratios to the previous close, volume its log ratio to its own mean over the
# past 20 days; the day's range, ln(High / Low), is added. Nothing is normalised per window, so the
# level of volatility stays visible. Other columns are used as they are.


def input_features(
    frame: pd.DataFrame, columns: Sequence[str], train_rows: int
) -> NDArray[np.float64]:
    """Return the model's inputs, (rows, channels); the first row has no previous day: 0."""
    previous = frame["Close"].shift(1)
    features: dict[str, pd.Series[Any]] = {}
    for column in columns:
        values = frame[column]
        if column in ("Open", "High", "Low", "Close"):
            values = (values / previous).map(np.log)
        elif column == "Adj Close":
            values = (values / values.shift(1)).map(np.log)
        elif column == "Volume":
            usual = values.rolling(20, min_periods=1).mean()
            values = ((values + 1) / (usual + 1)).map(np.log)
        features[column] = values
    features["range"] = (frame["High"] / frame["Low"]).map(np.log)
    table = pd.DataFrame(features).to_numpy(np.float64)
    train = table[1:train_rows]
    standard = (table - train.mean(0)) / (train.std(0) + 1e-12)
    # The first row has no day before; a day without volume is far out, but only one day.
    return np.clip(np.where(np.isnan(standard), 0.0, standard), -10.0, 10.0)


class Inputs(nn.Module):
    """Windows as they are."""

    n_statistics = 0

    def __init__(self, _n_channels: int) -> None:
        super().__init__()

    def fit(self, windows: Tensor) -> None:
        """Learn nothing from the training windows."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the window, (batch, days, channels), and (batch, 0) statistics."""
        return x, x.new_zeros(len(x), 0)


# --- Transformer block: pre-norm, fused projections, scaled-dot-product attention ----------------
# Pre-norm as in Xiong et al. 2020 (arXiv:2002.04745); weights start at N(0, 0.02), those that
# write to the residual stream at 0.02 / sqrt(2 n_layers) (Radford et al. 2019), so that depth does
# not grow the variance.


class Block(nn.Module):
    """Attention and a feed-forward layer, each added to its input."""

    def __init__(self, arch: Arch, dropout: float, *, causal: bool) -> None:
        super().__init__()
        self.n_heads, self.causal = arch["n_heads"], causal
        d_model, d_ff = arch["d_model"], arch["d_ff"]
        self.attention_norm = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.attention_out = nn.Linear(d_model, d_model)
        self.ff_norm = nn.LayerNorm(d_model)
        self.ff_in = nn.Linear(d_model, d_ff)
        self.ff_out = nn.Linear(d_ff, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, tokens, d_model) to the same shape."""
        batch, tokens, _ = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, tokens, 3, self.n_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, tokens, d_model / heads)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.dropout(self.attention_out(mixed.transpose(1, 2).reshape(x.shape)))
        return x + self.dropout(self.ff_out(F.gelu(self.ff_in(self.ff_norm(x)))))


def init_weights(model: nn.Module, n_layers: int) -> None:
    """Draw the starting weights from the current random stream; none on the meta device."""
    if next(model.parameters()).is_meta:
        return
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            writes_residual = name.endswith(("attention_out", "ff_out"))
            std = 0.02 / math.sqrt(2 * n_layers) if writes_residual else 0.02
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


# --- Model: PatchTST (Nie et al. 2023, arXiv:2211.14730) with channel-mixed patches --------------


class PatchTST(nn.Module):
    """Encoder over overlapping patches of a window of daily features; one logit out."""

    def __init__(
        self,
        arch: Arch,
        dropout: float,
        *,
        n_channels: int,
        context_length: int,
        patch_length: int,
        stride: int,
    ) -> None:
        super().__init__()
        d_model, n_layers = arch["d_model"], arch["n_layers"]
        self.patch_length, self.stride = patch_length, stride
        n_patches = (context_length - patch_length) // stride + 1
        self.inputs = Inputs(n_channels)
        self.embed = nn.Linear(patch_length * n_channels + self.inputs.n_statistics, d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(n_patches, d_model))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(arch, dropout, causal=False) for _ in range(n_layers))
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(n_patches * d_model, 1)
        init_weights(self, n_layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map windows (batch, days, channels) to logits (batch,)."""
        series, statistics = self.inputs(x)
        rest = (series.shape[1] - self.patch_length) % self.stride  # of the oldest days
        patches = series[:, rest:].unfold(1, self.patch_length, self.stride).flatten(2)
        shared = statistics.unsqueeze(1).expand(-1, patches.shape[1], -1)
        x = self.embed(torch.cat([patches, shared], 2)) + self.positions
        x = self.dropout(x)  # (batch, patches, d_model)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).flatten(1)).squeeze(1)


# --- Data: daily rows, labels from the days ahead, contiguous splits by date ---------------------
# The rows of the test split are dropped before anything is computed: this script cannot read a
# test label. A label's days never cross a boundary, and which days carry labels does not depend on
# the context length, only on MAX_CONTEXT_LENGTH.

PRICES = ("Open", "High", "Low", "Close")
ISO_DATE = r"(\d{4}-\d\d-\d\d|\d{8})([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?"  # no zone


def read_table(path: Path, content: bytes) -> pd.DataFrame:
    """Return a CSV or Parquet file as text, its rows numbered as they are in the file."""
    if path.suffix == ".parquet":
        frame = pd.read_parquet(io.BytesIO(content))
        frame = frame.reset_index(drop=frame.index.name is None)
        return frame.astype(str).set_axis(range(1, len(frame) + 1))
    lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    header = next(lines, [])
    rows = [(lines.line_num, row) for row in lines if row]
    for number, row in rows:
        if len(row) != len(header):
            raise ValueError(f"row {number}: {len(row)} fields, the header has {len(header)}")
    return pd.DataFrame([row for _, row in rows], [number for number, _ in rows], header, str)


def span(dates: pd.Series[pd.Timestamp]) -> str:
    """Return the first and last of some dates."""
    return f"{dates.iloc[0]:%Y-%m-%d} to {dates.iloc[-1]:%Y-%m-%d}"


def refuse(path: Path, cells: pd.Series[str], wrong: pd.Series[bool], what: str) -> None:
    """Raise UnusableError with the first cell that is wrong, if there is one."""
    if wrong.any():
        at = int(wrong.argmax())
        row, value = cells.index[at], str(cells.iloc[at])[:60]
        raise UnusableError(f"{path}: row {row}: {cells.name} is {value!r}, {what}")


def read_prices(path: Path, feature_columns: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """Return the checked Date, prices and feature columns of a CSV or Parquet file, its digest."""
    if not path.is_file():
        raise UnusableError(
            f"{path}: no such file. Give a CSV with Date, Open, High, Low, Close and the feature"
            " columns by --data; `hpogen demo-data sp500` writes one with real prices."
        )
    content = path.read_bytes()
    try:
        frame = read_table(path, content)
    except (ValueError, OSError, csv.Error) as error:  # pandas' and pyarrow's own are among these
        raise UnusableError(f"{path}: not a table: {ascii(str(error))[1:200]}") from None
    names = list(map(str, frame.columns))
    missing = [name for name in ("Date", *PRICES, *feature_columns) if name not in names]
    twice = [name for name in names if not name.strip() or names.count(name) > 1]
    if missing:
        raise UnusableError(f"{path}: no column {', '.join(missing)}; it has {str(names)[:200]}")
    if twice or frame.empty:
        what = f"columns without a name, or given twice: {twice}"[:200] if twice else "no rows"
        raise UnusableError(f"{path}: {what}")
    columns = {}
    for name in dict.fromkeys((*PRICES, *feature_columns)):
        values = pd.to_numeric(frame[name], errors="coerce").astype(np.float64)
        refuse(path, frame[name], ~(values.abs() < np.inf), "not a finite number")
        refuse(path, frame[name], (values <= 0) & (name in PRICES), "not above 0")
        columns[name] = values
    refuse(path, frame["High"], columns["High"] < columns["Low"], "below Low")
    text, known = frame["Date"], frame["Date"].str.fullmatch(ISO_DATE)
    dates = pd.to_datetime(text.where(known), errors="coerce", format="ISO8601")
    refuse(path, text, dates.isna(), "not a date such as 1999-01-04, without a zone")
    refuse(path, text, dates.diff() < pd.Timedelta(0), "earlier than the row before")
    refuse(path, text, dates.duplicated(), "the date of the row before")
    frame = pd.DataFrame({"Date": dates, **columns}).reset_index(drop=True)
    return frame, hashlib.sha256(content).hexdigest()


@dataclass
class Task:
    """A yes-or-no label of each day, predicted from the days up to it."""

    unit: ClassVar[str] = "epoch"
    losses: Mapping[str, Callable[..., Tensor]]
    data_path: str
    data_sha256: str | None
    data_range: Sequence[str] | None
    feature_columns: Sequence[str]
    task: str
    horizon: int
    train_fraction: float
    val_fraction: float
    train_subset: float
    train_end: str | None
    val_end: str | None
    min_val_samples: int
    min_class_samples: int
    context_length: int
    max_context_length: int
    patch_length: int
    stride: int

    def load(self, device: torch.device) -> None:
        """Read the file; keep windows of training and validation on the device."""
        frame, self.digest = read_prices(Path(self.data_path), self.feature_columns)
        about = span(frame["Date"])
        wanted = f"; expected {' to '.join(self.data_range)}" if self.data_range else ""
        check_digest(self.data_path, self.digest, self.data_sha256, about + wanted)
        n_train, n_seen = self.boundaries(frame["Date"])
        if n_seen >= len(frame):
            raise UnusableError(
                f"{self.data_path}: {about}: no row is left for the test split after VAL_END"
                f" {self.val_end}; give an earlier one"
            )
        frame = frame.iloc[:n_seen]  # from here on there is no test split
        self.dates = frame["Date"]
        days = np.arange(self.max_context_length - 1, n_train - self.horizon)
        kept = np.linspace(0, len(days) - 1, round(len(days) * self.train_subset))
        self.train_days = days[kept.astype(np.int64)]
        self.val_days = np.arange(n_train, n_seen - self.horizon)
        labels = make_labels(frame, task=self.task, horizon=self.horizon)
        self.check_sizes(labels)
        constant = [n for n in self.feature_columns if frame[n].iloc[:n_train].nunique() < 2]
        if constant:
            raise UnusableError(
                f"{self.data_path}: {', '.join(constant)} never changes in the training rows;"
                " leave it out of FEATURE_COLUMNS"
            )
        features = input_features(frame, self.feature_columns, n_train)
        self.n_channels = features.shape[1]
        table = torch.tensor(features, dtype=torch.float32, device=device)
        self.windows = table.unfold(0, self.context_length, 1)  # (rows, channels, days), a view
        self.labels = torch.tensor(labels, dtype=torch.float32, device=device)
        # A context ending on day t is window t - context_length + 1.
        self.train_index = torch.tensor(self.train_days, device=device)
        self.val_index = torch.tensor(self.val_days, device=device)
        self.train_rate = float(labels[self.train_days].mean())
        daily_range = (frame["High"] / frame["Low"]).map(np.log).ewm(span=10).mean()
        self.baseline = torch.tensor(daily_range.to_numpy(np.float64)[self.val_days])

    def shrink(self) -> dict[str, int]:
        """Keep 300 training days, for --smoke; return the parameters of a short training."""
        self.train_days, self.train_index = self.train_days[-300:], self.train_index[-300:]
        return {"epochs": 2}

    def boundaries(self, dates: pd.Series[pd.Timestamp]) -> tuple[int, int]:
        """Return the numbers of rows before validation and before test."""
        if self.train_end and self.val_end:
            train_end, val_end = pd.Timestamp(self.train_end), pd.Timestamp(self.val_end)
            return int((dates <= train_end).sum()), int((dates <= val_end).sum())
        seen = self.train_fraction + self.val_fraction
        return round(len(dates) * self.train_fraction), round(len(dates) * seen)

    def check_sizes(self, labels: NDArray[np.float64]) -> None:
        """Refuse splits that cannot tell one configuration from another."""
        least = self.min_val_samples
        for split, days in (("training", self.train_days), ("validation", self.val_days)):
            n_positive = int(labels[days].sum())
            fewest = min(n_positive, len(days) - n_positive)
            if len(days) < least or fewest < self.min_class_samples:
                raise UnusableError(
                    f"{self.data_path}: {len(days)} {split} samples with {n_positive} positives;"
                    f" at least {least} samples and {self.min_class_samples} of each class are"
                    " needed. Use more rows or other splits."
                )

    def settings(self) -> dict[str, Any]:
        """Return the constants that trials must share to be compared; not where the data are."""
        apart = ("losses", "data_path", "data_sha256", "data_range")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in apart}

    def describe(self) -> dict[str, Any]:
        """Return digest, dates, sizes, label rates, and what to beat."""
        val_labels = self.labels[self.val_index].cpu()
        return {
            "data": self.data_path,
            "data_sha256": self.digest,
            "rows": f"{span(self.dates)}, test rows left out",
            "train_days": span(self.dates.iloc[self.train_days]),
            "train_samples": len(self.train_days),
            "train_rate": self.train_rate,
            "val_days": span(self.dates.iloc[self.val_days]),
            "val_samples": len(self.val_days),
            "val_rate": float(val_labels.mean()),
            "prior_loss": log_loss(self.train_rate, val_labels),
            "one_feature_auc": auc(self.baseline, val_labels),
        }

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        """Return an untrained model."""
        model = PatchTST(
            arch,
            dropout,
            n_channels=self.n_channels,
            context_length=self.context_length,
            patch_length=self.patch_length,
            stride=self.stride,
        )
        if not model.positions.is_meta:
            model.inputs.fit(self.window(self.train_index).to(model.positions.device))
        return model

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return n windows, for measuring memory."""
        return torch.zeros(n, self.context_length, self.n_channels, device=device)

    def rounds(self, config: Config) -> list[Round]:
        """Return one round per epoch."""
        n_batches = -(-len(self.train_index) // config["batch_size"])
        return [Round(epoch, n_batches) for epoch in range(1, config["epochs"] + 1)]

    def amounts(self, config: Config) -> dict[str, int]:
        """Return how much is trained."""
        return {"epochs": config["epochs"]}

    def batches(self, config: Config, index: int, seed: int) -> list[Tensor]:
        """Return the days of an epoch in random order, cut into batches; the last is smaller."""
        del index
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.train_index), generator=generator)
        days = self.train_index[order.to(self.train_index.device)]
        return list(days.split(config["batch_size"]))

    def window(self, days: Tensor) -> Tensor:
        """Return the contexts that end on some days, (days, context, channels)."""
        return self.windows[days - self.context_length + 1].transpose(1, 2)

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return windows and labels."""
        return self.window(indices), self.labels[indices]

    def loss(self, outputs: Tensor, targets: Tensor, config: Config) -> Tensor:
        """Return the mean training loss."""
        label_loss = self.losses[config["loss"]]
        return label_loss(outputs.float(), targets, train_rate=self.train_rate, config=config)

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return the metrics on the validation days, from a model in evaluation mode."""
        logits = [model(self.window(days)) for days in self.val_index.split(micro_batch)]
        targets = self.labels[self.val_index]
        metrics = label_metrics(torch.cat(logits).float(), targets)
        return {**metrics, "prior_loss": log_loss(self.train_rate, targets.cpu())}


# --- Device: where to train, and how many samples fit in its memory at once ----------------------

BYTES_PER_PARAMETER = 16  # fp32 weights, gradients and Adam's two moments


def choose_device(name: str) -> torch.device:
    """Return the device asked for; auto takes cuda, then mps, then cpu."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    there = {"cuda": cuda, "mps": mps, "cpu": True}
    if name == "auto":
        name = next(kind for kind in there if there[kind])
    if not there[name]:
        raise UnusableError(f"--device {name}: this machine or this torch has none; use auto")
    return torch.device(name)


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return bfloat16 autocast on CUDA; elsewhere it is slower than float32 or not offered."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


def free_memory(device: torch.device) -> int:
    """Return the bytes that training may use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what an earlier trial's blocks still hold is free
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        table = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(min(int(table["MemAvailable"].split()[0]) * 1024, group_room()))
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def group_room(
    groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> float:
    """Return the bytes that the limits of a container or a job leave, infinity without any.

    What takes more is killed, not refused. Files that were read can be dropped from memory.
    https://docs.kernel.org/admin-guide/cgroup-v2.html#memory, and cgroup-v1/memory.html
    """
    room = math.inf
    for line in groups.read_text().splitlines() if groups.exists() else ():
        _, controllers, name = line.split(":", 2)
        top, limit, usage, files = root, "memory.max", "memory.current", "inactive_file"
        if "memory" in controllers.split(","):
            top, files = root / "memory", "total_inactive_file"
            limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
        elif controllers:
            continue
        group = top / name.lstrip("/")
        for folder in (group, *group.parents):
            # A container sees its own groups only; the limit may be "max".
            with suppress(OSError, ValueError, KeyError):
                known = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
                taken = int((folder / usage).read_text()) - int(known[files])
                room = min(room, int((folder / limit).read_text()) - taken)
    return max(room, 0)


def bytes_per_sample(task: Task, model: nn.Module) -> int:
    """Return what one sample keeps for the backward pass.

    A forward pass of two samples on the meta device is recorded; storages are counted once and
    the weights not at all.
    """
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    saved: dict[int, Tensor] = {}  # kept: a freed storage's address would be used again

    def record(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage()._cdata
        if address not in weights:
            saved[address] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        model(task.sample(2, torch.device("meta")))
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values()) // 2


def fitting_micro_batch(n_params: int, sample_bytes: int, free: int, batch_size: int) -> int:
    """Return the largest power of two of samples that fits, at most the batch; 0 if none."""
    room = int(free * 0.92) - BYTES_PER_PARAMETER * n_params
    fitting = room // sample_bytes
    if fitting >= batch_size:
        return batch_size
    return 1 << (fitting.bit_length() - 1) if fitting > 0 else 0


def check_count(task: Task, arch: Arch) -> nn.Module:
    """Return a model on the meta device, which takes no memory.

    Raises ValueError when it does not have the number of parameters its row says.
    """
    with torch.device("meta"):
        model = task.build_model(arch, dropout=0.1)
    count = sum(parameter.numel() for parameter in model.parameters())
    if count != arch["params"]:
        raise ValueError(f"{dict(arch)}: the model has {count:,} parameters")
    return model


def out_of_memory(error: Exception) -> bool:
    """Tell whether an error means that memory ran out, on any device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = ("out of memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in said)


# --- Gradient accumulation: micro-batches that add up to the gradient of the whole batch ---------


def accumulate(
    model: nn.Module, task: Task, batch: Tensor, *, config: Config, micro_batch: int
) -> Tensor:
    """Add the gradient of the batch's mean loss; return the loss (on the device, no sync).

    Each micro-batch is weighted by its own size, so a smaller last one counts for what it is.
    """
    total = batch.new_zeros((), dtype=next(model.parameters()).dtype)
    for indices in batch.split(micro_batch):
        inputs, targets = task.training_batch(indices)
        loss = task.loss(model(inputs), targets, config) * (len(indices) / len(batch))
        loss.backward()
        total += loss.detach()
    return total


# --- Training: one configuration, evaluated along the way ----------------------------------------


class DivergedError(Exception):
    """The loss is no longer a number."""


def make_optimizer(model: nn.Module, config: Config) -> torch.optim.AdamW:
    """Return AdamW; norms, biases, positions and input scales are not decayed."""
    named = dict(model.named_parameters())
    matrices = [n for n, p in named.items() if p.ndim > 1 and not n.endswith("positions")]
    groups = [
        {"params": [named[n] for n in matrices], "weight_decay": config["weight_decay"]},
        {"params": [p for n, p in named.items() if n not in matrices], "weight_decay": 0.0},
    ]
    betas = (config["beta1"], config["beta2"])
    return torch.optim.AdamW(groups, lr=config["learning_rate"], betas=betas)


def learning_rate(step: int, total: int, config: Config) -> float:
    """Return the rate of an optimizer step (from 0): linear warm-up, then half a cosine."""
    peak, warmup = config["learning_rate"], config["warmup_steps"]
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    done = (step - warmup) / max(total - warmup, 1)
    floor = config["min_lr_ratio"]
    return float(peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))))


def since_last_gain(values: Iterable[float], min_delta: float) -> int:
    """Return how many values, lower being better, follow the last gain above `min_delta`."""
    mark, waited = math.inf, 0
    for value in values:
        mark, waited = (value, 0) if value < mark - min_delta else (mark, waited + 1)
    return waited


class Training:
    """A model in training, which can be put away after any batch and taken up again."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device):
        self.model, self.optimizer, self.device = model, optimizer, device
        self.streams = torch if device.type == "cpu" else getattr(torch, device.type)
        self.round, self.batch = 0, 0  # the round, and how many of its batches are done
        self.losses = torch.zeros((), device=device)  # their sum

    def state(self) -> dict[str, Any]:
        """Return everything that the batches to come depend on, as tensors and numbers."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "round": self.round,
            "batch": self.batch,
            "losses": self.losses,
            "stream": self.streams.get_rng_state(),
            "device": self.device.type,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was taken; on another kind of device, dropout draws anew."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.round, self.batch = state["round"], state["batch"]
        self.losses = state["losses"].to(self.device)
        if state["device"] == self.device.type:
            self.streams.set_rng_state(state["stream"])

    def begin_round(self, seed: int) -> None:
        """Begin a round, unless it was taken up within."""
        self.model.train()
        if self.batch == 0:
            torch.manual_seed(seed)
            self.losses = torch.zeros((), device=self.device)


def train(
    task: Task,
    arch: Arch,
    config: Config,
    *,
    key: tuple[int, int],
    device: torch.device,
    micro_batch: int,
    after_batch: Callable[[Training, float], None],
    resume: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Train one configuration; yield each evaluation: the count reached, then its metrics.

    `key` (seed, trial) names its random streams. `after_batch` is given the training and the share
    that is done; `resume` is a state of it. Raises DivergedError when a loss is not finite.
    """
    torch.manual_seed(stream_seed(*key, "weights"))
    model = task.build_model(arch, config["dropout"]).to(device)
    optimizer = make_optimizer(model, config)
    training = Training(model, optimizer, device)
    if resume:
        training.restore(resume)
    rounds = task.rounds(config)
    total = sum(item.n_batches for item in rounds)
    step = sum(item.n_batches for item in rounds[: training.round]) + training.batch
    for item in rounds[training.round :]:
        batches = task.batches(config, training.round, stream_seed(*key, item.step, "batches"))
        training.begin_round(stream_seed(*key, item.step, "dropout"))
        for batch in batches[training.batch :]:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, total, config)
            optimizer.zero_grad(set_to_none=True)
            with mixed_precision(device):
                loss = accumulate(model, task, batch, config=config, micro_batch=micro_batch)
            training.losses += loss
            nn.utils.clip_grad_norm_(model.parameters(), config["clip_norm"])
            optimizer.step()
            step += 1
            training.batch += 1
            after_batch(training, step / total)
        train_loss = float(training.losses) / len(batches)
        model.eval()
        with torch.inference_mode(), mixed_precision(device):
            metrics = task.evaluate(model, micro_batch)
        for name, value in (("train_loss", train_loss), ("val_loss", metrics["val_loss"])):
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value} at {task.unit} {item.step}")
        training.round, training.batch = training.round + 1, 0
        yield {task.unit: item.step, "train_loss": train_loss, **metrics}


# --- Suggestions: what is searched, where, and which trials are pruned ---------------------------


def split(table: Table) -> tuple[str, dict[str, Any]]:
    """Return the type in a table, and the arguments."""
    return table["type"], {name: value for name, value in table.items() if name != "type"}


def make_pruner(table: Table) -> optuna.pruners.BasePruner:
    """Return the pruner, every argument written out."""
    kind, arguments = split(table)
    return getattr(optuna.pruners, kind)(**arguments)


def make_distribution(table: Table) -> BaseDistribution:
    """Return where a parameter is searched."""
    kind, arguments = split(table)
    return getattr(optuna.distributions, f"{kind.capitalize()}Distribution")(**arguments)


def space_of(experiment: Experiment) -> dict[str, Any]:
    """Return what is searched and what is not, as JSON has it."""
    distributions = {name: make_distribution(table) for name, table in experiment.searched.items()}
    space = {
        "search_space": {n: json.loads(distribution_to_json(d)) for n, d in distributions.items()},
        "conditions": dict(experiment.conditions),
        "skip_indices": list(experiment.skip_indices),
        "fixed_params": dict(experiment.fixed_params),
    }
    found: dict[str, Any] = json.loads(json.dumps(space))
    return found


def unfit(trial: FrozenTrial, experiment: Experiment) -> str:
    """Return what a trial was given that is not searched; other programs may queue anything."""
    given = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    wrong = [f"{name} is not searched" for name in trial.params.keys() - experiment.searched]
    for name in given.keys() & experiment.searched:
        wanted = make_distribution(experiment.searched[name])
        if not contains(wanted, given[name]) or trial.distributions.get(name, wanted) != wanted:
            wrong.append(f"{name}={given[name]!r} is not in {wanted}")
    return "; ".join(sorted(wrong))[:1000]


def contains(distribution: BaseDistribution, value: object) -> bool:
    """Tell whether a parameter may have a value."""
    number = isinstance(value, (int, float))
    if not number and not isinstance(distribution, CategoricalDistribution):
        return False  # Optuna takes the text of a number
    try:
        create_trial(params={"it": value}, distributions={"it": distribution}, value=0.0)
    except (ValueError, OverflowError):
        return False
    return True


def suggest(trial: Trial, experiment: Experiment) -> dict[str, Any]:
    """Return the configuration of a trial; where a condition fails, the fixed value is kept."""
    config = dict(experiment.fixed_params)
    for name, table in experiment.searched.items():
        wanted = experiment.conditions.get(name, {})
        if all(config.get(other) in values for other, values in wanted.items()):
            kind, arguments = split(table)
            value = getattr(trial, f"suggest_{kind}")(name, **arguments)
            distribution = make_distribution(table)  # a queued 0 of a float is kept as 0.0
            config[name] = distribution.to_external_repr(distribution.to_internal_repr(value))
    return config


# --- Sampler, every argument written out: Optuna's defaults change with its versions -------------


class WithinSpace(optuna.Study):
    """A study without trials that lie outside of its search space: they lack some parameters.

    What a finished trial lacks would no longer be drawn together with the others.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.whole = study  # of Hyperband: a bracket's, which shows few attributes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def _get_trials(self, *args: Any, **options: Any) -> list[FrozenTrial]:
        found = self.whole._get_trials(*args, **options)
        return [trial for trial in found if "outside_space" not in trial.user_attrs]


class KeyedSampler(optuna.samplers.BaseSampler):
    """A sampler of Optuna whose draws depend on seed, trial number and history alone.

    One seeded once repeats its first draws after a restart; here each trial, and each parameter
    drawn on its own, has a stream of its own. Raises ImportError where a package is missing.
    """

    def __init__(self, seed: int, table: Table) -> None:
        self.seed, self.table = seed, table
        self.inner(0, "check")

    def inner(self, trial_number: int, purpose: str) -> optuna.samplers.BaseSampler:
        """Return the sampler of one draw."""
        kind, arguments = split(self.table)
        seed = stream_seed(self.seed, trial_number, purpose) % 2**32
        with warnings.catch_warnings():
            # Arguments named in full are partly deprecated, partly experimental.
            warnings.simplefilter("ignore")
            return getattr(optuna.samplers, kind)(seed=seed, **arguments)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters drawn together."""
        self.together = self.inner(trial.number, "together")  # keeps what the draw below needs
        return self.together.infer_relative_search_space(WithinSpace(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw these."""
        return self.together.sample_relative(WithinSpace(study), trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """Draw one parameter on its own."""
        alone = self.inner(trial.number, f"alone:{name}")
        return alone.sample_independent(study, trial, name, distribution)


def make_sampler(experiment: Experiment) -> KeyedSampler:
    """Return the sampler of a study."""
    return KeyedSampler(experiment.seed, experiment.sampler)


# --- Results: files that are whole at every moment, written anew after each trial ----------------


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Replace a file by a new one that is already on the disk, so that neither is ever half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w+b") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replace a file by a text."""
    replace_file(path, lambda file: file.write(text.encode()))


def plain(value: object) -> Any:
    """Return a value as JSON has it: text for times, null for NaN and infinity."""
    return json.loads(json.dumps(value, default=str), parse_constant=lambda _name: None)


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON."""
    write_text(path, json.dumps(plain(value), indent=1) + "\n")


def best_of(study: optuna.Study) -> FrozenTrial | None:
    """Return the best finished trial, or None."""
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return study.best_trial if finished else None


def architecture_of(trial: Trial | FrozenTrial) -> dict[str, int]:
    """Return the architecture a trial was trained with, from its own record."""
    names = ("arch_idx", "d_model", "n_layers", "n_heads", "d_ff", "param_count")
    known = trial.user_attrs
    return {name: known[name] for name in names if name in known}


def trial_record(trial: FrozenTrial) -> dict[str, Any]:
    """Return everything the study knows of a trial."""
    return {
        "trial_number": trial.number,
        "state": trial.state.name,
        "value": trial.value,
        "params": trial.params,
        "architecture": architecture_of(trial),
        "datetime_start": trial.datetime_start,
        "datetime_complete": trial.datetime_complete,
        "duration_seconds": trial.duration and trial.duration.total_seconds(),
        "user_attrs": trial.user_attrs,
    }


def trials_csv(trials: Sequence[FrozenTrial]) -> str:
    """Return a table with the columns of Optuna's `trials_dataframe`, curves left out."""
    rows = [
        {
            "number": trial.number,
            "value": trial.value,
            "datetime_start": trial.datetime_start,
            "datetime_complete": trial.datetime_complete,
            "duration": trial.duration,
            **{f"params_{name}": value for name, value in trial.params.items()},
            **{f"user_attrs_{name}": value for name, value in trial.user_attrs.items()},
            "state": trial.state.name,
        }
        for trial in trials
    ]
    table = pd.DataFrame(rows, dtype=object)  # whole numbers stay whole beside empty cells
    columns = table.columns.drop(["state", "user_attrs_learning_curve"], errors="ignore")
    return table.to_csv(index=False, columns=[*columns, "state"])


def write_results(folder: Path, study: optuna.Study, experiment: Experiment) -> None:
    """Write the tables of the whole study; the best file only once a trial has finished."""
    trials = [trial for trial in study.trials if trial.state != TrialState.WAITING]
    about = {
        "experiment": experiment.name,
        "study_id": study.user_attrs["study_id"],
        "budget": experiment.budget,
        "horizon": experiment.horizon,
        "task": experiment.task,
        "metric": experiment.metric,
        "direction": experiment.direction,
        "n_trials": len(trials),
    }
    records = [trial_record(trial) for trial in trials]
    write_json(folder / "all_trials.json", {**about, "trials": records})
    if trials:
        write_text(folder / "trials.csv", trials_csv(trials))
    if best := best_of(study):
        states = (state for state in TrialState if state != TrialState.WAITING)
        number = Counter(trial.state for trial in trials)
        found = {
            **about,
            **{f"n_trials_{state.name.lower()}": number[state] for state in states},
            "best_trial": best.number,
            "best_value": best.value,
            "best_params": best.params,
            "architecture": architecture_of(best),
            "best_user_attrs": best.user_attrs,
            "search_space": experiment.search_space,
        }
        write_json(folder / "best_params.json", found)


# --- Checkpoint: a trial in training, kept in a file so that another run can go on with it -------
# The file ends in the SHA-256 of all before it: one that is torn or altered counts as none, and
# the trial begins anew under its number.

DIGEST_BYTES = 32
SPARING = 100  # writing may take a hundredth of the time


class Checkpoint:
    """The file of one trial; `key` says which trial, so that no other goes on with it."""

    def __init__(self, path: Path, key: str, *, minutes: float) -> None:
        self.path, self.key, self.minutes = path, key, minutes
        self.since, self.cost = time.monotonic(), 0.0

    def due(self) -> bool:
        """Tell whether it is time to write: every `minutes`, less often where writing is slow."""
        wait = max(60 * self.minutes, self.cost * SPARING) if self.minutes else 0
        return time.monotonic() - self.since >= wait

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the file; a full disk is said, and the last checkpoint stays."""
        began = time.monotonic()
        try:
            replace_file(self.path, lambda file: write_sealed(file, {**state, "key": self.key}))
        except (OSError, RuntimeError) as error:  # torch's own writer raises RuntimeError
            say(f"checkpoint not written: {error}")
        self.since = time.monotonic()
        self.cost = self.since - began

    def load(self) -> dict[str, Any] | None:
        """Return what was saved; None where there is nothing, or nothing whole, of this trial."""
        try:
            with self.path.open("rb") as file:
                if not is_sealed(file):
                    say(f"{self.path} is damaged: its trial begins anew")
                    return None
                state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
            what = str(error).partition("\n")[0][:200]
            say(f"{self.path} cannot be read ({what}): its trial begins anew")
            return None
        return state if state["key"] == self.key else None

    def written(self) -> float:
        """Return when the file was written, in seconds since 1970; 0 if there is none."""
        return self.path.stat().st_mtime if self.path.exists() else 0.0

    def remove(self) -> None:
        """Delete the file."""
        for path in (self.path, self.path.with_name(f".{self.path.name}.part")):
            path.unlink(missing_ok=True)


def digest_of(file: IO[bytes], size: int) -> bytes:
    """Return the digest of the first `size` bytes."""
    file.seek(0)
    digest = hashlib.sha256()
    while size > 0 and (block := file.read(min(size, 1 << 20))):
        digest.update(block)
        size -= len(block)
    return digest.digest()


def write_sealed(file: IO[bytes], state: Mapping[str, Any]) -> None:
    """Write a state and its digest."""
    torch.save(state, file)
    digest = digest_of(file, file.seek(0, os.SEEK_END))
    file.seek(0, os.SEEK_END)
    file.write(digest)


def is_sealed(file: IO[bytes]) -> bool:
    """Tell whether a file is whole and unaltered; leave it at its beginning."""
    size = file.seek(0, os.SEEK_END) - DIGEST_BYTES
    whole = size > 0 and digest_of(file, size) == file.read()
    file.seek(0)
    return whole


# --- Storage: where the study is kept ------------------------------------------------------------
# Commits outlive a power failure, locks die with their holder, and what goes wrong is told with
# the way out.

# What Optuna's storages raise of content that is none of theirs.
UNREADABLE = (TypeError, ValueError, LookupError)

# A server that is gone without a word would be waited for two hours, by all workers: the round is
# not over. https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
LIBPQ = {
    "connect_timeout": 30,  # seconds
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}


class StorageError(Exception):
    """The storage does not work, and went on not to; its cause says why."""


class FileLock(JournalFileOpenLock):
    """A lock that the system frees when its holder dies; Optuna's own outlive a killed process."""

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the lock; without waiting, tell whether it was free."""
        self.file = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(self.file)
            return False
        return True

    def release(self) -> None:
        """Let another have it."""
        os.close(self.file)


class DurableConnection(sqlite3.Connection):
    """A connection to SQLite whose commits a power failure does not undo."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # https://sqlite.org/pragma.html#pragma_synchronous
        self.execute("PRAGMA synchronous = EXTRA")


def file_of(url: str) -> Path | None:
    """Return the file that a storage is, if it is one."""
    match = re.fullmatch(r"(?:sqlite(?:\+\w+)?:///|journal://)([^?]+)(?:\?.*)?", url)
    return Path(match[1]).resolve() if match else None  # by links, too, it has one lock


def lock_folder(url: str) -> Path:
    """Return where the processes of this machine that share a storage keep their locks."""
    file = file_of(url)
    digest = hashlib.sha256(without_password(url).encode()).hexdigest()[:16]
    folder = Path(f"{file}.locks") if file else Path(tempfile.gettempdir(), f"hpogen-{digest}")
    folder.mkdir(exist_ok=True)
    return folder


def connect(url: str) -> BaseStorage:
    """Return the storage of a URL: sqlite, journal, grpc, or any other database."""
    scheme, _, rest = url.partition("://")
    if scheme == "journal":
        lock = FileLock(str(lock_folder(url) / "journal"))
        return open_journal(Path(rest).resolve(), lock)
    if scheme == "grpc":
        host, _, port = rest.rpartition(":")
        return optuna.storages.GrpcStorageProxy(host=host, port=int(port))
    if scheme.startswith("sqlite"):
        durable = {"factory": DurableConnection, "timeout": 60}
        return RDBStorage(url, engine_kwargs={"connect_args": durable})
    options: dict[str, Any] = {"pool_pre_ping": True}
    if scheme.startswith("postgresql") and "pg8000" not in scheme:
        options["connect_args"] = LIBPQ
    return RDBStorage(url, engine_kwargs=options)


@contextmanager
def one_commit(storage: BaseStorage) -> Iterator[None]:
    """Make all that this thread writes to a database one commit: everything stays, or nothing.

    Optuna commits each attribute on its own. A session that is bound to a connection within a
    transaction leaves the commit to whoever began that (SQLAlchemy, Joining a Session into an
    External Transaction). Other storages are written to as ever.
    """
    if not isinstance(storage, RDBStorage):
        yield
        return
    with storage.engine.connect() as connection:
        transaction = connection.begin()
        storage.scoped_session.remove()
        storage.scoped_session(bind=connection)
        try:
            yield
        finally:
            storage.scoped_session.remove()
        transaction.commit()


def open_journal(file: Path, lock: FileLock) -> JournalStorage:
    """Return a journal; one whose last line is cut short would be ruined by the next."""
    lock.acquire()
    whole = not file.exists() or file.read_bytes()[-1:] in (b"", b"\n")
    lock.release()
    if not whole:
        raise OSError("the last line is cut short")
    journal = JournalStorage(JournalFileBackend(str(file), lock_obj=lock))
    sync_folder(file.parent)
    return journal


def open_storage(url: str) -> BaseStorage:
    """Return the storage of a URL; try again, for others may be creating it at this moment."""
    for attempt in range(8):
        try:
            return connect(url)
        except ImportError:
            raise
        except Exception as error:  # each kind of storage has its own
            final = is_final(error) or "unable to open" in str(error)
            if final or not hasattr(error, "orig") or attempt == 7:
                raise StorageError from error
        time.sleep(0.05 * 2**attempt * (1 + os.getpid() % 10 / 10))  # 13 s at most in all
    raise AssertionError


def root_of(error: BaseException) -> BaseException:
    """Return what an error comes from: Optuna's own says little."""
    while error.__cause__:
        error = error.__cause__
    return error


def is_final(error: BaseException) -> bool:
    """Tell whether an error of a storage is one that waiting does not mend."""
    error = root_of(error)
    texts = ("malformed", "not a database", "Could not decode")
    return isinstance(error, UNREADABLE) or any(text in str(error) for text in texts)


def is_of_storage(error: BaseException | None) -> bool:
    """Tell whether an error comes from a storage, not from this script."""
    kinds = ("sqlalchemy", "sqlite3", "psycopg", "psycopg2", "grpc")
    if isinstance(error, UNREADABLE):
        within = traceback.extract_tb(error.__traceback__)
        return any("/optuna/storages/" in frame.filename for frame in within)
    known = (OSError, optuna.exceptions.StorageInternalError)
    return isinstance(error, known) or type(error).__module__.split(".")[0] in kinds


def trouble(url: str, log: Path, error: BaseException) -> str:
    """Return what is wrong with a storage, and the way out; nothing was overwritten."""
    file, said = file_of(url), f"{type(error).__name__}: {error}".splitlines()[0][:300]
    said = said.replace(url, without_password(url))
    if file is None:
        return f"the storage cannot be used: {said}"
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        return f"the storage {file} cannot be written: {said}"
    number = getattr(error, "errno", 0)
    if "disk is full" in said or number in (errno.ENOSPC, errno.EDQUOT):
        return f"no space is left for {file}; free some and run this again ({said})"
    if number in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
        return (
            f"{file.parent} has no working locks ({said}): give --out or --storage on a disk of"
            " this machine, or a server"
        )
    if url.startswith("journal:"):
        return (
            f"the journal {file} is damaged ({said}). This drops what is torn, after a backup,"
            f" and this script then goes on: recover-trials --repair {file}"
        )
    if is_final(error) or "no such" in said or "corrupt" in said:
        return f"the storage {file} is damaged ({said}). {way_out(url, log)}"
    return f"the storage {file} cannot be used: {said}"


def way_out(url: str, log: Path) -> str:
    """Return what to do about a storage that is damaged or altered."""
    return (
        "Move it away, rebuild the study from its log, and run this again:"
        f" recover-trials {log} --to-storage {without_password(url)}"
    )


# --- Stops: what ends a run before its total, after the batch in hand and with a checkpoint ------

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")  # the last is Slurm's warning, if asked for
SLURM_MARGIN = 120  # seconds kept for the checkpoint before Slurm ends the job


class Interrupted(BaseException):
    """The run is to end: the reason, and the code to exit with."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


def interrupt(number: int, _frame: object) -> NoReturn:
    """End at once."""
    raise Interrupted(signal.Signals(number).name, 128 + number)


def on_signals(handler: Callable[[int, object], object]) -> None:
    """Set what a signal does, but for those that are ignored (nohup ignores SIGHUP)."""
    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def end_of_job() -> float:
    """Return when Slurm ends the job that this is, in seconds since 1970; if it does."""
    told, job = os.environ.get("SLURM_JOB_END_TIME", ""), os.environ.get("SLURM_JOB_ID")
    if told.isdecimal():
        return int(told)
    if job:  # before version 23 it has to be asked
        ask = ["squeue", "--noheader", "--format=%e", f"--jobs={job}"]
        zone = {**os.environ, "SLURM_TIME_FORMAT": "standard"}
        with suppress(OSError, ValueError, subprocess.SubprocessError):
            said = subprocess.run(ask, capture_output=True, check=True, env=zone, timeout=20)
            return datetime.fromisoformat(said.stdout.decode().strip()).timestamp()
    return math.inf


def time_left(timeout_hours: float | None) -> float:
    """Return the seconds until TIMEOUT_HOURS are over, or Slurm ends the job."""
    asked = math.inf if timeout_hours is None else 3600 * timeout_hours
    return min(asked, end_of_job() - time.time() - SLURM_MARGIN)


class Stops:
    """Everything that may ask for the end.

    A guard is called with this object and returns a reason, or None; one that pauses training
    waits by `may_wait`.
    """

    def __init__(
        self,
        file: Path,
        timeout_hours: float | None,
        guards: Sequence[Callable[[Stops], str | None]],
    ) -> None:
        self.file, self.guards = file, guards
        self.end = time.monotonic() + time_left(timeout_hours)
        self.reserve = 0.0  # seconds of it that the checkpoint may take
        self.stop: Interrupted | None = None
        self.next_look = 0.0
        on_signals(self.take)

    def take(self, number: int, frame: object) -> None:
        """Take a signal: the first ends the run after its batch, the second at once."""
        if self.stop:
            interrupt(number, frame)
        self.stop = Interrupted(signal.Signals(number).name, 128 + number)
        with suppress(OSError):  # print is not for signal handlers
            os.write(2, b"\nending after the batch in hand; a second signal ends at once\n")

    def asked(self) -> Interrupted | None:
        """Return what asks for the end; files and guards are looked at once a second."""
        now = time.monotonic()
        if self.stop is None and now >= self.next_look:
            self.next_look = now + 1
            for guard in (Stops.look, *self.guards):
                with suppress(OSError):  # what cannot be looked at now is no fault of the trial
                    reason = guard(self)
                    if self.stop is None and reason:
                        self.stop = Interrupted(reason, 0)
        return self.stop

    def may_wait(self, seconds: float) -> bool:
        """Wait, if nothing asks for the end; tell whether nothing does."""
        if self.stop is None and (reason := self.look()):
            self.stop = Interrupted(reason, 0)
        if self.stop is None:
            time.sleep(seconds)
        return self.stop is None

    def wait(self, seconds: float) -> None:
        """Wait until then, or until something asks for the end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self.may_wait(min(left, 1.0)):
            pass

    def look(self) -> str | None:
        """Look at the clock and for the file STOP."""
        if time.monotonic() + self.reserve >= self.end:
            return "timeout"
        with suppress(OSError):  # such as of a disk of a network that is away
            return "STOP" if self.file.exists() else None
        return None


# --- Workers: processes that share a study on one machine, each trial owned by one of them -------
# A worker holds a file lock as long as it lives, which the system frees however it dies; whoever
# finds the lock free may go on with its trials. Where its lock cannot be seen, on another machine
# or in a container with temporary files of its own, nobody may.

MACHINE_ID = Path("/etc/machine-id")  # tells machines of one name apart
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # and one start of a machine from the next
KEPT_FRESH = 3600  # seconds; old files are cleared from folders of temporary files


def read_id(path: Path) -> str:
    """Return a digest of what a file of the system says, which is confidential; "" if none."""
    content = path.read_bytes().strip() if path.exists() else b""
    unset = content in (b"", b"uninitialized")  # an image that was never started
    return "" if unset else hashlib.sha256(content).hexdigest()[:12]


class Workers:
    """This process among those that share a study."""

    def __init__(
        self, storage: BaseStorage, study_name: str, url: str, *, take_over: bool
    ) -> None:
        del storage, study_name  # on one machine, files are enough
        self.run, self.take_over = uuid.uuid4().hex[:8], take_over
        self.folder = lock_folder(url)
        self.machine = {"host": platform.node(), "machine_id": read_id(MACHINE_ID)}
        place = self.folder.stat()
        # Locks beside a file are seen by all who see that; others only by who has this folder.
        locks = "" if file_of(url) else f"{place.st_dev}:{place.st_ino}"
        self.here = {"boot": read_id(BOOT_ID) or platform.node(), "locks": locks}
        self.alone = FileLock(str(self.folder / "round"))
        self.alive = FileLock(str(self.folder / self.run))
        self.gone: set[str] = set()  # runs whose locks were there and free
        with self.round():
            for path in self.folder.glob("*.lock"):
                self.has_ended(path.stem)  # then its file goes
            self.alive.acquire()

    @contextmanager
    def round(self) -> Iterator[None]:
        """Keep all other workers waiting: what is counted and then done stays true."""
        self.alone.acquire()
        try:
            yield
        finally:
            self.alone.release()

    def confirm(self) -> None:
        """Raise Interrupted if others may take this process for dead: its lock cannot be seen."""
        known = os.fstat(self.alive.file)
        if known.st_nlink == 0:
            raise Interrupted(f"somebody has deleted a lock in {self.folder}", 2)
        if time.time() - known.st_mtime > KEPT_FRESH:
            os.utime(self.alive.file)

    def owner(self) -> dict[str, Any]:
        """Return what a trial of this process is marked with."""
        return {**self.machine, **self.here, "run": self.run}

    def is_free(self, owner: Mapping[str, Any] | None) -> bool:
        """Tell, within a round, whether the process that owns a running trial is gone.

        Raises UnusableError where nobody can tell.
        """
        if owner is None or owner.get("run") == self.run:
            return True  # nobody could mark it, or this process could not reach the storage
        ended = self.has_ended(f"{owner.get('run')}")
        if ended is False:
            return False  # wherever it is, its lock is held
        # A lock that is not there is of a run that left, or of a folder that cannot be seen. One
        # that is there and free tells enough: a name may change while the machine runs.
        named = self.machine if ended is None else {}
        if {**named, **self.here}.items() <= owner.items():
            return True
        restarted = owner.get("boot") != self.here["boot"] and self.machine["machine_id"]
        if self.take_over or (restarted and self.machine.items() <= owner.items()):
            return True
        whose = f"run {owner.get('run')} on {owner.get('host')}"
        raise UnusableError(
            f"{whose} has a trial of this study, and from here nobody can see whether it lives. If"
            " it is gone for good, --take-over goes on with the trial. To work in several places"
            " at once takes scripts rendered --with multi-host"
        )

    def has_ended(self, run: str) -> bool | None:
        """Tell by its lock whether a process of this machine has ended; None: it has none."""
        if not re.fullmatch("[0-9a-f]{8}", run):
            return None  # another lock; nor may what a storage says lead out of the folder
        name = self.folder / run
        path, lock = name.with_suffix(".lock"), FileLock(str(name))
        if not path.exists():
            return True if run in self.gone else None
        if not lock.acquire(wait=False):
            return False
        path.unlink()
        self.gone.add(run)
        lock.release()
        return True

    def leave(self) -> None:
        """End: none of the trials is this process's any more."""
        self.folder.joinpath(f"{self.run}.lock").unlink(missing_ok=True)
        self.alive.release()


# --- Study: made once, opened by every run, refused where its trials would not compare -----------


def digest(value: object) -> str:
    """Return the SHA-256 of a value's JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def script_digest() -> str:
    """Return the SHA-256 of this script's text."""
    return hashlib.sha256(Path(sys.argv[0]).read_bytes()).hexdigest()


def open_study(
    experiment: Experiment,
    task: Task,
    storage: BaseStorage,
    arguments: Namespace,
    *,
    data_sha256: str,
    device: torch.device,
) -> optuna.Study:
    """Create or load the study; refuse one of other values, or of another search space."""
    name = experiment.study_name
    made_of: dict[str, Any] = {
        "study_name": name,
        "storage": storage,
        "sampler": make_sampler(experiment),
        "pruner": make_pruner(experiment.pruner),
    }
    # An index refuses a second study of the name, unless the disk was full when it was made.
    if name in optuna.get_all_study_names(storage):
        study = optuna.load_study(**made_of)
    else:
        direction = experiment.direction
        study = optuna.create_study(**made_of, direction=direction, load_if_exists=True)
    settings = {"metric": experiment.metric, **task.settings()}
    objective = {
        "data_sha256": data_sha256,
        "settings": json.loads(json.dumps(settings)),
        "settings_sha256": digest(settings),
    }
    space = {
        "space": space_of(experiment),
        "architectures": {describe_row(row): row["params"] for row in experiment.architectures},
        "architectures_sha256": digest(experiment.architectures),
    }
    if changed := changes(study, objective):
        raise UnusableError(
            f"study {name} has trials that would not compare with new ones; use another --out or"
            f" --storage, or undo: {listed([*changed, *changes(study, space)])}"
        )
    if (known := study.directions) != [StudyDirection[experiment.direction.upper()]]:
        raise UnusableError(
            f"study {name} was made to {' and '.join(d.name.lower() for d in known)}, but"
            f" {experiment.metric} is to {experiment.direction}; use another --storage, or make it"
            f' with direction="{experiment.direction}"'
        )
    if changed := changes(study, space):
        raise UnusableError(
            f"study {name} has another search space: {listed(changed)}. Undo that, or go on with"
            f" its trials in a new study; this one stays as it is:\n{way_on(arguments)}"
        )
    for attribute, value in {**objective, **space, **surroundings(device)}.items():
        if attribute not in study.user_attrs:
            study.set_user_attr(attribute, value)
    if "study_id" not in study.user_attrs:
        study.set_user_attr("study_id", uuid.uuid4().hex[:12])
    return study


def describe_row(row: Arch) -> str:
    """Return an architecture as text, its count apart."""
    return " ".join(f"{axis}={size}" for axis, size in row.items() if axis != "params")


def changes(study: optuna.Study, wanted: Mapping[str, Any]) -> list[str]:
    """Return how attributes of a study differ; of a digest only what its details do not show."""
    known = {name: study.user_attrs.get(name, value) for name, value in wanted.items()}
    found = differences(known, wanted)
    detailed = {line.partition(".")[0] for line in found}
    told = [line for line in found if line.partition("_sha256 was ")[0] not in detailed]
    return [line.removeprefix("space.") for line in told]


def listed(changed: list[str]) -> str:
    """Return changes for a message."""
    more = [f"and {len(changed) - 20} more"] if len(changed) > 20 else []
    return "; ".join([*changed[:20], *more])


def way_on(arguments: Namespace) -> str:
    """Return the commands that go on with a study's trials in a new one, in new places."""
    old, script = arguments.log, sys.argv[0]
    pairs = (
        (Path(f"{arguments.out}-{n}"), old.with_name(f"{old.stem}-{n}{old.suffix}"))
        for n in itertools.count(2)
    )
    out, log = next(pair for pair in pairs if not any(path.exists() for path in pair))
    url = f"sqlite:///{out / 'study.db'}"
    rebuild = ["recover-trials", str(old), "--to-storage", url, "--space-of", script]
    search = ["python", script, "--out", str(out), "--log", str(log)]
    search += ["--storage", url] if arguments.storage else []
    return f"  {shlex.join(rebuild)}\n  {shlex.join(search)}"


def surroundings(device: torch.device) -> dict[str, str]:
    """Return what a study is begun with."""
    versions = {"optuna": optuna.__version__, "torch": torch.__version__}
    return {**versions, "device": device.type, "script_sha256": script_digest()}


def remarks(study: optuna.Study, device: torch.device) -> list[str]:
    """Return what differs from the run that began the study, and may change what is found."""
    begun, here = study.user_attrs, surroundings(device)
    found = [
        f"begun with {name} {begun[name]}, gone on with {here[name]}: values may differ a little"
        for name in ("torch", "device")
        if begun[name] != here[name]
    ]
    if begun["optuna"].split(".")[0] != optuna.__version__.split(".")[0]:
        found.append(
            f"begun with Optuna {begun['optuna']}; {optuna.__version__} may suggest other"
            " parameters"
        )
    if begun["script_sha256"] != here["script_sha256"]:
        found.append(
            f"the script differs from the one that began the study: sha256"
            f" {begun['script_sha256'][:12]} then, {here['script_sha256'][:12]} now"
        )
    return found


def refuse_lost(name: str, storage: BaseStorage, url: str, out: Path, log: Path) -> None:
    """Refuse a folder with results of another study, or of one that the storage lacks."""
    results = out / "all_trials.json"
    if not results.exists():
        return
    if name not in optuna.get_all_study_names(storage):
        raise UnusableError(
            f"{results} is there, but the storage has no study {name}. Rebuild it from its log:"
            f" recover-trials {log} --to-storage {url}\nor give another --out"
        )
    attributes = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
    try:
        told = json.loads(results.read_bytes())["study_id"]
    except (ValueError, KeyError, TypeError):  # it will be written anew
        return
    if told != attributes.get("study_id"):
        raise UnusableError(f"{results} is of another study ({told}): give another --out")


def differences(old: object, new: object, name: str = "") -> list[str]:
    """Return what differs between two JSON values, each with its place."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [f"{name} was {shortened(old)}, is {shortened(new)}"]
    prefix = f"{name}." if name else ""
    return [
        line
        for key in dict.fromkeys((*old, *new))
        for line in differences(old.get(key), new.get(key), f"{prefix}{key}")
    ]


def shortened(value: object) -> str:
    """Return a value for a message."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def enqueue_extremes(study: optuna.Study, experiment: Experiment, kind: str) -> None:
    """Queue the architectures that are tried in any case, each once in the life of a study."""
    trials, space = study.get_trials(deepcopy=False), experiment.space
    known = [
        {**trial.system_attrs.get("fixed_params", {}), **trial.params, **trial.user_attrs}
        for trial in trials
    ]
    for arch_idx, ends in experiment.extreme_indices.items():
        params, attributes = space.encode(arch_idx), {"kind": kind, "extreme": ends}
        tried = {**params, "extreme": ends}.items()
        if not any(tried <= trial.items() for trial in known):
            study.enqueue_trial(params, user_attrs=attributes)


# --- Records: what a study did, in its log and its files, always from the study's own storage ----


def log_fields(
    attributes: Mapping[str, Any], params: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Return parameters and attributes under the names they have in the log, curves left out."""
    fields = {SHORT_NAMES.get(name, name): value for name, value in params.items()}
    others = dict[str, Any]()
    for name, value in attributes.items():
        free = name not in RESERVED | params.keys()
        is_field = free and re.fullmatch(r"[a-zA-Z]\w*", name, re.ASCII)
        if name != "learning_curve":
            (fields if is_field else others)[SHORT_NAMES.get(name, name)] = value
    return {**fields, OTHERS: others} if others else fields


# What the lines of a trial must have; one that another program put into the study has not.
EXPECTED = {*LOG_EVENTS["trial_start"].first, "kind", "config_id"}


def is_own(trial: Trial | FrozenTrial) -> bool:
    """Tell whether this script has begun a trial."""
    return log_fields(trial.user_attrs, trial.params).keys() >= EXPECTED


def curve_of(trial: FrozenTrial) -> Curve:
    """Return the learning curve of a trial of this script."""
    curve = trial.user_attrs.get("learning_curve")
    return curve if isinstance(curve, list) and is_own(trial) else []


def reported_in(curve: Curve, metric: str) -> dict[int, float]:
    """Return what is reported to the study of a learning curve, by the count reached."""
    return {next(iter(point.values())): point[metric] for point in curve}


class Recorder:
    """The log and the result files of one run of a study."""

    def __init__(
        self, study: optuna.Study, experiment: Experiment, arguments: Namespace, run: str
    ) -> None:
        self.study, self.experiment, self.out = study, experiment, arguments.out
        self.minutes, self.url = arguments.checkpoint_minutes, arguments.url
        self.log = TrialLog(arguments.log, study=study.user_attrs["study_id"], run=run)

    def open_run(self, **about: object) -> None:
        """Open the run in the log; write what an earlier run finished but could not write."""
        known = {name: v for name, v in asdict(self.experiment).items() if name in EXPERIMENT}
        versions = {"hpogen": self.experiment.hpogen, "python": platform.python_version()}
        found = {
            "architectures_sha256": self.study.user_attrs["architectures_sha256"],
            "settings_sha256": self.study.user_attrs["settings_sha256"],
            "script_sha256": script_digest(),
            "worker": f"{socket.gethostname()}:{os.getpid()}",
            "versions": {**versions, "torch": torch.__version__, "optuna": optuna.__version__},
        }
        self.log.write("run_start", {**known, **found, **about})
        if any(self.counts().values()):
            self.log.write("study_resumed", self.counts())
        ended = self.log.numbers(r"Trial (\d+) ended: ")
        finished = [trial for trial in self.study.trials if trial.state.is_finished()]
        if gone := sorted(ended - {trial.number for trial in finished}):
            raise self.altered(f"{self.log.path} tells the end of trial {gone[0]}, it does not")
        for trial in finished:
            if trial.number not in ended:
                self.retell(trial, curve_of(trial))
                self.publish(trial)
            else:
                self.check_file(trial)
            self.checkpoint(trial).remove()
        self.write_files()  # also before the first trial: the folder is this study's

    def trial_file(self, number: int) -> Path:
        """Return where the record of a trial is kept."""
        return self.out / "trials" / f"trial_{number:04d}.json"

    def check_file(self, trial: FrozenTrial) -> None:
        """Write a trial's file if it is not there; refuse one that says something else."""
        path, known = self.trial_file(trial.number), plain(trial_record(trial))
        try:
            told = dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            self.write_files(trial)
            return
        changed = differences(told, {name: known.get(name) for name in told})
        for step, value in reported_in(curve_of(trial), self.experiment.metric).items():
            reported = trial.intermediate_values.get(step)
            if reported != value and not math.isnan(value):
                changed.append(f"it reported {reported} at {step}, not {value}")
        if changed:
            what = f"{path} is not what the storage has: {'; '.join(changed[:9])}"
            raise self.altered(f"{what}. Or this file was, if that is said again: then delete it")

    def altered(self, what: str) -> UnusableError:
        """Return the error that a storage does not hold what was written, and the way out."""
        out, known = way_out(self.url, self.log.path), file_of(self.url)
        which = known or without_password(self.url)
        return UnusableError(f"the storage {which} was altered. {out}\n{what}")

    def checkpoint(self, trial: Trial | FrozenTrial) -> Checkpoint:
        """Return the checkpoint of a trial, which no other may take for its own."""
        study_id, config_id = self.study.user_attrs["study_id"], trial.user_attrs.get("config_id")
        path = self.out / "checkpoints" / f"trial_{trial.number:04d}.pt"
        return Checkpoint(path, f"{study_id} {config_id}", minutes=self.minutes)

    def retell(self, trial: Trial | FrozenTrial, curve: Curve) -> None:
        """Write what this log does not have of a trial: its start, the end of its curve."""
        told = self.log.numbers(rf"Trial {trial.number} \w+ (\d+): arch_idx=")
        reached = max(told, default=0)
        missing = [point for point in curve if next(iter(point.values())) > reached]
        if trial.number not in self.log.numbers(r"Trial (\d+): arch_idx="):
            self.begin(trial)
        elif missing:
            self.resumed(trial, next(iter(missing[0])), reached)
        for point in missing:
            self.evaluated(trial, point)

    def take_up(self, trial: Trial, curve: Curve, unit: str) -> None:
        """Write that a trial goes on, and from where."""
        self.retell(trial, curve)
        reached = curve[-1][unit] if curve else 0
        self.resumed(trial, unit, reached)
        where = f"goes on after {unit} {reached}" if reached else "goes on from its beginning"
        say(f"trial {trial.number}, which was begun before, {where}")

    def resumed(self, trial: Trial | FrozenTrial, unit: str, reached: int) -> None:
        """Write that what follows of a trial is told by this run."""
        arch = log_fields(architecture_of(trial))
        self.log.write("trial_resumed", {"trial": trial.number, **arch, unit: reached})

    def begin(self, trial: Trial | FrozenTrial) -> None:
        """Write the start of a trial, once its attributes are known."""
        fields = {"trial": trial.number, "datetime_start": str(trial.datetime_start)}
        if is_own(trial):
            own = log_fields(trial.user_attrs, trial.params)
            self.log.write("trial_start", {**own, **fields})

    def evaluated(self, trial: Trial | FrozenTrial, point: Mapping[str, Any]) -> None:
        """Write a point of the learning curve."""
        (unit, step), *metrics = point.items()
        arch = log_fields(architecture_of(trial))
        fields = {"trial": trial.number, "unit": unit, "step": step, **arch}
        self.log.write("evaluation", {**fields, **dict(metrics)})

    def retried(self, trial: Trial, micro_batch: int) -> None:
        """Write that memory ran out and the trial begins anew."""
        fields = {"trial": trial.number, **log_fields(architecture_of(trial))}
        self.log.write("trial_retry", {**fields, "micro_batch": micro_batch}, level="W")

    def publish(self, trial: FrozenTrial) -> None:
        """Write the end of a trial to the log and the files."""
        own = is_own(trial)
        theirs = {OTHERS: trial.user_attrs, OTHER_PARAMS: trial.params}
        fields = {
            **dict.fromkeys(LOG_EVENTS["trial_end"].first),  # another program's trial has none
            **(log_fields(trial.user_attrs, trial.params) if own else theirs),
            "trial": trial.number,
            "state": trial.state.name,
            "value": trial.value,
            "datetime_start": str(trial.datetime_start),
            "datetime_complete": str(trial.datetime_complete),
        }
        # Some samplers and pruners keep with a trial what they will need; TPE repeats parameters.
        kept = {k: v for k, v in trial.system_attrs.items() if not k.startswith("tpe:")}
        fields |= {"system_attrs": kept} if kept else {}
        if not own or "learning_curve" not in trial.user_attrs:  # another program ended it
            fields["learning_curve"] = None
        if trial.intermediate_values != reported_in(curve_of(trial), self.experiment.metric):
            fields[REPORTED] = trial.intermediate_values
        self.log.write("trial_end", fields, level="W" if "error" in trial.user_attrs else "I")
        self.log.sync()
        self.write_optuna_lines(trial)
        self.write_files(trial)

    def write_files(self, *trials: FrozenTrial) -> None:
        """Write trials' own files and the study's tables; a full disk is noted and survived."""
        try:
            for trial in trials:
                write_json(self.trial_file(trial.number), trial_record(trial))
            write_results(self.out, self.study, self.experiment)
        except OSError as problem:
            self.log.write("note", {"text": f"results not written: {problem}"}, level="W")

    def write_optuna_lines(self, trial: FrozenTrial) -> None:
        """Write the lines that Optuna would print had it called the training itself."""
        name, write = f"Trial {trial.number}", self.log.write_plain
        if trial.state == TrialState.FAIL:
            because = f"because of the following error: {trial.user_attrs.get('error')!r}."
            write(f"{name} failed with parameters: {trial.params} {because}", level="W")
            write(f"{name} failed with value None.", level="W")
        elif trial.state == TrialState.PRUNED:
            write(f"{name} pruned. ")
        elif best := best_of(self.study):
            ended = f"{name} finished with value: {trial.value} and parameters: {trial.params}."
            write(f"{ended} Best is trial {best.number} with value: {best.value}.")

    def counts(self) -> dict[str, int]:
        """Return how many trials are in each state."""
        number = Counter(trial.state for trial in self.study.get_trials(deepcopy=False))
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)
        return {name: number[state] for name, state in zip(COUNTS, states, strict=True)}

    def close_run(self, reason: str) -> None:
        """Close the run in the log, and say what was found."""
        try:
            counts, best = self.counts(), best_of(self.study)
        except Exception as error:  # the storage may be why the run ends
            self.log.write("note", {"text": f"the run ends, {reason}: {error}"}, level="W")
            return
        lead = {"best_trial": best and best.number, "best_value": best and best.value}
        self.log.write("run_end", {"reason": reason, **counts, **lead})
        say(f"{reason}: " + ", ".join(f"{n} {state}" for state, n in counts.items()))
        if best:
            say(f"best: trial {best.number}, {self.experiment.metric} {best.value}")
            say(f"  {architecture_of(best)}\n  {best.params}")
            say(f"One seed per configuration ranks noise. Results are in {self.out}")


# --- Progress: one line on a terminal, now and then a line elsewhere -----------------------------


class Progress:
    """How far the trial and the study are, and when they may end."""

    def __init__(self, n_trials: int) -> None:
        self.n_trials = n_trials
        self.spent: list[float] = []
        self.live = sys.stderr.isatty()

    def begin(self, started: int, about: str) -> None:
        """Open the `started`-th trial of the study."""
        self.left_trials = self.n_trials - started
        self.title = f"trial {started}/{self.n_trials}  {about}"
        self.since = self.shown = time.monotonic()
        self.first: float | None = None  # the share that was done before

    def update(self, share: float) -> None:
        """Take the share of the trial that is done; show it if it is time to."""
        now = time.monotonic()
        self.first = share if self.first is None else self.first
        if share > self.first and now - self.shown > (0.5 if self.live else 60.0):
            self.shown, whole = now, (now - self.since) / (share - self.first)
            left = whole * (1 - share)
            ends = f"ETA {timedelta(seconds=round(left))}, of the study {self.eta(left, whole)}"
            text = f"{self.title}  {share:4.0%}  {ends}"
            say(f"\x1b[K{text}", end="\r") if self.live else say(text)

    def eta(self, left: float, whole: float) -> timedelta:
        """Return when the study may end: as long as the mean trial for each to come."""
        mean = sum(self.spent) / len(self.spent) if self.spent else whole
        return timedelta(seconds=round(left + self.left_trials * mean))

    def end(self, text: str) -> None:
        """Close the trial with a line that stays."""
        self.spent.append(time.monotonic() - self.since)
        clear = "\x1b[K" if self.live else ""
        say(f"{clear}{self.title}  {text}  ETA of the study {self.eta(0, 0)}")


# --- Dry run: everything that can be known before training ---------------------------------------


def dry_run(task: Task, experiment: Experiment, device: torch.device) -> int:
    """Print the data, every shape and its memory; return 1 if a row is off the budget."""
    for name, value in task.describe().items():
        print(f"{name:20} {value}")
    if experiment.skip_indices:
        print(f"{'never tried':20} arch_idx {', '.join(map(str, experiment.skip_indices))}")
    free = free_memory(device)
    batch_size = experiment.fixed_params.get("batch_size", 256)
    print(f"{'device':20} {device}, {free / 1e9:.1f} GB free")
    print(f"\n{'shape':>5} {'d_model':>7} {'n_layers':>8} {'d_ff':>6} {'n_heads':>13}", end="")
    print(f" {'params':>13} {'off':>6} {'model GB':>8} {'MB/sample':>9} {'micro-batch':>11}")
    wrong, n_unfit, shapes = 0, 0, experiment.space.shapes
    for shape_idx, rows in enumerate(shapes):
        members = [experiment.architectures[arch_idx] for arch_idx in rows]
        models = [check_count(task, row) for row in members]
        row, sample_bytes = members[-1], bytes_per_sample(task, models[-1])  # most heads
        off = row["params"] / experiment.budget - 1
        wrong += abs(off) > experiment.tolerance
        micro_batch = fitting_micro_batch(row["params"], sample_bytes, free, batch_size)
        n_unfit += micro_batch == 0
        heads = ",".join(str(member["n_heads"]) for member in members)
        model_gb = row["params"] * BYTES_PER_PARAMETER / 1e9
        print(
            f"{shape_idx:5} {row['d_model']:7} {row['n_layers']:8} {row['d_ff']:6} {heads:>13}"
            f" {row['params']:13,} {off:+6.1%} {model_gb:8.2f} {sample_bytes / 1e6:9.2f}"
            f" {micro_batch or 'does not fit':>11}"
        )
    print(
        f"\n{len(experiment.architectures)} architectures, {len(shapes)} shapes: every"
        f" parameter count equals its model's; {wrong} outside ±{experiment.tolerance:.0%} of"
        f" {experiment.budget:,}; {n_unfit} shapes do not fit this machine."
    )
    print("Nothing was trained.")
    return 1 if wrong else 0


# --- A trial again: from its own record, to the same values --------------------------------------


def repeat_trial(path: Path, task: Task, experiment: Experiment, device: torch.device) -> int:
    """Train what a file trial_NNNN.json records; return 1 if an evaluation differs."""
    try:
        record = json.loads(path.read_text())
        config = {**record["user_attrs"], **record["params"]}
        key, curve = (config["seed"], record["trial_number"]), config["learning_curve"]
        names = {**{axis: axis for axis in experiment.architectures[0]}, "params": "param_count"}
        arch = {axis: int(config[name]) for axis, name in names.items()}
        micro_batch = config["micro_batch"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnusableError(f"--trial-from {path}: not the record of a trial: {error}") from None
    try:
        bytes_per_sample(task, check_count(task, arch))  # built, and passed through once
    except (ValueError, TypeError, RuntimeError) as error:
        raise UnusableError(f"--trial-from {path}: {error}") from None
    if not curve:
        raise UnusableError(f"--trial-from {path}: it has no evaluation to compare with")
    training = train(
        task,
        arch,
        config,
        key=key,
        device=device,
        micro_batch=micro_batch,
        after_batch=lambda _training, _share: None,
    )
    values = [point[experiment.metric] for point in curve]
    best = min(values, key=lambda value: experiment.sign * float(value))
    value = {"COMPLETE": best, "PRUNED": values[-1]}.get(record["state"])
    same = record["value"] == value
    try:
        for known, found in zip(curve, map(plain, training), strict=False):  # it may end early
            same &= known == found
            print(json.dumps(found), "as recorded" if known == found else f"recorded: {known}")
    except KeyError as missing:  # a loss of another script, a parameter that is not recorded
        raise UnusableError(f"--trial-from {path}: there is no {missing} here") from None
    print(f"trial {key[1]}: value {record['value']}, {'the same' if same else 'NOT the same'}")
    return 0 if same else 1


# --- Search: trials one after another, each recorded before the next begins ----------------------
# A trial whose worker died goes on under its number, from its checkpoint if there is one: what is
# found does not depend on how often a run was killed.

ANY_VALUE = {"micro_batch", "seed", "kind"}  # attributes that parameters do not settle
WRITTEN = {*ANY_VALUE, "config_id"}  # some of those that are written in one commit
OWNERS = "owners"  # attribute of the study: which process runs each trial that is running
MOST_DEATHS = 10  # processes that a trial may end in a row without getting any further
Done = TypeVar("Done")


class KilledError(Exception):
    """The trial ends its process again and again: it needs too much memory, say."""


@dataclass
class Attempt:
    """A trial in this process: its configuration, its evaluations, what an earlier run left."""

    trial: Trial
    config: Config
    checkpoint: Checkpoint
    saved: Mapping[str, Any] | None
    reported: dict[int, float]  # evaluations that the study knows
    curve: Curve = field(default_factory=list)

    def __post_init__(self) -> None:
        self.curve += self.saved["curve"] if self.saved else []
        # The last that an attempt before reported: of a pruned trial Optuna keeps the last value.
        self.before = max(self.reported, default=0)


class Fit(NamedTuple):
    """What a shape needs, and whether it fitted this machine when the run began."""

    sample_bytes: int
    fitted: bool


def measure_shapes(task: Task, experiment: Experiment, device: torch.device) -> list[Fit]:
    """Return what each shape needs, at most heads; say which do not fit."""
    found, free = [], free_memory(device)
    space = experiment.space
    for rows in space.shapes:
        trained = [arch_idx for arch_idx in rows if arch_idx in space.allowed]
        if not trained:
            found.append(Fit(0, fitted=False))
            continue
        row = experiment.architectures[trained[-1]]
        sample_bytes = bytes_per_sample(task, check_count(task, row))
        fitted = fitting_micro_batch(row["params"], sample_bytes, free, 1) > 0
        found.append(Fit(sample_bytes, fitted))
        if not fitted:
            say(
                f"warning: {dict(row)} needs {row['params'] * BYTES_PER_PARAMETER:,} bytes and"
                f" {sample_bytes:,} per sample, {free:,} are free: its trials will fail (oom)"
            )
    if not any(fit.fitted for fit in found):
        raise UnusableError("no architecture fits this machine; --dry-run shows the plan")
    return found


class Search:
    """The trials of one run."""

    def __init__(
        self,
        task: Task,
        recorder: Recorder,
        storage: BaseStorage,
        workers: Workers,
        stops: Stops,
        device: torch.device,
        fits: Sequence[Fit],
    ) -> None:
        self.task, self.recorder, self.workers, self.stops = task, recorder, workers, stops
        self.study, self.experiment = recorder.study, recorder.experiment
        self.storage = storage
        self.device, self.space = device, self.experiment.space
        self.fits = fits  # of each shape
        self.progress = Progress(self.experiment.n_trials)

    def run(self) -> int:
        """Run trials up to the total; return the exit code: 1 if none ever finished."""
        reason = "error"
        try:
            while trial := self.patiently(self.next_trial):
                self.run_trial(trial)
            reason = "trials"
        except Interrupted as stop:
            reason = stop.reason
            self.give_back()
            return stop.code
        finally:
            self.recorder.close_run(reason)
            self.workers.leave()
        return 0 if self.with_others() or best_of(self.study) else 1

    def give_back(self) -> None:
        """Leave the trial in hand to any worker, on any machine; say how to go on."""
        with suppress(Exception), self.workers.round():  # the storage may be why the run ends
            owners = self.study.user_attrs.get(OWNERS, {})
            others = {n: o for n, o in owners.items() if o and o["run"] != self.workers.run}
            self.study.set_user_attr(OWNERS, others)
        hint = f"; first remove {self.stops.file}" if self.stops.look() == "STOP" else ""
        say(f"to go on, run the same command again{hint}")

    def with_others(self) -> int:
        """Return how many trials other workers are at, and say whose they are."""
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        owners = self.study.user_attrs.get(OWNERS, {})
        for trial in running:
            owner = owners.get(f"{trial.number}") or {}
            say(
                f"trial {trial.number} is with {owner.get('host')}, run {owner.get('run')}; if"
                " that machine is gone for good, --take-over goes on with it"
            )
        return len(running)

    def patiently(self, action: Callable[[], Done]) -> Done:
        """Do what needs the storage and may be done twice; where that fails, try again, longer."""
        for seconds in (1, 4, 15, 60, 120, 240):
            try:
                return action()
            except Exception as error:
                if not is_of_storage(error):
                    raise
                if is_final(error):
                    raise StorageError from error
                if stop := self.stops.asked():
                    raise stop from error
                said = str(root_of(error)).partition("\n")[0][:200]
                say(f"storage: {said}; trying again in {seconds} s")
            self.stops.wait(seconds)
        try:
            return action()
        except Exception as error:
            raise StorageError from error

    def next_trial(self) -> Trial | None:
        """Return the trial to train: one whose worker died, else a new one; None at the total."""
        while True:
            if stop := self.stops.asked():
                raise stop
            trial, wrong = self.claim_trial()
            if trial is None or not wrong:
                return trial
            said = f"trial {trial.number} was queued, but cannot be trained: {wrong}"
            why = {"fail_reason": "space", "error": said, "learning_curve": []}
            self.finish(trial, TrialState.FAIL, why)
            say(said)

    def claim_trial(self) -> tuple[Trial | None, str]:
        """Return the next trial, and why it cannot be trained, if so.

        Its parameters and attributes are in the storage then, and whose it is.
        """
        with self.workers.round():
            trials = self.study.get_trials(deepcopy=False)
            self.started = sum(trial.state != TrialState.WAITING for trial in trials)
            running = [trial for trial in trials if trial.state == TrialState.RUNNING]
            owners = self.study.user_attrs.get(OWNERS, {})
            owners = {f"{t.number}": owners.get(f"{t.number}") for t in running}
            left = next((t for t in running if self.workers.is_free(owners[f"{t.number}"])), None)
            self.taken_up = left is not None
            self.workers.confirm()
            mark = self.workers.owner()
            if left is not None:
                trial = Trial(self.study, left._trial_id)
                mark |= self.deaths_at(left, owners[f"{left.number}"] or {})
            elif self.started < self.experiment.n_trials:
                trial = self.study.ask()
                self.started += 1
            else:
                return None, ""
            self.deaths = mark.get("deaths", 0)
            owners[f"{trial.number}"] = mark
            with one_commit(self.storage):
                self.study.set_user_attr(OWNERS, owners)
                wrong = self.describe(trial)
            return trial, wrong

    def deaths_at(self, trial: FrozenTrial, owner: Mapping[str, Any]) -> dict[str, Any]:
        """Return how far a trial is, and how many processes in a row have ended with it there."""
        reached = [len(trial.intermediate_values), self.recorder.checkpoint(trial).written()]
        same = owner.get("reached") == reached
        return {"reached": reached, "deaths": owner.get("deaths", 0) + 1 if same else 1}

    def run_trial(self, trial: Trial) -> None:
        """Train one trial, from where it was left if it was, and record its end."""
        known = self.study.get_trials(deepcopy=False)[trial.number]
        config = {**known.user_attrs, **known.params}  # what is trained is what is recorded
        checkpoint = self.recorder.checkpoint(trial)
        saved = checkpoint.load() if self.taken_up else None
        if saved and saved["seed"] != config["seed"]:
            said = f"trial {trial.number} has seed {config['seed']}, not {saved['seed']}"
            raise self.recorder.altered(said)
        attempt = Attempt(trial, config, checkpoint, saved, dict(known.intermediate_values))
        if self.taken_up:
            self.recorder.take_up(trial, saved["curve"] if saved else [], self.task.unit)
        else:
            self.recorder.begin(known)
        shape = (f"{axis}={config[axis]}" for axis in ("d_model", "n_layers", "n_heads"))
        self.progress.begin(self.started, " ".join(shape))
        before = saved["seconds"] if saved else 0.0
        since = time.monotonic() - before
        try:
            if self.deaths >= MOST_DEATHS:
                raise KilledError(f"{self.deaths} processes in a row ended with it at one place")
            state, found = self.train_trial(attempt, since)
        except StorageError:  # not the trial's fault
            raise
        except Exception as error:  # whatever else it is, it must not end the study
            state, found = TrialState.FAIL, failure(error)
        found |= {"seconds": time.monotonic() - since, "learning_curve": attempt.curve}
        ended = self.patiently(lambda: self.finish(trial, state, found))
        checkpoint.remove()
        best = best_of(self.study)
        lead = f"best {best.value:.5g} (trial {best.number})" if best else "none finished yet"
        self.progress.end(f"{state.name} {found.get('fail_reason', ended.value)}  {lead}")

    def describe(self, trial: Trial) -> str:
        """Write what is known of a trial before it is trained; check what was written before.

        Return why it cannot be trained, which is the fault of whoever queued it.
        """
        own = self.study.get_trials(deepcopy=False)[trial.number]
        known = own.user_attrs
        begun = self.taken_up and len(WRITTEN & known.keys()) > 1  # what is damaged is one name
        wrong = "" if begun else unfit(own, self.experiment)
        if not wrong:
            wanted = self.start_attributes(trial)
            wrong = strange_in(own, wanted, self.experiment, begun=begun)
            for name in [name for name in wanted if name not in known]:
                trial.set_user_attr(name, wanted[name])
        if wrong and (begun or "extreme" in (*known, known.get("kind"))):
            raise self.recorder.altered(f"trial {trial.number}: {wrong}")
        return wrong

    def start_attributes(self, trial: Trial) -> dict[str, Any]:
        """Return what is known of a trial before it is trained, besides its parameters."""
        config = suggest(trial, self.experiment)
        arch_idx = self.space.decode(config)
        row = self.experiment.architectures[arch_idx]
        trained = {name: config[name] for name in config if name not in self.space.sizes()}
        config_id = digest([dict(row), trained])[:12]
        *earlier, own = self.study.get_trials(deepcopy=False)[: trial.number + 1]
        kind = "enqueued" if is_queued(own) else "search"
        if any(other.user_attrs.get("config_id") == config_id for other in earlier):
            kind = "repeat"
        known = {
            "arch_idx": arch_idx,
            **{"param_count" if name == "params" else name: row[name] for name in row},
            **config,
            **self.task.amounts(config),
            "micro_batch": self.micro_batch(arch_idx, config["batch_size"]),
            "seed": self.experiment.seed,
            "kind": kind,
            "config_id": config_id,
        }
        return {name: value for name, value in known.items() if name not in trial.params}

    def fit_of(self, arch_idx: int) -> Fit:
        """Return what an architecture needs."""
        return self.fits[self.space.shape_of[arch_idx]]

    def micro_batch(self, arch_idx: int, most: int) -> int:
        """Return how many samples fit at once, 0 if none."""
        params = self.experiment.architectures[arch_idx]["params"]
        free = free_memory(self.device)
        return fitting_micro_batch(params, self.fit_of(arch_idx).sample_bytes, free, most)

    def train_trial(self, attempt: Attempt, since: float) -> tuple[TrialState, dict[str, Any]]:
        """Train, from the start with half the micro-batch each time memory runs out.

        The evaluations are put into the attempt's curve, so that they outlive a failure.
        """
        config, arch_idx = attempt.config, attempt.config["arch_idx"]
        most = attempt.saved["micro_batch"] if attempt.saved else config["batch_size"]
        micro_batch = self.micro_batch(arch_idx, most)
        if micro_batch == 0:
            fit = self.fit_of(arch_idx)
            said = (
                f"{config['param_count']:,} parameters and {fit.sample_bytes:,} bytes per sample,"
                f" {free_memory(self.device):,} are free"
            )
            if fit.fitted:  # others took the memory; all trials to come would fail
                raise Interrupted(f"memory: {said}", 2)
            raise MemoryError(said)
        while True:
            try:
                return self.train_once(attempt, micro_batch, since)
            except Exception as error:
                if micro_batch == 1 or not out_of_memory(error):
                    raise
            micro_batch, attempt.saved = -(-micro_batch // 2), None
            attempt.curve.clear()
            attempt.before = max(attempt.reported, default=0)
            self.recorder.retried(attempt.trial, micro_batch)
            smaller = partial(attempt.trial.set_user_attr, "micro_batch", micro_batch)
            self.patiently(smaller)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def train_once(
        self, attempt: Attempt, micro_batch: int, since: float
    ) -> tuple[TrialState, dict[str, Any]]:
        """Train with a micro-batch; return the state and the best evaluation."""
        trial, config, curve, saved = attempt.trial, attempt.config, attempt.curve, attempt.saved
        unit, metric, sign = self.task.unit, self.experiment.metric, self.experiment.sign

        def after_batch(training: Training, share: float) -> None:
            self.progress.update(share)
            stop = self.stops.asked()
            if stop or attempt.checkpoint.due():
                seconds = time.monotonic() - since
                about = {"curve": curve, "seconds": seconds, "seed": config["seed"]}
                about |= {"micro_batch": micro_batch}
                attempt.checkpoint.save({**training.state(), **about})
                self.stops.reserve = 2 * attempt.checkpoint.cost
            if stop:
                raise stop

        state, ended_by = TrialState.COMPLETE, "schedule"
        for point in train(
            self.task,
            self.experiment.architectures[config["arch_idx"]],
            config,
            key=(config["seed"], trial.number),
            device=self.device,
            micro_batch=micro_batch,
            after_batch=after_batch,
            resume=saved,
        ):
            curve.append(point)
            self.recorder.evaluated(trial, point)
            if self.patiently(lambda: self.prunes(attempt)):
                state, ended_by = TrialState.PRUNED, "pruned"
                break
            values = (sign * known[metric] for known in curve)
            if since_last_gain(values, config["min_delta"]) >= config["patience"]:
                ended_by = "early_stopping"
                break
        best = min(curve, key=lambda point: sign * float(point[metric]))
        return state, {
            **{name: value for name, value in best.items() if name != unit},
            f"best_{unit}": best[unit],
            f"{unit}s_trained": curve[-1][unit],
            "ended_by": ended_by,
            "micro_batch": micro_batch,
            "accumulation_steps": -(-config["batch_size"] // micro_batch),
        }

    def prunes(self, attempt: Attempt) -> bool:
        """Report what the study does not know yet; tell whether the trial is pruned now.

        An attempt before may have reported this evaluation, and later ones: it was not pruned
        before the last. A damaged storage may have lost or altered some that the checkpoint has.
        """
        config, reported = attempt.config, attempt.reported
        for point in attempt.curve:
            count, value = point[self.task.unit], point[self.experiment.metric]
            if count not in reported:
                attempt.trial.report(value, count)
            elif reported[count] != value:  # `report` would leave it as it is
                trial_id = attempt.trial._trial_id
                self.storage.set_trial_intermediate_value(trial_id, count, value)
                attempt.trial = Trial(self.study, trial_id)
            reported[count] = value
        prunable = max(prunable_from(self.task.rounds(config), config), attempt.before)
        spared = config["kind"] in ("extreme", "smoke") or count < prunable
        return not spared and attempt.trial.should_prune()

    def finish(self, trial: Trial, state: TrialState, found: Config) -> FrozenTrial:
        """Tell the study how a trial ended, then the log and the files."""
        value = found[self.experiment.metric] if state == TrialState.COMPLETE else None
        with self.workers.round():
            self.workers.confirm()
            ended = self.study.get_trials(deepcopy=False)[trial.number]
            if not ended.state.is_finished():  # a commit may succeed and be answered by an error
                with one_commit(self.storage):
                    for name, attribute in found.items():
                        trial.set_user_attr(name, attribute)
                    ended = self.study.tell(trial, value, state)
            self.recorder.publish(ended)
        return ended


def strange_in(
    trial: FrozenTrial, wanted: Mapping[str, Any], experiment: Experiment, *, begun: bool
) -> str:
    """Return what attributes and parameters of a trial cannot be its own; empty if all can.

    Where one is missing that was written, it may be there under an altered name.
    """
    known = trial.user_attrs
    written = {*wanted} if begun else {"kind"} if "extreme" in known else set[str]()
    both = wanted.keys() & known.keys() - ANY_VALUE
    strange = {name for name in both if known[name] != wanted[name]}
    strange |= trial.params.keys() - experiment.searched.keys()
    if written - known.keys() and not is_queued(trial):
        strange |= known.keys() - wanted.keys() - {"extreme"}
    found = {name: {**trial.params, **known}.get(name) for name in sorted(strange)}
    right = {name: wanted.get(name) for name in found}
    return f"it has {found}, not {right}" if found else ""


def is_queued(trial: FrozenTrial) -> bool:
    """Tell whether a trial was put into the queue, and not by the script."""
    return "fixed_params" in trial.system_attrs and "extreme" not in trial.user_attrs


def prunable_from(rounds: Sequence[Round], config: Config) -> float:
    """Return the count from which a trial may be pruned: a share of its own schedule.

    Not while its learning rate still warms up: others with a shorter warm-up are ahead until then.
    """
    done = itertools.accumulate(item.n_batches for item in rounds)
    warm = (item.step for item, n in zip(rounds, done, strict=True) if n > config["warmup_steps"])
    return max(config["prune_from"] * rounds[-1].step, next(warm, math.inf))


def failure(error: Exception) -> dict[str, Any]:
    """Return why a trial failed, and where."""
    told = {DivergedError: "diverged", KilledError: "killed"}
    reason = "oom" if out_of_memory(error) else told.get(type(error), "error")
    last = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "fail_reason": reason,
        "error": f"{type(error).__name__}: {error}",
        "where": f"{Path(last.filename).name}:{last.lineno} in {last.name}",
    }


# --- What the command line asks for --------------------------------------------------------------

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


# --- The constants, put together -----------------------------------------------------------------

LOSSES = {"bce": bce_loss}


def constants_of(kind: type[Any]) -> dict[str, Any]:
    """Return the constants that have the names of a dataclass's fields."""
    names = {field.name: field.name.upper() for field in fields(kind)}
    return {name: globals()[constant] for name, constant in names.items() if constant in globals()}


def make_task(data_path: str, new_data: bool = False) -> Task:
    """Return the task of the constants, on the data at a path; new data may be any."""
    task = Task(**constants_of(Task))
    task.data_path = data_path
    if new_data:
        task.data_sha256 = None
    return task


def make_experiment() -> Experiment:
    """Return the experiment of the constants."""
    return Experiment(
        **constants_of(Experiment),
        hpogen="0.1.0",
        spec_sha256="324709106459416a55f3c4ad0dd06b59bb3033a02a208aa9156b05fc7c1e560e",
    )


if __name__ == "__main__":
    sys.exit(main(ARGUMENTS, make_task(ARGUMENTS.data, ARGUMENTS.new_data), make_experiment()))
