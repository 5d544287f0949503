#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy", "optuna>=4,<6", "pandas", "torch>=2.4"]
# ///
# ruff: noqa: E402  each half imports what it uses
#:hpogen:0.2.0:48d839103438ff7fb9635ad09b63331ffbb8150d84a551e789d1c5805fd8e25b:{"name":"hpo_200M_h1","study_name":"hpo_200M_h1","task":"threshold_1pct","budget":200000000,"horizon":1,"tolerance":0.25,"n_trials":50,"n_noise":3,"n_confirm":0,"timeout_hours":null,"seed":42,"seeds":[],"storage":null,"metric":"val_loss","options":{"inputs":"scale_free","start":"linear"},"sections":[],"constants":{"data_path":"data/sp500.csv","data_sha256":null,"data_range":null,"feature_columns":["Open","High","Low","Close","Adj\u0020Close","Volume"],"train_fraction":0.7,"val_fraction":0.15,"train_subset":1.0,"train_end":null,"val_end":null,"min_val_samples":100,"min_class_samples":10,"context_length":60,"max_context_length":60,"patch_length":10,"stride":5},"architecture":{"d_model":[64,128,192,256,384,512,768,1024,1536,2048],"n_layers":[2,3,4,6,8,12,16,24,32,48,64,96,128,160,180,192,256],"n_heads":[2,4,8,16,32],"d_ff_ratio":[2,4]},"where":{},"skip":[],"max_memory_gb":null,"search":{"epochs":{"type":"categorical","choices":[50,75,100],"when":{}},"learning_rate":{"type":"float","low":0.0001,"high":0.001,"log":true,"when":{}},"weight_decay":{"type":"float","low":0.0001,"high":0.005,"log":true,"when":{}},"dropout":{"type":"float","low":0.1,"high":0.3,"log":false,"when":{}},"warmup_steps":{"type":"categorical","choices":[50,100,200,300],"when":{}}},"fixed":{"batch_size":256,"clip_norm":1.0,"beta1":0.9,"beta2":0.999,"min_lr_ratio":0.1,"patience":10,"prune_from":0.2,"min_delta":0.001,"loss":"bce"},"sampler":{"type":"tpe","n_startup_trials":10,"n_ei_candidates":24,"multivariate":true,"group":false,"constant_liar":true,"prior_weight":1.0,"consider_magic_clip":true,"consider_endpoints":false,"warn_independent_sampling":false},"pruner":{"type":"median","n_startup_trials":8,"n_warmup_steps":0,"interval_steps":1,"n_min_trials":5},"warm_start":[]}
"""Search the best 200M model for threshold_1pct, horizon 1.

Will the High reach Close + 1 % within the horizon, in trading days?

    python hpo_200M_h1.py --dry-run     check everything, train nothing
    python hpo_200M_h1.py --smoke       two trials of a few real steps
    python hpo_200M_h1.py               run, or continue, up to N_TRIALS trials
    recover-trials logs/hpo_200M_h1.log   the trial table

The experiment comes first: constants, data, model, training, search space. The machinery after it
keeps the study in its log, so that a killed run continues.
Rendered by hpogen 0.2.0 from the line #:hpogen: above; `hpogen check` renders again and compares.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

# === Constants ===================================================================================

NAME = "hpo_200M_h1"
BUDGET = 200_000_000  # parameters
TOLERANCE = 0.25  # largest relative difference from the budget
HORIZON = 1  # trading days ahead
TASK = "threshold_1pct"
METRIC = "val_loss"  # value of a trial: its best evaluation (if pruned, its last)
DIRECTION: Literal["minimize", "maximize"] = "minimize"
N_TRIALS = 50  # total over all runs of this script
N_NOISE = 3  # last trials: the best configuration again, with other seeds
N_CONFIRM = 0  # trials before those: each of the best ones once more
TIMEOUT_HOURS: float | None = None  # a run stops after this time, even during a trial
SEED = 42  # of all random streams
HPOGEN = "0.2.0 48d839103438"  # version, digest of the specification

# Data
DATA_PATH = "data/sp500.csv"  # CSV or Parquet
DATA_SHA256: str | None = None  # of that file; checked if given
# columns that the model sees
FEATURE_COLUMNS = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]

# Splits
TRAIN_FRACTION = 0.7  # of all rows, in the order of dates
VAL_FRACTION = 0.15  # the rest is test, dropped on reading
TRAIN_SUBSET = 1.0  # of the training days, evenly spread
TRAIN_END: str | None = None  # last training date, if given
VAL_END: str | None = None  # last validation date, if given
MIN_VAL_SAMPLES = 100  # refuse fewer validation or training samples
MIN_CLASS_SAMPLES = 10  # refuse fewer samples of a class

# Model
CONTEXT_LENGTH = 60  # days that the model sees
MAX_CONTEXT_LENGTH = 60  # rows up to the first label day
PATCH_LENGTH = 10  # days per patch
STRIDE = 5  # days between patches

# Search space, besides the architecture
SEARCH_SPACE: dict[str, dict[str, Any]] = {
    "epochs": {"type": "categorical", "choices": [50, 75, 100]},  # passes over the training days
    "learning_rate": {"type": "float", "low": 0.0001, "high": 0.001, "log": True},  # peak value
    # of matrices only
    "weight_decay": {"type": "float", "low": 0.0001, "high": 0.005, "log": True},
    "dropout": {"type": "float", "low": 0.1, "high": 0.3, "log": False},  # of each branch
    "warmup_steps": {"type": "categorical", "choices": [50, 100, 200, 300]},  # of linear warm-up
}
CONDITIONS: dict[str, dict[str, list[Any]]] = {}
FIXED_PARAMS: dict[str, Any] = {  # not searched
    "batch_size": 256,  # samples per optimizer step, in micro-batches
    "clip_norm": 1.0,  # largest norm of the gradient
    "beta1": 0.9,  # AdamW
    "beta2": 0.999,  # AdamW
    "min_lr_ratio": 0.1,  # last learning rate over its peak
    "patience": 10,  # evaluations without a gain before a trial stops
    "prune_from": 0.2,  # share of the schedule before pruning starts
    "min_delta": 0.001,  # smallest gain that counts for patience
    "loss": "bce",  # training loss
}

# Sampler and pruner of Optuna (steps in the unit of evaluations)
SAMPLER: dict[str, Any] = {
    "n_startup_trials": 10, "n_ei_candidates": 24, "type": "JointTPE",
}  # fmt: skip
PRUNER: dict[str, Any] = {
    "type": "MedianPruner", "n_startup_trials": 8, "n_warmup_steps": 0, "interval_steps": 1,
    "n_min_trials": 5,
}  # fmt: skip

# Architectures within the budget, deep and narrow to shallow and wide, exact params
FREE_AXES = ["n_heads"]  # do not change the parameter count
ARCHITECTURES = [
    {"d_model": 256, "n_layers": 256, "n_heads": 2, "d_ff": 1024, "params": 202200325},
    {"d_model": 256, "n_layers": 256, "n_heads": 4, "d_ff": 1024, "params": 202200325},
    {"d_model": 256, "n_layers": 256, "n_heads": 8, "d_ff": 1024, "params": 202200325},
    {"d_model": 256, "n_layers": 256, "n_heads": 16, "d_ff": 1024, "params": 202200325},
    {"d_model": 256, "n_layers": 256, "n_heads": 32, "d_ff": 1024, "params": 202200325},
    {"d_model": 256, "n_layers": 192, "n_heads": 2, "d_ff": 1024, "params": 151655685},
    {"d_model": 256, "n_layers": 192, "n_heads": 4, "d_ff": 1024, "params": 151655685},
    {"d_model": 256, "n_layers": 192, "n_heads": 8, "d_ff": 1024, "params": 151655685},
    {"d_model": 256, "n_layers": 192, "n_heads": 16, "d_ff": 1024, "params": 151655685},
    {"d_model": 256, "n_layers": 192, "n_heads": 32, "d_ff": 1024, "params": 151655685},
    {"d_model": 384, "n_layers": 192, "n_heads": 2, "d_ff": 768, "params": 227336069},
    {"d_model": 384, "n_layers": 192, "n_heads": 4, "d_ff": 768, "params": 227336069},
    {"d_model": 384, "n_layers": 192, "n_heads": 8, "d_ff": 768, "params": 227336069},
    {"d_model": 384, "n_layers": 192, "n_heads": 16, "d_ff": 768, "params": 227336069},
    {"d_model": 384, "n_layers": 192, "n_heads": 32, "d_ff": 768, "params": 227336069},
    {"d_model": 384, "n_layers": 180, "n_heads": 2, "d_ff": 768, "params": 213129605},
    {"d_model": 384, "n_layers": 180, "n_heads": 4, "d_ff": 768, "params": 213129605},
    {"d_model": 384, "n_layers": 180, "n_heads": 8, "d_ff": 768, "params": 213129605},
    {"d_model": 384, "n_layers": 180, "n_heads": 16, "d_ff": 768, "params": 213129605},
    {"d_model": 384, "n_layers": 180, "n_heads": 32, "d_ff": 768, "params": 213129605},
    {"d_model": 384, "n_layers": 160, "n_heads": 2, "d_ff": 768, "params": 189452165},
    {"d_model": 384, "n_layers": 160, "n_heads": 4, "d_ff": 768, "params": 189452165},
    {"d_model": 384, "n_layers": 160, "n_heads": 8, "d_ff": 768, "params": 189452165},
    {"d_model": 384, "n_layers": 160, "n_heads": 16, "d_ff": 768, "params": 189452165},
    {"d_model": 384, "n_layers": 160, "n_heads": 32, "d_ff": 768, "params": 189452165},
    {"d_model": 384, "n_layers": 128, "n_heads": 2, "d_ff": 768, "params": 151568261},
    {"d_model": 384, "n_layers": 128, "n_heads": 4, "d_ff": 768, "params": 151568261},
    {"d_model": 384, "n_layers": 128, "n_heads": 8, "d_ff": 768, "params": 151568261},
    {"d_model": 384, "n_layers": 128, "n_heads": 16, "d_ff": 768, "params": 151568261},
    {"d_model": 384, "n_layers": 128, "n_heads": 32, "d_ff": 768, "params": 151568261},
    {"d_model": 384, "n_layers": 128, "n_heads": 2, "d_ff": 1536, "params": 227164037},
    {"d_model": 384, "n_layers": 128, "n_heads": 4, "d_ff": 1536, "params": 227164037},
    {"d_model": 384, "n_layers": 128, "n_heads": 8, "d_ff": 1536, "params": 227164037},
    {"d_model": 384, "n_layers": 128, "n_heads": 16, "d_ff": 1536, "params": 227164037},
    {"d_model": 384, "n_layers": 128, "n_heads": 32, "d_ff": 1536, "params": 227164037},
    {"d_model": 384, "n_layers": 96, "n_heads": 2, "d_ff": 1536, "params": 170381189},
    {"d_model": 384, "n_layers": 96, "n_heads": 4, "d_ff": 1536, "params": 170381189},
    {"d_model": 384, "n_layers": 96, "n_heads": 8, "d_ff": 1536, "params": 170381189},
    {"d_model": 384, "n_layers": 96, "n_heads": 16, "d_ff": 1536, "params": 170381189},
    {"d_model": 384, "n_layers": 96, "n_heads": 32, "d_ff": 1536, "params": 170381189},
    {"d_model": 512, "n_layers": 96, "n_heads": 2, "d_ff": 1024, "params": 201910789},
    {"d_model": 512, "n_layers": 96, "n_heads": 4, "d_ff": 1024, "params": 201910789},
    {"d_model": 512, "n_layers": 96, "n_heads": 8, "d_ff": 1024, "params": 201910789},
    {"d_model": 512, "n_layers": 96, "n_heads": 16, "d_ff": 1024, "params": 201910789},
    {"d_model": 512, "n_layers": 96, "n_heads": 32, "d_ff": 1024, "params": 201910789},
    {"d_model": 512, "n_layers": 64, "n_heads": 2, "d_ff": 2048, "params": 201796101},
    {"d_model": 512, "n_layers": 64, "n_heads": 4, "d_ff": 2048, "params": 201796101},
    {"d_model": 512, "n_layers": 64, "n_heads": 8, "d_ff": 2048, "params": 201796101},
    {"d_model": 512, "n_layers": 64, "n_heads": 16, "d_ff": 2048, "params": 201796101},
    {"d_model": 512, "n_layers": 64, "n_heads": 32, "d_ff": 2048, "params": 201796101},
    {"d_model": 512, "n_layers": 48, "n_heads": 2, "d_ff": 2048, "params": 151357957},
    {"d_model": 512, "n_layers": 48, "n_heads": 4, "d_ff": 2048, "params": 151357957},
    {"d_model": 512, "n_layers": 48, "n_heads": 8, "d_ff": 2048, "params": 151357957},
    {"d_model": 512, "n_layers": 48, "n_heads": 16, "d_ff": 2048, "params": 151357957},
    {"d_model": 512, "n_layers": 48, "n_heads": 32, "d_ff": 2048, "params": 151357957},
    {"d_model": 768, "n_layers": 48, "n_heads": 2, "d_ff": 1536, "params": 226963205},
    {"d_model": 768, "n_layers": 48, "n_heads": 4, "d_ff": 1536, "params": 226963205},
    {"d_model": 768, "n_layers": 48, "n_heads": 8, "d_ff": 1536, "params": 226963205},
    {"d_model": 768, "n_layers": 48, "n_heads": 16, "d_ff": 1536, "params": 226963205},
    {"d_model": 768, "n_layers": 48, "n_heads": 32, "d_ff": 1536, "params": 226963205},
    {"d_model": 768, "n_layers": 32, "n_heads": 2, "d_ff": 1536, "params": 151330565},
    {"d_model": 768, "n_layers": 32, "n_heads": 4, "d_ff": 1536, "params": 151330565},
    {"d_model": 768, "n_layers": 32, "n_heads": 8, "d_ff": 1536, "params": 151330565},
    {"d_model": 768, "n_layers": 32, "n_heads": 16, "d_ff": 1536, "params": 151330565},
    {"d_model": 768, "n_layers": 32, "n_heads": 32, "d_ff": 1536, "params": 151330565},
    {"d_model": 768, "n_layers": 32, "n_heads": 2, "d_ff": 3072, "params": 226877189},
    {"d_model": 768, "n_layers": 32, "n_heads": 4, "d_ff": 3072, "params": 226877189},
    {"d_model": 768, "n_layers": 32, "n_heads": 8, "d_ff": 3072, "params": 226877189},
    {"d_model": 768, "n_layers": 32, "n_heads": 16, "d_ff": 3072, "params": 226877189},
    {"d_model": 768, "n_layers": 32, "n_heads": 32, "d_ff": 3072, "params": 226877189},
    {"d_model": 768, "n_layers": 24, "n_heads": 2, "d_ff": 3072, "params": 170174213},
    {"d_model": 768, "n_layers": 24, "n_heads": 4, "d_ff": 3072, "params": 170174213},
    {"d_model": 768, "n_layers": 24, "n_heads": 8, "d_ff": 3072, "params": 170174213},
    {"d_model": 768, "n_layers": 24, "n_heads": 16, "d_ff": 3072, "params": 170174213},
    {"d_model": 768, "n_layers": 24, "n_heads": 32, "d_ff": 3072, "params": 170174213},
    {"d_model": 1024, "n_layers": 24, "n_heads": 2, "d_ff": 2048, "params": 201683973},
    {"d_model": 1024, "n_layers": 24, "n_heads": 4, "d_ff": 2048, "params": 201683973},
    {"d_model": 1024, "n_layers": 24, "n_heads": 8, "d_ff": 2048, "params": 201683973},
    {"d_model": 1024, "n_layers": 24, "n_heads": 16, "d_ff": 2048, "params": 201683973},
    {"d_model": 1024, "n_layers": 24, "n_heads": 32, "d_ff": 2048, "params": 201683973},
    {"d_model": 1024, "n_layers": 16, "n_heads": 2, "d_ff": 4096, "params": 201626629},
    {"d_model": 1024, "n_layers": 16, "n_heads": 4, "d_ff": 4096, "params": 201626629},
    {"d_model": 1024, "n_layers": 16, "n_heads": 8, "d_ff": 4096, "params": 201626629},
    {"d_model": 1024, "n_layers": 16, "n_heads": 16, "d_ff": 4096, "params": 201626629},
    {"d_model": 1024, "n_layers": 16, "n_heads": 32, "d_ff": 4096, "params": 201626629},
    {"d_model": 1024, "n_layers": 12, "n_heads": 2, "d_ff": 4096, "params": 151241733},
    {"d_model": 1024, "n_layers": 12, "n_heads": 4, "d_ff": 4096, "params": 151241733},
    {"d_model": 1024, "n_layers": 12, "n_heads": 8, "d_ff": 4096, "params": 151241733},
    {"d_model": 1024, "n_layers": 12, "n_heads": 16, "d_ff": 4096, "params": 151241733},
    {"d_model": 1024, "n_layers": 12, "n_heads": 32, "d_ff": 4096, "params": 151241733},
    {"d_model": 1536, "n_layers": 12, "n_heads": 2, "d_ff": 3072, "params": 226825733},
    {"d_model": 1536, "n_layers": 12, "n_heads": 4, "d_ff": 3072, "params": 226825733},
    {"d_model": 1536, "n_layers": 12, "n_heads": 8, "d_ff": 3072, "params": 226825733},
    {"d_model": 1536, "n_layers": 12, "n_heads": 16, "d_ff": 3072, "params": 226825733},
    {"d_model": 1536, "n_layers": 12, "n_heads": 32, "d_ff": 3072, "params": 226825733},
    {"d_model": 1536, "n_layers": 8, "n_heads": 2, "d_ff": 3072, "params": 151260677},
    {"d_model": 1536, "n_layers": 8, "n_heads": 4, "d_ff": 3072, "params": 151260677},
    {"d_model": 1536, "n_layers": 8, "n_heads": 8, "d_ff": 3072, "params": 151260677},
    {"d_model": 1536, "n_layers": 8, "n_heads": 16, "d_ff": 3072, "params": 151260677},
    {"d_model": 1536, "n_layers": 8, "n_heads": 32, "d_ff": 3072, "params": 151260677},
    {"d_model": 1536, "n_layers": 8, "n_heads": 2, "d_ff": 6144, "params": 226782725},
    {"d_model": 1536, "n_layers": 8, "n_heads": 4, "d_ff": 6144, "params": 226782725},
    {"d_model": 1536, "n_layers": 8, "n_heads": 8, "d_ff": 6144, "params": 226782725},
    {"d_model": 1536, "n_layers": 8, "n_heads": 16, "d_ff": 6144, "params": 226782725},
    {"d_model": 1536, "n_layers": 8, "n_heads": 32, "d_ff": 6144, "params": 226782725},
    {"d_model": 1536, "n_layers": 6, "n_heads": 2, "d_ff": 6144, "params": 170119685},
    {"d_model": 1536, "n_layers": 6, "n_heads": 4, "d_ff": 6144, "params": 170119685},
    {"d_model": 1536, "n_layers": 6, "n_heads": 8, "d_ff": 6144, "params": 170119685},
    {"d_model": 1536, "n_layers": 6, "n_heads": 16, "d_ff": 6144, "params": 170119685},
    {"d_model": 1536, "n_layers": 6, "n_heads": 32, "d_ff": 6144, "params": 170119685},
    {"d_model": 2048, "n_layers": 6, "n_heads": 2, "d_ff": 4096, "params": 201635845},
    {"d_model": 2048, "n_layers": 6, "n_heads": 4, "d_ff": 4096, "params": 201635845},
    {"d_model": 2048, "n_layers": 6, "n_heads": 8, "d_ff": 4096, "params": 201635845},
    {"d_model": 2048, "n_layers": 6, "n_heads": 16, "d_ff": 4096, "params": 201635845},
    {"d_model": 2048, "n_layers": 6, "n_heads": 32, "d_ff": 4096, "params": 201635845},
    {"d_model": 2048, "n_layers": 4, "n_heads": 2, "d_ff": 8192, "params": 201607173},
    {"d_model": 2048, "n_layers": 4, "n_heads": 4, "d_ff": 8192, "params": 201607173},
    {"d_model": 2048, "n_layers": 4, "n_heads": 8, "d_ff": 8192, "params": 201607173},
    {"d_model": 2048, "n_layers": 4, "n_heads": 16, "d_ff": 8192, "params": 201607173},
    {"d_model": 2048, "n_layers": 4, "n_heads": 32, "d_ff": 8192, "params": 201607173},
    {"d_model": 2048, "n_layers": 3, "n_heads": 2, "d_ff": 8192, "params": 151248901},
    {"d_model": 2048, "n_layers": 3, "n_heads": 4, "d_ff": 8192, "params": 151248901},
    {"d_model": 2048, "n_layers": 3, "n_heads": 8, "d_ff": 8192, "params": 151248901},
    {"d_model": 2048, "n_layers": 3, "n_heads": 16, "d_ff": 8192, "params": 151248901},
    {"d_model": 2048, "n_layers": 3, "n_heads": 32, "d_ff": 8192, "params": 151248901},
]
EXTREME_INDICES: dict[int, str] = {  # tried first
    7: "min d_model", 112: "max d_model", 122: "min n_layers", 2: "max n_layers",
    60: "min n_heads", 64: "max n_heads",
}  # fmt: skip
SKIP_INDICES: list[int] = []  # used by no trial
WARM_START: list[dict[str, Any]] = []  # tried after the extremes

# --- Command line: read before the packages are imported, so that --help needs none of them ------


def parse_arguments(doc: str, *sections: Callable[[ArgumentParser], None]) -> Namespace:
    """Read the command line; the constants above are its defaults."""
    about, _, usage = doc.partition("\n\n")
    parser = ArgumentParser(f"{NAME}.py", description=about, epilog=usage, allow_abbrev=False)
    parser.formatter_class = RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--data", default=DATA_PATH, metavar="PATH", help="default: %(default)s")
    add("--new-data", action="store_true", help="use data other than those it was rendered for")
    add("--n-trials", default=N_TRIALS, type=int, metavar="N", help="total of all runs")
    add("--seed", default=SEED, type=int, metavar="N", help="default: %(default)s")
    add("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N, mps")
    log = Path("logs", f"{NAME}.log")
    add("--out", type=Path, metavar="DIR", help="results; default: outputs/<name of the log>")
    add("--log", default=log, type=Path, metavar="FILE", help="the study; default: %(default)s")
    add("--checkpoint-minutes", default=5.0, type=float, metavar="N", help="0: after each batch")
    add("--trial-seconds", type=float, metavar="S", help="training time of each trial")
    add("--enqueue", type=Path, metavar="FILE.json", help="configurations to try next")
    add("--history", type=Path, metavar="LOG", help="use the trials of another log, too")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="check everything, train nothing")
    mode.add_argument("--smoke", action="store_true", help="two trials of a few real steps")
    mode.add_argument("--repeat", type=int, metavar="N", help="train trial N of the log again")
    mode.add_argument("--status", action="store_true", help="print the RESULT of the log")
    for add_arguments in sections:
        add_arguments(parser)
    args = parser.parse_args()
    args.overrides = {n: str(v) for n, v in vars(args).items() if v != parser.get_default(n)}
    paths = {"data": args.data, "enqueue": args.enqueue, "history": args.history}
    missing = [f"--{n} {path}" for n, path in paths.items() if path and not Path(path).exists()]
    seconds = args.trial_seconds
    devices = ("auto", "cpu", "mps", "cuda", *(f"cuda:{index}" for index in range(64)))
    rules = {
        f"--n-trials {args.n_trials} is not a whole number above 0": 0 < args.n_trials < 1e9,
        f"--trial-seconds {seconds} is not a number above 0": seconds is None or 0 < seconds < 1e9,
        f"--device {args.device} is not auto, cpu, cuda, cuda:N or mps": args.device in devices,
        f"--log {args.log} is a folder, not a file": not args.log.is_dir(),
        f"no such file: {', '.join(missing)}": args.status or not missing,
    }
    for broken in (rule for rule, holds in rules.items() if not holds):
        parser.error(broken)
    args.out = args.out or Path("outputs", args.log.stem)
    if args.smoke:  # never among real results
        args.out = args.out.with_name(f"{args.out.name}-smoke")
        args.log = args.log.with_name(f"{args.log.stem}-smoke.log")
    if args.status:  # the log alone answers: mocks stand for the packages
        from unittest.mock import MagicMock

        sys.modules.update(dict.fromkeys(MODULES, MagicMock()))
    return args


MODULES = ["numpy", "optuna", "optuna.trial", "pandas", "torch", "torch.nn.functional"]

if __name__ == "__main__":
    ARGUMENTS = parse_arguments(__doc__)

try:
    import numpy as np
    import optuna
    import pandas as pd
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn
except ModuleNotFoundError as missing:
    install = "python -m pip install numpy optuna pandas torch"
    print(f"error: {missing.name} is not installed: {install}", file=sys.stderr)
    sys.exit(3)


# === The experiment ==============================================================================

# --- Names that all parts share ------------------------------------------------------------------

Arch = Mapping[str, int]  # a row of ARCHITECTURES
Config = Mapping[str, Any]  # every hyper-parameter of a trial, searched or fixed
OTHER_DATA = "{}: sha256 {:.12}… differs from DATA_SHA256; give that file, or add --new-data"


class UnusableError(Exception):
    """Unusable data, log or device; the message names the value and the way out."""


# --- Labels: does the High reach Close + x % within the horizon? TASK has x ----------------------


def make_labels(frame: pd.DataFrame, *, task: str, horizon: int) -> np.ndarray:
    """Return max(High[t+1 .. t+horizon]) >= Close[t] (1 + x / 100) per row t, NaN in the last."""
    percent = float(task.removeprefix("threshold_").removesuffix("pct"))
    days_ahead = pd.concat([frame["High"].shift(-day) for day in range(1, horizon + 1)], axis=1)
    reached = days_ahead.max(axis=1) >= frame["Close"] * (1 + percent / 100 - 1e-12)  # rounding
    return reached.astype(np.float64).where(days_ahead.notna().all(axis=1)).to_numpy()


# --- Transformer block: pre-norm, fused projections, scaled-dot-product attention ----------------
# Pre-norm as in Xiong et al. 2020 (arXiv:2002.04745). Weights are initialised from N(0, 0.02),
# those that write to the residual stream with 0.02 / sqrt(2 n_layers) (Radford et al. 2019), so
# that the variance does not grow with depth.


class Block(nn.Module):
    """Attention and a feed-forward layer, each added to its input."""

    def __init__(self, arch: Arch, dropout: float, *, causal: bool) -> None:
        super().__init__()
        d_model, d_ff = arch["d_model"], arch["d_ff"]
        self.n_heads, self.causal = arch["n_heads"], causal
        self.attention_norm = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.attention_out = nn.Linear(d_model, d_model)
        self.ff_norm = nn.LayerNorm(d_model)
        self.ff_in = nn.Linear(d_model, d_ff)
        self.ff_out = nn.Linear(d_ff, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, tokens, d_model) to the same shape."""
        qkv = self.qkv(self.attention_norm(x)).unflatten(2, (3, self.n_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, tokens, d_model / heads)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.dropout(self.attention_out(mixed.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.ff_out(F.gelu(self.ff_in(self.ff_norm(x)))))


def init_weights(model: nn.Module, n_layers: int) -> None:
    """Initialise the weights from the current random stream."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.ndim > 1 and not name.endswith("positions"):
            writes_residual = name.endswith(("attention_out.weight", "ff_out.weight"))
            depth = 2 * n_layers if writes_residual else 1
            nn.init.normal_(parameter, std=0.02 / math.sqrt(depth))


# --- Model: PatchTST (Nie et al. 2023, arXiv:2211.14730) with channel-mixed patches --------------


class PatchTST(nn.Module):
    """Encoder of overlapping patches of a window of daily features, with one logit as output."""

    inputs_per_channel = PATCH_LENGTH  # of each patch

    def __init__(self, arch: Arch, dropout: float, windows: Tensor) -> None:
        super().__init__()
        d_model, n_layers = arch["d_model"], arch["n_layers"]
        n_patches = (CONTEXT_LENGTH - PATCH_LENGTH) // STRIDE + 1
        self.embed = nn.Linear(self.inputs_per_channel * windows.shape[2], d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(n_patches, d_model))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(arch, dropout, causal=False) for _ in range(n_layers)))
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, 1)
        init_weights(self, n_layers)

    def patches(self, x: Tensor) -> Tensor:
        """Cut windows (batch, days, channels) into (batch, patches, inputs)."""
        rest = (x.shape[1] - PATCH_LENGTH) % STRIDE  # oldest days that no patch covers
        return x[:, rest:].unfold(1, PATCH_LENGTH, STRIDE).flatten(2)

    def forward(self, x: Tensor) -> Tensor:
        """Map windows (batch, days, channels) to logits (batch,)."""
        x = self.dropout(self.embed(self.patches(x)) + self.positions)
        return self.head(self.norm(self.blocks(x)).mean(1)).squeeze(1)


# --- Inputs: scale-free daily features, standardised on training rows ----------------------------
# Prices become log ratios to the previous close. Volume becomes its log ratio to its mean over the
# past 20 days. The daily range, ln(High / Low), is added. Other columns are unchanged. Windows are
# not normalised one by one, so the volatility stays in the inputs.


def input_features(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return the features of each row, (rows, channels); the ratios of the first row are NaN."""
    features: dict[str, pd.Series] = {}
    for column in columns:
        values = frame[column]
        if column in ("Open", "High", "Low", "Close", "Adj Close"):
            before = frame["Adj Close" if column == "Adj Close" else "Close"].shift(1)
            values = (values / before).map(np.log)
        elif column == "Volume":
            mean = values.rolling(20, min_periods=1).mean()
            values = ((values + 1) / (mean + 1)).map(np.log)
        features[column] = values
    features["range"] = (frame["High"] / frame["Low"]).map(np.log)
    return pd.DataFrame(features).to_numpy(np.float64)


def input_scale(train: np.ndarray) -> np.ndarray:
    """Return mean and standard deviation of each channel over training rows, (2, channels)."""
    return np.stack([train[1:].mean(0), train[1:].std(0) + 1e-12])


def scaled_inputs(features: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the inputs of the model, (rows, channels); ratios of the first row are 0."""
    standard = (features - scale[0]) / scale[1]
    standard[0] = np.nan_to_num(standard[0])
    return np.clip(standard, -10.0, 10.0)  # a day without volume is an extreme outlier


Model = PatchTST  # windows unchanged


# --- Metrics of a binary label, from logits; models return logits, never probabilities -----------


def auc(scores: Tensor, targets: Tensor) -> float:
    """Return the area under the ROC curve: P(positive above negative), a tie counting one half."""
    _, group, sizes = torch.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = sizes.cumsum(0) - (sizes - 1) / 2  # tied scores share their mean rank
    positive = targets > 0.5
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    above = float(mean_ranks.double()[group][positive].sum()) - n_positive * (n_positive + 1) / 2
    return above / (n_positive * n_negative)


def calibration_error(probabilities: Tensor, targets: Tensor, bins: int = 15) -> float:
    """Return the expected calibration error over equal-width bins (Guo et al. 2017)."""
    index = (probabilities * bins).long().clamp_(max=bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, index, probabilities - targets)
    return float(gaps.abs().sum()) / len(targets)


def log_loss(rate: float, targets: Tensor) -> float:
    """Return the log loss in nats of a constant predicted probability, `rate`."""
    positive = float(targets.double().mean())
    return -(positive * math.log(rate) + (1 - positive) * math.log(1 - rate))


def label_metrics(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Return all metrics of predictions; both tensors have the shape (samples,)."""
    logits, targets = logits.double().cpu(), targets.double().cpu()
    if not torch.isfinite(logits).all():
        return {"val_loss": math.nan}
    probabilities = torch.sigmoid(logits)
    predicted, positive = probabilities >= 0.5, targets > 0.5
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
        # A model that predicts one value for all samples can still have a low loss.
        "collapsed": spread < 0.2 or recall == 0.0,
    }


# --- Start features: what a threshold label depends on most, from the days up to each row --------
# The log of the usual daily range, and how far the Close is below the highest High of a week and
# of a month, in units of that range. Everything is a ratio of prices, so the scale does not
# matter.

ONE_FEATURE = "daily range"  # the first of the start features, a baseline of its own


def start_features(frame: pd.DataFrame) -> np.ndarray:
    """Return the start features, (rows, 3)."""
    usual = (frame["High"] / frame["Low"]).map(np.log).ewm(span=10).mean() + 1e-6
    features = [usual.map(np.log)]
    for days in (5, 22):
        highest = frame["High"].rolling(days, min_periods=1).max()
        features.append((highest / frame["Close"]).map(np.log) / usual)
    return np.stack(features, 1)


# --- Logistic regression: the baselines, and the start of the model ------------------------------


def fit_logistic(features: Tensor, labels: Tensor) -> Tensor:
    """Return the weights of a logistic regression on (samples, features), the bias last.

    Ten steps of Newton's method with a ridge penalty of 1 (Hastie et al. 2009, section 4.4.1).
    """
    x = torch.cat([features, torch.ones_like(features[:, :1])], 1).double()
    weights, ridge = x.new_zeros(x.shape[1]), torch.eye(x.shape[1]).to(x)
    for _ in range(10):
        p = torch.sigmoid(x @ weights)
        curvature = (x.T * (p * (1 - p))) @ x + ridge
        weights = weights + torch.linalg.solve(curvature, x.T @ (labels - p) - weights)
    return weights


# --- Start: a logistic regression on the start features of the last day --------------------------
# The model is added to it, with a head of zeros: before the first step it predicts what the
# regression predicts, and training continues from there.


class StartedModel(nn.Module):
    """The sum of a logistic regression and a model; `weights` end with the bias."""

    def __init__(self, model: nn.Module, weights: Tensor) -> None:
        super().__init__()
        self.model, self.n_features = model, len(weights) - 1
        self.start = nn.Linear(self.n_features, 1)
        with torch.no_grad():
            self.start.weight.copy_(weights[None, :-1])
            self.start.bias.copy_(weights[-1:])
        nn.init.zeros_(model.get_parameter("head.weight"))

    def forward(self, x: Tensor) -> Tensor:
        """Map windows (batch, days, channels) to logits (batch,)."""
        start = self.start(x[:, -1, -self.n_features :]).squeeze(1)
        return start + self.model(x[:, :, : -self.n_features])


# --- Loss: binary cross-entropy ------------------------------------------------------------------


def bce_loss(logits: Tensor, targets: Tensor, **_unused: Any) -> Tensor:
    """Return the mean log loss."""
    return F.binary_cross_entropy_with_logits(logits, targets)


LOSSES: dict[str, Callable[..., Any]] = {"bce": bce_loss}


# --- Data: daily rows, labels from the days ahead, contiguous splits by date ---------------------
# `Task` drops the rows of the test split after reading, so that no training can use test labels. A
# label never depends on rows of the next split. The first day with a label depends on
# MAX_CONTEXT_LENGTH, so that scripts with different context lengths use the same days.

PRICES = ("Open", "High", "Low", "Close")


def read_prices(path: Path) -> tuple[pd.DataFrame, str]:
    """Return (Date, prices and features; SHA-256) of a CSV or Parquet file.

    Raises UnusableError for the first row that is not valid.
    """
    names = list(dict.fromkeys((*PRICES, *FEATURE_COLUMNS)))
    try:
        if path.suffix == ".parquet":
            cells = pd.read_parquet(path).reset_index().astype(str)
        else:
            cells = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
        cells = cells[["Date", *names]]
    except (ValueError, KeyError, OSError) as error:  # also of pandas and pyarrow
        raise UnusableError(f"{path}: {ascii(str(error))[1:200]}") from None
    local = cells["Date"].str.replace(r"[+-]\d\d:\d\d$", "", regex=True)  # midnight in New York
    dates = pd.to_datetime(local, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
    columns = {name: pd.to_numeric(cells[name], errors="coerce") for name in names}
    prices = (*PRICES, *({"Adj Close"} & columns.keys()))
    faults = [
        ("Date", dates.isna(), "is not a date such as 1999-01-04"),
        ("Date", dates.diff() <= pd.Timedelta(0), "is not after the row before"),
        *((n, ~(v.abs() < np.inf), "is not a finite number") for n, v in columns.items()),
        *((name, columns[name] <= 0, "is not above 0") for name in prices),
        ("High", columns["High"] < columns["Low"], "is below Low"),
    ]
    for name, is_faulty, fault in faults:
        if is_faulty.any():
            index = int(is_faulty.argmax())
            cell, row = str(cells[name].iloc[index])[:60], index + 2  # the header is row 1
            raise UnusableError(f"{path}: row {row}: {name} {cell!r} {fault}")
    return pd.DataFrame({"Date": dates, **columns}), hashlib.sha256(path.read_bytes()).hexdigest()


class Task:
    """Prediction of a binary label of each day from the days up to it."""

    unit = "epoch"

    def __init__(
        self, data_path: str, data_sha256: str | None, train_fraction: float = TRAIN_FRACTION
    ) -> None:
        self.data_path, self.data_sha256 = data_path, data_sha256
        self.train_fraction = train_fraction

    def load(self, device: torch.device) -> None:
        """Read the file; move the windows and labels of training and validation to the device."""
        frame, self.digest = read_prices(Path(self.data_path))
        if self.data_sha256 not in (None, self.digest):
            raise UnusableError(OTHER_DATA.format(self.data_path, self.digest))
        n_train = round(len(frame) * self.train_fraction)
        n_seen = round(len(frame) * (self.train_fraction + VAL_FRACTION))
        if TRAIN_END and VAL_END:  # dates may have a time of day
            n_train, n_seen = (sum(frame["Date"].dt.floor("D") <= d) for d in (TRAIN_END, VAL_END))
        self.frame = frame = frame.iloc[:n_seen]  # without the test split
        days = np.arange(MAX_CONTEXT_LENGTH - 1, n_train - HORIZON)
        kept = np.linspace(0, len(days) - 1, round(len(days) * TRAIN_SUBSET)).astype(np.int64)
        labels = make_labels(frame, task=TASK, horizon=HORIZON)
        self.labels = torch.tensor(labels, dtype=torch.float32, device=device)
        self.train_days = torch.tensor(days[kept], device=device)
        self.val_days = torch.arange(n_train, n_seen - HORIZON, device=device)
        for split, index in (("training", self.train_days), ("validation", self.val_days)):
            n, n_positive = len(index), int(self.labels[index].sum())
            if n < MIN_VAL_SAMPLES or min(n_positive, n - n_positive) < MIN_CLASS_SAMPLES:
                raise UnusableError(
                    f"{self.data_path}: {n} {split} samples, {n_positive} of them positive, below"
                    f" {MIN_VAL_SAMPLES=} or {MIN_CLASS_SAMPLES=}; use more rows or another task"
                )
        self.train_rate = float(labels[days[kept]].mean())
        start = start_features(frame)[days]
        self.start_scale = np.stack([start.mean(0), start.std(0) + 1e-12])
        self.input_scale = input_scale(input_features(frame, FEATURE_COLUMNS)[:n_train])
        self.start, self.windows = self.inputs_of(frame, device)
        self.start_weights = self.fit_start(self.start)

    def inputs_of(self, frame: pd.DataFrame, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the start features (rows, features), and a window per day that has one."""
        start = (start_features(frame) - self.start_scale[0]) / self.start_scale[1]
        inputs = scaled_inputs(input_features(frame, FEATURE_COLUMNS), self.input_scale)
        self.n_inputs = inputs.shape[1]
        table = torch.tensor(np.hstack([inputs, start]), dtype=torch.float32, device=device)
        windows = table.unfold(0, CONTEXT_LENGTH, 1)  # (rows, channels, days), a view
        return torch.tensor(start, dtype=torch.float64), windows

    def fit_start(self, features: Tensor) -> Tensor:
        """Return the weights of a logistic regression on features of the training days."""
        days = self.train_days.cpu()
        return fit_logistic(features[days], self.labels.cpu()[days])

    def limit_for_smoke(self) -> dict[str, int]:
        """Keep 300 training days; return the parameters of a short training."""
        self.train_days = self.train_days[-300:]
        self.start_weights = self.fit_start(self.start)
        return {"epochs": 2}

    def describe(self) -> dict[str, Any]:
        """Return digest, dates, sizes and label rates."""
        about: dict[str, Any] = {"data": self.data_path, "data_sha256": self.digest}
        for split, days in (("train", self.train_days), ("val", self.val_days)):
            first, last = (self.frame["Date"][int(days[end])].date() for end in (0, -1))
            about[f"{split}_days"] = f"{first} to {last}"
            about[f"{split}_samples"] = len(days)
            about[f"{split}_rate"] = float(self.labels[days].double().mean())
        return about

    def baselines(self) -> dict[str, dict[str, float]]:
        """Return the baselines: the training rate, and logistic regressions on start features."""
        days = self.val_days.cpu()
        labels = self.labels.cpu()[days]
        baselines = {"class prior": {"val_loss": log_loss(self.train_rate, labels)}}
        for name, features in ((ONE_FEATURE, self.start[:, :1]), ("linear start", self.start)):
            weights = self.fit_start(features)
            metrics = label_metrics(features[days] @ weights[:-1] + weights[-1], labels)
            baselines[name] = {metric: metrics[metric] for metric in ("val_loss", "auc")}
        return baselines

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        windows = self.training_batch(self.train_days)[0][:, :, : self.n_inputs]
        return StartedModel(Model(arch, dropout, windows), self.start_weights)

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return n windows of zeros, for the measurement of memory."""
        return torch.zeros(n, CONTEXT_LENGTH, self.windows.shape[1], device=device)

    def intervals(self, config: Config) -> Iterator[tuple[int, int]]:
        """Yield each epoch from 1, and its number of batches."""
        n_batches = math.ceil(len(self.train_days) / config["batch_size"])
        return ((epoch + 1, n_batches) for epoch in range(config["epochs"]))

    def training_length(self, config: Config) -> dict[str, int]:
        return {"epochs": config["epochs"]}

    def batches(self, config: Config, _n_batches: int, seed: int) -> list[Tensor]:
        """Return the days of an epoch in random order, cut into batches; the last is smaller."""
        days, generator = self.train_days, torch.Generator().manual_seed(seed)
        order = torch.randperm(len(days), generator=generator)
        return list(days[order.to(days.device)].split(config["batch_size"]))

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return the windows that end on days, (days, context, channels), and their labels."""
        return self.windows[indices - CONTEXT_LENGTH + 1].transpose(1, 2), self.labels[indices]

    def loss(self, outputs: Tensor, targets: Tensor, config: Config) -> Tensor:
        label_loss = LOSSES[config["loss"]]
        return label_loss(outputs.float(), targets, train_rate=self.train_rate, config=config)

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return the metrics on the validation days, from a model in evaluation mode."""
        batches = map(self.training_batch, self.val_days.split(micro_batch))
        logits = torch.cat([model(windows) for windows, _ in batches])
        targets = self.labels[self.val_days]
        prior_loss = log_loss(self.train_rate, targets.cpu())
        return {**label_metrics(logits.float(), targets), "prior_loss": prior_loss}


# --- Gradient accumulation: the gradients of micro-batches add up to the batch gradient ----------


def accumulate(model: nn.Module, task: Task, batch: Tensor, config: Config, size: int) -> Tensor:
    """Add the gradient of the mean loss in micro-batches of `size`; return the loss, unsynced."""
    total = batch.new_zeros((), dtype=next(model.parameters()).dtype)
    for indices in batch.split(size):
        inputs, targets = task.training_batch(indices)
        share = len(indices) / len(batch)  # the last micro-batch may be smaller
        loss = share * task.loss(model(inputs), targets, config)
        loss.backward()
        total += loss.detach()
    return total


# --- Optimizer: AdamW with linear warm-up and half a cosine --------------------------------------


def make_optimizer(groups: list[dict[str, Any]], config: Config) -> torch.optim.Optimizer:
    """Return the optimizer of parameter groups; each step gets its own learning rate."""
    return torch.optim.AdamW(groups, betas=(config["beta1"], config["beta2"]), weight_decay=0.0)


def learning_rate(step: int, total: float, config: Config) -> float:
    """Return the learning rate of a step, counted from 0: linear warm-up, then half a cosine."""
    peak, warmup, floor = config["learning_rate"], config["warmup_steps"], config["min_lr_ratio"]
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    done = min((step - warmup) / max(total - warmup, 1), 1)
    return float(peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))))


# --- Training of one configuration, with evaluations ---------------------------------------------
# Random streams are keyed by (seed, trial, interval, purpose), so that a resumed or repeated trial
# draws the same numbers.


class DivergedError(Exception):
    """The loss is not finite."""


def stream_seed(seed: int, *key: int | str) -> int:
    """Return the seed (63 bits) of the random stream of a key."""
    digest = hashlib.blake2b(repr((seed, *key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def stops_early(values: Iterable[float], config: Config) -> bool:
    """Return whether `patience` values in a row brought no decrease by more than `min_delta`."""
    best, n_since = math.inf, 0
    for value in values:
        best, n_since = (value, 0) if value < best - config["min_delta"] else (best, n_since + 1)
    return bool(n_since >= config["patience"])


COUNTERS = ("interval", "batch", "step", "samples", "seconds", "losses")


class Training:
    """State of a training, which can be saved after each batch; `key` is (seed, trial)."""

    def __init__(
        self, task: Task, arch: Arch, config: Config, key: tuple[int, int], device: torch.device
    ) -> None:
        self.task, self.config, self.key, self.device = task, config, key, device
        torch.manual_seed(stream_seed(*key, "weights"))
        self.model = task.build_model(arch, config["dropout"]).to(device)
        named = list(self.model.named_parameters())
        matrices = [p for name, p in named if p.ndim > 1 and not name.endswith("positions")]
        others = [p for name, p in named if p.ndim < 2 or name.endswith("positions")]  # no decay
        groups = [{"params": matrices, "weight_decay": config["weight_decay"]}, {"params": others}]
        self.optimizer = make_optimizer(groups, config)
        kind = "cuda" if device.type == "cuda" else "cpu"  # bfloat16 is slower on others
        self.autocast = torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")
        self.streams = torch if device.type == "cpu" else getattr(torch, device.type)
        self.interval, self.batch, self.step = 0, 0, 0  # numbers of each that are finished
        self.samples, self.seconds = 0, 0.0  # of training, without evaluations
        self.losses = torch.zeros((), device=device)  # sum over the interval

    def state(self) -> dict[str, Any]:
        """Return everything that later batches depend on, as tensors and numbers."""
        return {
            **{name: getattr(self, name) for name in COUNTERS},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "stream": self.streams.get_rng_state(),
            "device": self.device.type,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Load a state; on another type of device, dropout draws other numbers than before."""
        for name in COUNTERS:
            setattr(self, name, state[name])
        self.losses = self.losses.to(self.device)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["device"] == self.device.type:
            self.streams.set_rng_state(state["stream"])

    def learn(self, batch: Tensor, rate: float, micro_batch: int) -> None:
        """Take one optimizer step."""
        began = time.monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        with self.autocast:
            self.losses += accumulate(self.model, self.task, batch, self.config, micro_batch)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config["clip_norm"])
        self.optimizer.step()
        self.batch, self.step = self.batch + 1, self.step + 1
        self.samples += len(batch)
        self.seconds += time.monotonic() - began

    def evaluate(self, end: int, micro_batch: int) -> dict[str, Any]:
        """End an interval; return its epoch or step and the metrics. Raises DivergedError."""
        began = time.monotonic()
        train_loss = float(self.losses) / self.batch  # waits until the device is done
        self.seconds += time.monotonic() - began
        self.model.eval()
        with torch.inference_mode(), self.autocast:
            metrics = self.task.evaluate(self.model, micro_batch)
        point = {"train_loss": train_loss, **metrics}
        for name in ("train_loss", "val_loss"):
            if not math.isfinite(point[name]):
                raise DivergedError(f"{name} is {point[name]} at {self.task.unit} {end}")
        self.interval, self.batch = self.interval + 1, 0
        return {self.task.unit: end, **point}


def train(
    training: Training,
    *,
    micro_batch: int,
    after_batch: Callable[[float], None],
    trial_seconds: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Train to the end, or for `trial_seconds`, and yield each evaluation.

    `after_batch` is called with the finished share of the training, from 0 to 1.
    """
    task, config, share = training.task, dict(training.config), 0.0
    total: float = sum(n_batches for _, n_batches in task.intervals(config))
    if trial_seconds:  # below, `total` follows from the speed so far
        config |= {"epochs": sys.maxsize, "steps": sys.maxsize}
    for end, n_batches in itertools.islice(task.intervals(config), training.interval, None):
        if training.batch == 0:
            torch.manual_seed(stream_seed(*training.key, end, "dropout"))
            training.losses = torch.zeros((), device=training.device)
        training.model.train()
        seed = stream_seed(*training.key, end, "batches")
        for batch in task.batches(config, n_batches, seed)[training.batch :]:
            if trial_seconds and training.seconds:
                total = training.step * trial_seconds / training.seconds
            training.learn(batch, learning_rate(training.step, total, config), micro_batch)
            share = training.seconds / trial_seconds if trial_seconds else training.step / total
            after_batch(share)
            if share >= 1:
                break
        yield training.evaluate(end, micro_batch)
        if share >= 1:
            return


# --- Architecture space: ARCHITECTURES as parameters that the sampler draws ----------------------
# Rows that differ only in FREE_AXES have one shape. The sampler draws `shape_idx`, from deep and
# narrow to shallow and wide, and an index per free axis, so that similar architectures have
# neighbouring indices. A shape may lack a value of a free axis: only divisors of d_model are
# heads.


class ArchSpace:
    """The two-way map between rows of ARCHITECTURES and search parameters."""

    def __init__(self, rows: Sequence[Arch], free_axes: Sequence[str], skip: Sequence[int]):
        self.rows = rows
        self.choices = {axis: sorted({row[axis] for row in rows}) for axis in free_axes}
        shapes: dict[tuple[int, ...], list[int]] = {}
        for arch_idx, row in enumerate(rows):
            shape = tuple(value for axis, value in row.items() if axis not in free_axes)
            shapes.setdefault(shape, []).append(arch_idx)
        self.shapes = list(shapes.values())
        self.shape_of = {row: shape for shape, rows in enumerate(self.shapes) for row in rows}
        self.allowed = [row for row in self.shape_of if row not in skip]

    def sizes(self) -> dict[str, int]:
        """Return {search parameter: number of values}; the values are integers from 0."""
        free = {f"{axis}_idx": len(sizes) for axis, sizes in self.choices.items()}
        return {"shape_idx": len(self.shapes), **free}

    def encode(self, arch_idx: int) -> dict[str, int]:
        """Return the search parameters of a row."""
        row = self.rows[arch_idx]
        free = {f"{axis}_idx": sizes.index(row[axis]) for axis, sizes in self.choices.items()}
        return {"shape_idx": self.shape_of[arch_idx], **free}

    def decode(self, params: Mapping[str, int]) -> int:
        """Return the index of the allowed row that is nearest by shape, then by its free axes."""

        def distance(arch_idx: int) -> tuple[int, float]:
            row, gap = self.rows[arch_idx], 0.0
            for axis, sizes in self.choices.items():
                gap += abs(math.log2(row[axis] / sizes[params[f"{axis}_idx"]]))
            return abs(self.shape_of[arch_idx] - params["shape_idx"]), gap

        return min(self.allowed, key=distance)


# --- Search space: the architecture and SEARCH_SPACE, and the configuration of a trial -----------

SPACE = ArchSpace(ARCHITECTURES, FREE_AXES, SKIP_INDICES)


def searched() -> dict[str, dict[str, Any]]:
    """Return every searched parameter: shape and free axes, then SEARCH_SPACE."""
    sizes = SPACE.sizes().items()
    return {**{n: {"type": "int", "low": 0, "high": k - 1} for n, k in sizes}, **SEARCH_SPACE}


def split_type(table: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return (type, arguments) of a search entry, a sampler or a pruner."""
    return table["type"], {name: value for name, value in table.items() if name != "type"}


def distributions() -> dict[str, optuna.distributions.BaseDistribution]:
    """Return Optuna's distribution of each searched parameter."""
    by_name = {}
    for name, table in searched().items():
        kind, arguments = split_type(table)
        distribution = getattr(optuna.distributions, f"{kind.capitalize()}Distribution")
        by_name[name] = distribution(**arguments)
    return by_name


def is_searched(name: str, config: Config) -> bool:
    """Return whether the condition of a parameter holds for the values in `config`."""
    return all(config.get(other) in values for other, values in CONDITIONS.get(name, {}).items())


def searched_params(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the searched parameters among the attributes of a trial."""
    return {n: attributes[n] for n in searched() if n in attributes and is_searched(n, attributes)}


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    """Return the configuration of a trial; a parameter whose condition fails is fixed."""
    config = dict(FIXED_PARAMS)
    for name, table in searched().items():
        if is_searched(name, config):
            kind, arguments = split_type(table)
            config[name] = getattr(trial, f"suggest_{kind}")(name, **arguments)
    return config


# === The machinery ===============================================================================

import ast
import errno
import fcntl
import io
import json
import os
import platform
import re
import resource
import signal
import traceback
import uuid
import zipfile
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import fmean, median, stdev
from typing import IO, BinaryIO, NamedTuple

from optuna.trial import FrozenTrial, TrialState

# --- Trial log: one table defines every line, for the writer and for every reader ----------------
# A line is `[I 2026-11-21 10:15:00,123] HEAD: field=value, ... ;1a2b3c4d`. Floats have full
# precision, text is JSON, and the line ends in the CRC-32 of everything before it: a line that was
# cut, mixed or altered is refused, never misread.

LOG_VERSION = 2
IDENTITY = ("study", "run")
ARCHITECTURE = ("arch_idx", "d_model", "n_layers", "n_heads", "param_count", "d_ff")
STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL", "running": "RUNNING"}
# The head of each kind of line, and the fields that it always has; IDENTITY ends the line.
SAME = " ".join(ARCHITECTURE)
START = "learning_rate epochs batch_size d_ff kind config_id datetime_start"
RESULT = "state value learning_curve"
LOG_EVENTS = {
    "run_start": ("Run {run} started", "name task horizon budget"),
    "enqueued": ("Run {run} enqueued", "enqueued_id trial_params"),
    "history": ("Run {run} history", f"from_study from_trial trial_params {RESULT}"),
    "trial_start": ("Trial {trial}", f"{SAME.removesuffix(' d_ff')} {START}"),
    "evaluation": ("Trial {trial} {unit} {step}", SAME),
    "trial_resumed": ("Trial {trial} resumed", f"{SAME} learning_curve"),
    "trial_end": ("Trial {trial} ended", f"{SAME} {RESULT} datetime_start datetime_complete"),
    "test_opened": ("Run {run} opened test", "evaluation_number"),
    "test_result": ("Run {run} tested", "evaluation_number verdict comparisons results"),
    "run_end": ("Run {run} ended", f"reason {' '.join(STATES)} best_trial best_value"),
}
FIELDS = {event: (*names.split(), *IDENTITY) for event, (_, names) in LOG_EVENTS.items()}
# Names in the log, for regular expressions that exist; everywhere else the names on the left.
SHORT_NAMES = {"param_count": "params", "learning_rate": "lr"}
LONG_NAMES = {short: name for name, short in SHORT_NAMES.items()}
STAMP = re.compile(rb"\[[A-Z] \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] ")
HEAD_FIELDS = {"run": r"\w+", "trial": r"\d+", "unit": r"[a-z]+", "step": r"\d+"}
HEADS = {
    event: re.compile(re.sub(r"{(\w+)}", lambda m: f"(?P<{m[1]}>{HEAD_FIELDS[m[1]]})", head))
    for event, (head, _) in LOG_EVENTS.items()
}
# A number is matched with its name; every other value is JSON, and begins behind the match.
FIELD = re.compile(r"(?:, )?([^\s=]+)=(-?(?:\d|inf|nan)[^\s,]*(?:,\d{3})*(?=, |$))?")
DECODER = json.JSONDecoder()


def format_value(name: str, value: object) -> str:
    """Return one value as text that cannot end its line or imitate the start of another."""
    if name == "param_count":
        return f"{value:,}"
    return re.sub(r"\[(?=[A-Z] )", r"\\u005b", json.dumps(value))


def format_event(
    event: str, fields: Mapping[str, object], *, time: datetime, level: str = "I"
) -> str:
    """Return the line of an event, without newline. Raises KeyError for a missing field."""
    known = {*FIELDS[event], *HEADS[event].groupindex}
    others = (name for name in fields if name not in known)
    names = (*FIELDS[event][:-2], *others, *IDENTITY)
    short = ((SHORT_NAMES.get(name, name), name) for name in names)
    values = ", ".join(f"{text}={format_value(name, fields[name])}" for text, name in short)
    stamp = time.isoformat(" ", "milliseconds").replace(".", ",")
    line = f"[{level} {stamp}] {LOG_EVENTS[event][0].format_map(fields)}: {values}"
    return f"{line} ;{zlib.crc32(line.encode()):08x}"


def read_fields(text: str) -> dict[str, Any]:
    """Return the fields of a line. Raises ValueError for text that is not fields to its end."""
    fields: dict[str, Any] = {}
    position = 0
    while position < len(text):
        field = FIELD.match(text, position)
        if field is None:
            raise ValueError(text[position:])
        name, number = LONG_NAMES.get(field[1], field[1]), field[2]
        if number is None:
            fields[name], position = DECODER.raw_decode(text, field.end())
        else:
            digits, position = number.replace(",", ""), field.end()
            fields[name] = int(digits) if digits.lstrip("-").isdigit() else float(digits)
    return fields


def read_event(line: bytes) -> tuple[str, dict[str, Any]] | None:
    """Return the event of a line and its fields; None for a line that is damaged or unknown."""
    stamp, text = STAMP.match(line), line[:-10]
    if stamp is None or line[-10:] != b" ;%08x" % zlib.crc32(text):
        return None
    head, _, rest = text[stamp.end() :].decode("utf-8", "replace").partition(": ")
    for event, pattern in HEADS.items():
        if match := pattern.fullmatch(head):
            try:
                fields = {**read_fields(rest), **match.groupdict()}
            except (ValueError, RecursionError):
                return None
            for name in {"trial", "step"} & pattern.groupindex.keys():
                fields[name] = int(fields[name])
            return (event, fields) if fields.keys() >= {*FIELDS[event]} else None
    return None


# --- Logged study: the meaning of the lines, which every reader of a log shares ------------------
# A claim is a line in which a run starts or resumes a trial. A trial belongs to the run that
# claimed it last; lines of a run that lost its claim are ignored. An end line is complete by
# itself, so a damaged line costs at most the trial whose end it was: that trial runs again under
# its number.

OF_LINE = {*IDENTITY, "trial", "system_attrs", "learning_curve"}
NOT_OF_PLACE = {*OF_LINE, *ARCHITECTURE}
NOT_METRICS = {*NOT_OF_PLACE, "unit", "step"}
NOT_ATTRIBUTES = {*OF_LINE, "state", "value", "datetime_start", "datetime_complete"}


@dataclass
class LoggedTrial:
    """A trial as its lines describe it; `attributes` includes its parameters."""

    number: int
    claims: list[str] = field(default_factory=list)  # runs, the last one owns the trial
    attributes: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)  # of sampler and pruner
    start_attrs: dict[str, Any] = field(default_factory=dict)  # the same at its start
    curve: list[dict[str, Any]] = field(default_factory=list)
    state: str = "RUNNING"
    value: float | None = None
    datetime_start: str | None = None
    datetime_complete: str | None = None
    resumed_at: dict[str, Any] = field(default_factory=dict)  # where it was resumed last
    n_resumed: int = 0  # how often in a row it was resumed there

    @property
    def finished(self) -> bool:
        return self.state != "RUNNING"

    @property
    def rerun_of(self) -> int | None:
        return self.attributes.get("rerun_of")

    def take(self, event: str, fields: dict[str, Any]) -> None:
        if event == "evaluation":
            self.system_attrs |= fields.get("system_attrs", {})
            step = fields["step"]
            while self.curve and next(iter(self.curve[-1].values())) >= step:
                self.curve.pop()  # a resumed trial evaluates again
            metrics = {name: fields[name] for name in fields if name not in NOT_METRICS}
            self.curve.append({fields["unit"]: step, **metrics})
            return
        self.system_attrs = fields.get("system_attrs", {})
        self.curve = fields.get("learning_curve", [])
        if event == "trial_resumed":
            place = {name: fields[name] for name in fields if name not in NOT_OF_PLACE}
            self.n_resumed = self.n_resumed + 1 if place == self.resumed_at else 1
            self.resumed_at = place
            self.attributes |= {name: place[name] for name in place if name == "micro_batch"}
            return
        self.attributes = {name: fields[name] for name in fields if name not in NOT_ATTRIBUTES}
        self.datetime_start = fields["datetime_start"]
        if event == "trial_start":
            self.start_attrs = dict(self.system_attrs)
            self.resumed_at = {}
        else:
            self.state, self.value = fields["state"], fields["value"]
            self.datetime_complete = fields["datetime_complete"]


class LoggedStudy:
    """The study of a log, built from its events in the order of the lines."""

    def __init__(self) -> None:
        self.study_id: str | None = None
        self.runs: dict[str, dict[str, Any]] = {}  # fields of each run line
        self.gone: set[str] = set()  # runs that ended, or whose trial another run took
        self.trials: dict[int, LoggedTrial] = {}
        self.enqueued: dict[str, dict[str, Any]] = {}  # parameters by id
        self.history: list[LoggedTrial] = []
        self.changed: set[int] = set()  # trials with new lines; OptunaStudy empties it

    def take(self, event: str, fields: dict[str, Any]) -> None:
        """Take the event of one line, unless the line is of another study."""
        self.study_id = self.study_id or fields["study"]
        if fields["study"] != self.study_id:
            return
        run = fields["run"]
        if event == "run_start":
            self.runs.setdefault(run, fields)
        elif event == "run_end":
            self.gone.add(run)
        elif event == "enqueued":
            self.enqueued.setdefault(fields["enqueued_id"], fields["trial_params"])
        elif event == "history":
            about = {"from_study": fields["from_study"], **fields["trial_params"]}
            known = LoggedTrial(fields["from_trial"], attributes=about, state=fields["state"])
            known.curve, known.value = fields["learning_curve"], fields["value"]
            self.history.append(known)
        elif "trial" in fields:
            self.take_trial(event, fields)

    def take_trial(self, event: str, fields: dict[str, Any]) -> None:
        """Take a line of a trial, unless the trial has ended or its run lost the claim."""
        number, run = fields["trial"], fields["run"]
        trial = self.trials.setdefault(number, LoggedTrial(number))
        claims = event in ("trial_start", "trial_resumed")
        lost = run in trial.claims and run != trial.claims[-1]
        if trial.finished or (lost and not claims):
            return
        if claims:
            self.gone.update(trial.claims[-1:])
            self.gone.discard(run)
            trial.claims.append(run)
        trial.take(event, fields)
        self.changed.add(number)

    def counts(self) -> dict[str, int]:
        states = [trial.state for trial in self.trials.values()]
        return {name: states.count(state) for name, state in STATES.items()}

    def ranked(self, direction: str) -> list[LoggedTrial]:
        """Return the complete trials without reruns, the best first, the first of equals first."""
        sign = 1 if direction == "minimize" else -1
        found = [t for t in self.trials.values() if t.state == "COMPLETE" and t.rerun_of is None]
        return sorted(found, key=lambda t: (sign * (t.value or 0.0), t.number))

    def best(self, direction: str) -> LoggedTrial | None:
        return next(iter(self.ranked(direction)), None)

    def seed_noise(self, direction: str) -> dict[str, Any]:
        """Return the spread of the trial that was rerun last, {} if it has fewer than two reruns.

        `lead` is from the median trial to the mean of the reruns, above 0 if this is better.
        """
        values = [trial.value or 0.0 for trial in self.ranked(direction)]
        complete = [trial for _, trial in sorted(self.trials.items()) if trial.state == "COMPLETE"]
        last = [t.rerun_of for t in complete if t.rerun_of is not None][-1:]
        again = [trial.value or 0.0 for trial in complete if trial.rerun_of in last]
        if len(again) < 2 or not values:
            return {}
        sd, mean, middle = stdev(again), fmean(again), median(values)
        found = {"sd": sd, "rerun_of": last[0], "reruns": len(again), "mean": mean}
        lead = middle - mean if direction == "minimize" else mean - middle
        near = sum(abs(value - values[0]) <= sd for value in values[1:])
        return {**found, "median": middle, "lead": lead, "within_sd": near}


# --- Log file: the study, shared by its workers, and the locks that say which worker is alive ----
# A round holds the lock of the log: a worker reads what others wrote, decides, appends its own
# lines and waits until they are on the disk. The log is opened anew for each round and locked
# through the descriptor that writes, on a byte far behind its end: on NFS, other ways lost lines.
# Trial n is locked by byte 1 + n of a second file, as long as a process works on it. The system
# frees the locks of a process that dies, whatever ends it.

ROUND_BYTE = 1 << 40


def say(text: str, end: str = "\n") -> None:
    """Print to stderr; a closed terminal must not end the run."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        sys.stderr = io.StringIO()


class Interrupted(BaseException):
    """The run must end, for `reason`, with the exit code `code`."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class LogFile:
    """The log, and the study that its lines describe so far."""

    def __init__(self, path: Path, run: str = "") -> None:
        self.path, self.run, self.study = path, run, LoggedStudy()
        self.position, self.line_number = 0, 0  # of what was read
        self.pending = b""  # lines for the next round
        self.damaged: list[int] = []  # numbers of lines that were refused

    def open(self) -> None:
        """Create the log and its lock file, whose descriptor stays: closing frees all locks."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock_path = self.path.with_name(f"{self.path.name}.lock")
        self.locks = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o666)
        self.path.touch()
        for folder in self.path.absolute().parents[:2]:  # the names, too, must be on the disk
            handle = os.open(folder, os.O_RDONLY)
            with suppress(OSError):  # some network disks cannot
                os.fsync(handle)
            os.close(handle)
        self.inode = self.path.stat().st_ino

    @contextmanager
    def round(self) -> Iterator[LoggedStudy]:
        """Hold the lock of the log; give the study up to date, then append the pending lines.

        Lines that do not fit on the disk stay pending. Any other OSError ends the run: after a
        failed write, the content of the file is uncertain.
        """
        try:
            with self.path.open("r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX, 1, ROUND_BYTE)
                found, locks = os.fstat(file.fileno()), os.fstat(self.locks)
                same = found.st_ino == self.inode and found.st_size >= self.position
                if not (same and locks.st_nlink):  # other runs would not see the locks of this one
                    raise Interrupted(f"{self.path} or its .lock file was replaced in this run", 2)
                self.take(file)
                if self.damaged and not self.study.study_id:
                    raise UnusableError(f"{self.path} is no log of a script; give another --log")
                yield self.study
                self.append(file)
        except OSError as error:
            raise Interrupted(f"{self.path}: {error.strerror}", 2) from error

    def take(self, file: BinaryIO) -> None:
        """Take the whole lines behind the position."""
        file.seek(self.position)
        for line in file:
            if not line.endswith(b"\n"):
                break  # its end may follow
            self.position += len(line)
            self.line_number += 1
            if event := read_event(line[:-1]):
                self.study.take(*event)
            elif line.strip(b"\0 \r\n"):
                self.damaged.append(self.line_number)

    def append(self, file: BinaryIO) -> None:
        """Append the pending lines, all or none, and wait until they are on the disk."""
        if not self.pending:
            return
        size = file.seek(0, os.SEEK_END)
        torn = size > self.position  # a line without its end: power or a disk failed within it
        block = b"\n" * torn + self.pending
        try:
            if os.write(file.fileno(), block) < len(block):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            os.ftruncate(file.fileno(), size)
            say(f"{self.path}: no space left; this run waits until it can write its lines")
            return
        os.fsync(file.fileno())
        self.pending = b""
        self.take(file)

    def write(self, event: str, fields: Mapping[str, object], *, level: str = "I") -> None:
        """Add an event to the lines of the next round."""
        fields = {**fields, "study": self.study.study_id, "run": self.run}
        line = format_event(event, fields, time=datetime.now(), level=level)
        self.pending += line.encode() + b"\n"

    def report_damage(self) -> None:
        """Report the lines that were refused since the last report."""
        if self.damaged:
            numbers = ", ".join(map(str, self.damaged[:20])) + ", …" * (len(self.damaged) > 20)
            say(f"warning: {self.path}: damaged lines {numbers} are ignored")
            self.damaged.clear()

    def lock_trial(self, number: int) -> bool:
        """Lock a trial until this process ends; return False if another process has it."""
        try:
            fcntl.lockf(self.locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 1 + number)
        except (BlockingIOError, PermissionError):
            return False
        return True


def read_log(path: Path) -> LogFile:
    """Return a log as it is now, without any lock; an empty one if the file is missing."""
    log = LogFile(path)
    if path.exists():
        with path.open("rb") as file:
            log.take(file)
    return log


# --- Mounts: whether the locks beside a log reach another machine that works on it ---------------

# One machine uses a local file system: a run of another host dates from before a move of the log.
LOCAL = {"", "apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"}
SHARED_LOCKS = {"nfs4", "ceph", "gpfs", "lustre"}  # measured on NFS, documented for the others
LOCAL_LOCKS = re.compile(r"\b(nolock|local_lock=(?!none)\w+|localflock|noflock)\b")


def mount_of(path: Path, table: Path = Path("/proc/self/mountinfo")) -> tuple[str, str]:
    """Return the kind of a path's file system, and its mount options; "" if unknown."""
    device = path.stat().st_dev
    place = f"{os.major(device)}:{os.minor(device)}"
    lines = table.read_text().splitlines() if table.exists() else []
    mounts = (line.partition(" - ")[2] for line in lines if line.split()[2] == place)
    kind, _, options = next(mounts, "  ").split(" ", 2)
    return kind, options


def unreachable_worker(study: LoggedStudy, kind: str, options: str) -> str | None:
    """Return the run of another machine whose locks may not be visible here, if any."""
    if kind in LOCAL or (kind in SHARED_LOCKS and not LOCAL_LOCKS.search(options)):
        return None
    hosts = {run: study.runs[run]["worker"]["host"] for run in study.runs.keys() - study.gone}
    others = (run for run, host in hosts.items() if host != platform.node())
    return next((f"run {run} on {hosts[run]} (file system {kind})" for run in others), None)


# --- Source: the constants and the code of this script, and how they differ from those of a log --

# Trials are comparable if these are equal; SAME_SPACE matters to the sampler only.
COMPARED = ("data_sha256", "task", "horizon", "metric", "direction", "settings", "code_sha256")
SAME_SPACE = ("architectures_sha256", "search_space", "conditions", "skip_indices", "fixed_params")
REMARKED = ("seed", "device", "threads", "torch", "optuna", "sampler", "pruner", "trial_seconds")
# Constants that the experiment uses and that a run line has beside its `settings`.
NO_SETTINGS = {*SAME_SPACE, *COMPARED[1:5], "architectures", "free_axes", "data_path"}


def read_source(source: str) -> tuple[dict[str, Any], str]:
    """Return the constants, those that shape a trial as `settings`, and the code's SHA-256."""
    _, constants, code, _ = source.split("\n# === ")
    found: dict[str, Any] = {"settings": {}}
    for node in ast.parse(f"# {constants}").body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            constant = ast.unparse(target)
            name, used = constant.lower(), re.search(rf"\b{constant}\b", code)
            place = found["settings"] if used and name not in NO_SETTINGS else found
            with suppress(ValueError):  # a function of the command line is no constant
                place[name] = ast.literal_eval(node.value)
    return found, hashlib.sha256(code.encode()).hexdigest()


def differences(old: object, new: object, name: str) -> Iterator[str]:
    """Yield the differences between two values, each with its place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from differences(old.get(key), new.get(key), f"{name}.{key}")
    elif old != new:
        was, now = (json.dumps(value)[:70] for value in (old, new))
        yield f"{name} was {was}, is {now}"


def changes(old: Mapping[str, Any], new: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    new = json.loads(json.dumps({name: new[name] for name in names}))
    return [line for name in names for line in differences(old.get(name), new[name], name)]


# --- Same experiment: a run identifies itself in the log, and refuses a log of another experiment


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


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
    """Refuse a log whose trials do not compare with new ones; report harmless differences."""
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


# --- Joint TPE: all parameters of a trial together, near those of the good trials ----------------
# The tree-structured Parzen estimator (Bergstra et al. 2011) with one density over all parameters.
# Optuna's own TPE draws differently from version to version (5.0 dropped its wide kernels); this
# one depends on trials and seed only. In a density, a value is a number from 0 to 1, or the place
# in the list of its choices; NaN stands for a parameter that a trial lacks.

GOOD_SHARE = 0.3  # of the finished trials
LAST = (2.0,)  # the rank of running and failed trials


class StudySampler(optuna.samplers.BaseSampler):
    """The joint TPE; each trial has a random stream of its own, so that a restart changes none."""

    sample_independent: Any = None  # Optuna requires it; no parameter is drawn on its own

    def __init__(self, seed: int) -> None:
        self.seed, self.offset = seed, 0  # trials of --history come before trial 0

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        del study, trial
        return distributions()  # also those whose condition fails: drawn but unused

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> Any:
        seed = stream_seed(self.seed, trial.number - self.offset, "together") % 2**32
        arguments = SAMPLER["n_startup_trials"], SAMPLER["n_ei_candidates"]
        return suggest_together(study, search_space, np.random.default_rng(seed), *arguments)


def suggest_together(
    study: optuna.Study, space: Any, rng: np.random.Generator, n_startup: int, n_candidates: int
) -> dict[str, Any]:
    """Return the candidate with the highest ratio of the good density to the other one.

    Each trial is a kernel of one of the two densities; a uniform prior is one more of both.
    """
    sign = 1 if study.direction.name == "MINIMIZE" else -1
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.params]
    trials.sort(key=lambda trial: rank(trial, sign))  # stable: ties keep the order of numbers
    n_ended = sum(rank(trial, sign) < LAST for trial in trials)
    started = n_ended >= n_startup
    n_good = math.ceil(GOOD_SHARE * n_ended) if started else 0
    rows = [[to_unit(d, trial.params.get(name)) for name, d in space.items()] for trial in trials]
    sizes = np.array([len(getattr(d, "choices", ())) for d in space.values()])
    good, others = Density(rows[:n_good], sizes), Density(rows[n_good:], sizes)
    points = good.draw(n_candidates if started else 1, rng)
    best = points[np.argmax(good.log(points) - others.log(points))].tolist()
    return {name: from_unit(d, at) for (name, d), at in zip(space.items(), best, strict=True)}


def rank(trial: FrozenTrial, sign: int) -> tuple[float, ...]:
    """Return the order of a trial: complete ones by value, pruned ones by length and value."""
    if trial.state == TrialState.COMPLETE and trial.value is not None:
        return 0, sign * trial.value
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        step, value = max(trial.intermediate_values.items())
        return 1, -step, sign * value
    return LAST


class Density:
    """A kernel at each row, and the uniform prior; all weigh the same."""

    def __init__(self, rows: Sequence[Any], sizes: Any) -> None:
        self.centres, self.sizes = np.array([*rows, [math.nan] * len(sizes)]), sizes
        count, n_columns = self.centres.shape
        self.width = max(0.2 * count ** (-1 / (n_columns + 4)), 1 / (count + 1))  # SD
        self.spread = sizes / (sizes + count)  # probability of any choice

    def draw(self, count: int, rng: np.random.Generator) -> Any:
        """Return points, each near a kernel."""
        chosen = self.centres[rng.integers(len(self.centres), size=count)]
        moved = chosen + self.width * rng.standard_normal(chosen.shape)
        near = np.abs((moved + 1) % 2 - 1)  # reflected into the range
        stays = rng.random(chosen.shape) > self.spread
        near = np.where(self.sizes == 0, near, np.where(stays, chosen, np.nan))
        return np.where(np.isnan(near), rng.random(chosen.shape), near)

    def log(self, points: Any) -> Any:
        """Return the log of the density at points, up to a constant."""
        centres, at = self.centres, points[:, None]
        images = (centres, -centres, 2 - centres)  # reflected at the ends of a range
        bells = sum(np.exp(-(((at - image) / self.width) ** 2) / 2) for image in images)
        same = np.floor(at * self.sizes) == np.floor(centres * self.sizes)
        choices = self.spread + (1 - self.spread) * self.sizes * same
        bells = bells / (self.width * math.sqrt(2 * math.pi))
        logs = np.log(np.where(self.sizes == 0, bells, choices) + 1e-300)
        return np.logaddexp.reduce(np.where(np.isnan(centres), 0.0, logs).sum(axis=2), axis=1)


def range_of(space: Any) -> tuple[Any, float, float, float]:
    """Return scale, low, high and step of a parameter, of its position if it is categorical."""
    if hasattr(space, "choices"):
        return float, 0, len(space.choices) - 1, 1
    return math.log if space.log else float, space.low, space.high, space.step or 0


def to_unit(space: Any, value: Any) -> float:
    if value is None:
        return math.nan
    scale, low, high, step = range_of(space)
    start, end = scale(low - step / 2), scale(high + step / 2)
    return (scale(space.to_internal_repr(value)) - start) / (end - start or 1)


def from_unit(space: Any, place: float) -> Any:
    scale, low, high, step = range_of(space)
    start, end = scale(low - step / 2), scale(high + step / 2)
    number = start + place * (end - start)
    number = math.exp(number) if scale is math.log else number
    if step:
        number = low + round((number - low) / step) * step
    return space.to_external_repr(min(high, max(low, number)))


# --- Pruning: the part of a trial that no pruner may cut -----------------------------------------


def first_prunable(task: Task, config: Config) -> float:
    """Return the epoch or step from which a trial may be pruned: a share of its schedule.

    No trial is pruned during its warm-up, because trials with a shorter warm-up lead until then.
    """
    ends, sizes = zip(*task.intervals(config), strict=True)
    done = itertools.accumulate(sizes)
    warm = (end for end, n in zip(ends, done, strict=True) if n > config["warmup_steps"])
    return max(config["prune_from"] * ends[-1], next(warm, math.inf))


# --- Optuna study: the trials of the log in memory, for the sampler and the pruner ---------------
# Nothing here is durable: the study is rebuilt from the log at each start. Trial n of the log is
# trial n of the study, after the trials of --history.


def as_optuna(trial: LoggedTrial) -> FrozenTrial:
    params, space = searched_params(trial.attributes), distributions()
    hidden = trial.finished and trial.rerun_of is not None  # would bias the sampler
    return optuna.trial.create_trial(
        state=TrialState["FAIL" if hidden else trial.state],
        value=None if hidden else trial.value,
        params=params,
        distributions={name: space[name] for name in params},
        intermediate_values={next(iter(point.values())): point[METRIC] for point in trial.curve},
        system_attrs=trial.system_attrs,
    )


class OptunaStudy:
    """An Optuna study that follows a log."""

    def __init__(self, logged: LoggedStudy, seed: int) -> None:
        self.logged = logged
        kind, arguments = split_type(PRUNER)
        self.pruner = getattr(optuna.pruners, kind)(**arguments)
        self.sampler = StudySampler(seed)

    def rebuild(self) -> None:
        self.storage: Any = optuna.storages.InMemoryStorage()
        self.setup: dict[str, Any] = {"storage": self.storage, "study_name": NAME}
        self.setup |= {"sampler": self.sampler, "pruner": self.pruner}
        self.study = optuna.create_study(direction=DIRECTION, **self.setup)
        for known in self.logged.history:
            self.study.add_trial(as_optuna(known))
        self.offset = self.sampler.offset = len(self.logged.history)
        self.logged.changed.update(self.logged.trials)
        self.update()

    def update(self, size: int = 0) -> None:
        """Add the new events of the log to the study, and running trials up to a size."""
        for number in sorted(self.logged.changed):
            known = self.logged.trials[number]
            if known.datetime_start and not self.take(number, as_optuna(known)):
                self.rebuild()
                break
        self.logged.changed.clear()
        self.fill(size)

    def fill(self, size: int) -> int:
        """Add running trials up to a size, which no line has named yet; return the size."""
        found = len(self.study.get_trials(deepcopy=False)) - self.offset
        for _ in range(found, size):
            self.study.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING))
        return max(found, size)

    def take(self, number: int, new: FrozenTrial) -> bool:
        """Add a trial, or what is new of it; return False if it was started again."""
        if self.fill(number) == number:
            self.study.add_trial(new)
            return True
        trial_id = number + self.offset
        known = self.storage.get_trial(trial_id)
        void = known.intermediate_values.keys() - new.intermediate_values.keys()
        if void or known.params != new.params:
            return False
        for name, value in new.system_attrs.items():
            self.storage.set_trial_system_attr(trial_id, name, value)
        for step, value in new.intermediate_values.items():
            self.storage.set_trial_intermediate_value(trial_id, step, value)
        if new.state.is_finished():
            self.storage.set_trial_state_values(trial_id, new.state, new.values)
        return True

    def ask(self, number: int, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of a trial; `params` are given, the sampler draws the rest."""
        self.update(number + 1)
        trial_id = number + self.offset
        if params:
            self.storage.set_trial_system_attr(trial_id, "fixed_params", dict(params))
        study = optuna.load_study(**self.setup)  # it has no cache of trials from before
        return suggest(optuna.Trial(study, trial_id))

    def kept(self, number: int) -> dict[str, Any]:
        """Return the log field with what sampler and pruner, TPE apart, keep with a trial."""
        attributes = self.storage.get_trial(number + self.offset).system_attrs.items()
        found = {name: value for name, value in attributes if not name.startswith("tpe:")}
        return {"system_attrs": found} if found else {}

    def report(self, number: int, step: int, value: float) -> None:
        self.storage.set_trial_intermediate_value(number + self.offset, step, value)

    def prunes(self, number: int) -> bool:
        """Return whether the pruner ends a trial after its last evaluation."""
        return self.pruner.prune(self.study, self.storage.get_trial(number + self.offset))


# --- Checkpoint: a trial in training, from which another run can continue ------------------------
# `Search.next_trial` decides whether a trial resumes. torch saves a zip archive with a checksum of
# each tensor. A torn or altered file is ignored, and its trial starts again.


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Replace a file by one that is already on the disk, so that no reader sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Checkpoint:
    """The file of one trial; only the trial with the same key continues from it."""

    def __init__(self, path: Path, key: str, *, minutes: float) -> None:
        self.path, self.key, self.minutes = path, key, minutes
        self.since, self.cost = time.monotonic(), 0.0

    def due(self) -> bool:
        """Return whether to save: every `minutes`, but for at most 1 % of the time."""
        wait = max(60 * self.minutes, 100 * self.cost) if self.minutes else 0
        return time.monotonic() - self.since >= wait

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the file; report an error, such as a full disk, and keep the last file."""
        began = time.monotonic()
        try:
            replace_file(self.path, lambda file: torch.save({**state, "key": self.key}, file))
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError
            say(f"checkpoint not written: {error}")
        self.since = time.monotonic()
        self.cost = self.since - began

    def load(self) -> dict[str, Any] | None:
        """Return the state; None without an intact file of this trial."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                # torch reads nothing of a record that is marked as a folder.
                if archive.testzip() or any(found.external_attr for found in archive.infolist()):
                    raise ValueError("the checkpoint is damaged")
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except Exception as error:  # zipfile and torch raise many kinds for a damaged file
            say(f"{self.path}: {str(error)[:200]}; its trial starts again")
            return None
        return state if state["key"] == self.key else None

    def remove(self) -> None:
        """Delete the file, and parts of it that a killed process left."""
        for path in (self.path, *self.path.parent.glob(f".{self.path.name}.*.part")):
            path.unlink(missing_ok=True)


# --- Device: where to train, and how many samples fit into its memory at once --------------------

BYTES_PER_PARAMETER = 16  # fp32 weights, gradients and Adam's two moments


def choose_device(name: str) -> torch.device:
    """Return a device; auto takes cuda, then mps, then cpu. Raises UnusableError."""
    cuda, mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    counts = {"cuda": cuda, "mps": int(mps), "cpu": 1}
    if name == "auto":
        name = next(kind for kind, count in counts.items() if count)
    if name == "cuda" and "LOCAL_RANK" in os.environ:  # of torchrun
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    device = torch.device(name)
    if (device.index or 0) >= counts[device.type]:
        raise UnusableError(f"--device {name}: this machine or this torch lacks it; use auto")
    if device.index:
        torch.cuda.set_device(device)  # random streams are those of the current device
    return device


def free_memory(device: torch.device) -> int:
    """Return the bytes that training may use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # blocks of an earlier trial are free
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    kilobytes = meminfo.read_text().partition("MemAvailable:")[2].split()[0]
    return min((1024 * int(kilobytes), *cgroup_rooms()))


def cgroup_rooms(
    groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """Yield the bytes that each memory limit of a container or job leaves.

    The kernel kills processes that exceed one. Cached files do not count: they can be dropped.
    https://docs.kernel.org/admin-guide/cgroup-v2.html#memory
    """
    lines = groups.read_text().splitlines() if groups.exists() else []
    for name in (line.removeprefix("0::/") for line in lines if line.startswith("0::/")):
        for folder in (root / name, *(root / name).parents):
            with suppress(OSError, ValueError, KeyError):  # the limit may be "max"
                stat = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
                used = int((folder / "memory.current").read_text()) - int(stat["inactive_file"])
                yield max(int((folder / "memory.max").read_text()) - used, 0)


def peak_memory(device: torch.device) -> int:
    """Return the most bytes used: on CUDA by tensors of the trial, else by the process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class ShapeCost(NamedTuple):
    """The cost of a shape."""

    params: int
    sample_bytes: int  # that one sample keeps for the backward pass
    sample_flops: int  # of one sample, forward and backward
    ranks: int = 1  # that share weights, gradients and moments

    @property
    def model_bytes(self) -> int:
        return BYTES_PER_PARAMETER * self.params // self.ranks

    def micro_batch(self, free: int, batch_size: int) -> int:
        """Return the largest power of two of samples that fits, at most the batch; 0 if none."""
        left = int(free * 0.92) - self.model_bytes
        fitting = max(left // self.sample_bytes, 0)
        return batch_size if fitting >= batch_size else (1 << fitting.bit_length()) // 2


def build_on_meta(task: Task, arch: Arch) -> tuple[nn.Module, int]:
    """Return a model on the meta device, which takes no memory, and its parameter count."""
    with torch.device("meta"):
        model = task.build_model(arch, dropout=0.1)
    return model, sum(parameter.numel() for parameter in model.parameters())


def measure(task: Task, arch: Arch) -> ShapeCost:
    """Return the cost of a shape, from a forward pass of two samples on the meta device.

    Saved tensors count once per storage, weights not at all; a backward pass takes twice the
    operations of a forward pass.
    """
    from torch.utils.flop_counter import FlopCounterMode  # loads much of torch

    model, params = build_on_meta(task, arch)
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    saved: dict[int, Tensor] = {}  # keeps the tensors: the address of a freed storage is reused

    def record(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        model(task.sample(2, torch.device("meta")))
    kept = (saved[address] for address in saved.keys() - weights)
    sample_bytes = sum(tensor.untyped_storage().nbytes() for tensor in kept) // 2
    return ShapeCost(params, sample_bytes, 3 * counter.get_total_flops() // 2)


def out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    texts = ("out of memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in texts)


# --- Stops: signals, the file STOP and the timeout end a run after its batch, with a checkpoint --

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
STOPPED = 75  # exit code: stopped before the total, run again to continue


class Stops:
    """Everything that may end the run; a guard returns a reason to end it, or None."""

    guards: Sequence[Callable[[Stops], str | None]] = ()  # of sections such as `slurm`

    def __init__(self, file: Path) -> None:
        self.file = file
        self.end = time.monotonic() + (math.inf if TIMEOUT_HOURS is None else 3600 * TIMEOUT_HOURS)
        self.reserve = 0.0  # seconds before the end, for the last checkpoint
        self.stop: Interrupted | None = None
        self.next_look = 0.0
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
                signal.signal(number, self.on_signal)

    def on_signal(self, number: int, _frame: object) -> None:
        """End the run after the current batch; a second signal ends the process at once."""
        if self.stop:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.stop = Interrupted(signal.Signals(number).name, 128 + number)
        with suppress(OSError):  # print is not safe in signal handlers
            os.write(2, b"\nstopping after the current batch; a second signal stops at once\n")

    def asked(self) -> Interrupted | None:
        """Return why the run must end, if it must; files and guards are read once a second."""
        now = time.monotonic()
        if self.stop is None and now >= self.next_look:
            self.next_look = now + 1
            for guard in (Stops.look, *self.guards):
                with suppress(OSError):  # a sensor or a network disk that does not answer
                    reason = guard(self)
                    if reason and self.stop is None:  # a signal may have come meanwhile
                        self.stop = Interrupted(reason, STOPPED)
        return self.stop

    def look(self) -> str | None:
        """Return the reason to end the run, timeout or STOP; None without one."""
        if time.monotonic() + self.reserve >= self.end:
            return "timeout"
        return "STOP" if self.file.exists() else None


# --- Progress: one live line on a terminal, a line a minute elsewhere ----------------------------


class Progress:
    """How far the trial is, and the time left for the study at the speed of this run."""

    def __init__(self, n_trials: int) -> None:
        self.n_trials, self.done = n_trials, 0.0  # trials that this run did
        self.live = bool(sys.stderr) and sys.stderr.isatty()  # None where it is closed
        self.began = self.shown = time.monotonic()

    def begin(self, number: int, about: str) -> None:
        self.title = f"trial {number} of {self.n_trials}  {about}"
        self.n_left = self.n_trials - number
        self.share: float | None = None  # of the trial; the first one may be of an earlier run

    def update(self, share: float) -> None:
        """Show the finished share of the trial, if the last display is old enough."""
        self.done += 0.0 if self.share is None else max(share - self.share, 0.0)
        self.share = share
        if time.monotonic() - self.shown > (0.5 if self.live else 60.0):
            self.show(f"{share:4.0%}", self.n_left - share, end="\r")

    def end(self, text: str) -> None:
        self.done += 1 - (self.share or 0.0)
        self.show(text, self.n_left - 1)

    def show(self, text: str, n_left: float, end: str = "\n") -> None:
        self.shown = time.monotonic()
        seconds = n_left * (self.shown - self.began) / self.done if self.done else 0.0
        left = timedelta(seconds=round(seconds))
        clear, end = ("\x1b[K", end) if self.live else ("", "\n")
        say(f"{clear}{self.title}  {text}  time left: {left}", end=end)


# --- Results: tables and the summary of a study, all derived from its log ------------------------

SEED_NOISE = """\
seed noise: SD {sd:.3g}; within it of the best: {within_sd} others
  {reruns} reruns of trial {rerun_of}: mean {mean:.6g}
  lead over the median trial: {lead:.3g}, {word} than noise (2 SD)"""


def row_of(trial: LoggedTrial) -> dict[str, Any]:
    """Return a trial as a row, with the columns of Optuna's `trials_dataframe`."""
    params = searched_params(trial.attributes)
    start, end = trial.datetime_start, trial.datetime_complete
    return {
        "number": trial.number,
        "value": trial.value,
        "datetime_start": start,
        "datetime_complete": end,
        "duration": start and end and datetime.fromisoformat(end) - datetime.fromisoformat(start),
        **{f"params_{name}": value for name, value in params.items()},
        **{f"user_attrs_{n}": v for n, v in trial.attributes.items() if n not in params},
        "state": trial.state,
    }


def write_results(folder: Path, study: LoggedStudy) -> None:
    """Replace trials.csv, and best_params.json once a trial is complete."""
    rows = pd.DataFrame([row_of(study.trials[n]) for n in sorted(study.trials)], dtype=object)
    replace_file(folder / "trials.csv", lambda file: file.write(rows.to_csv(index=False).encode()))
    if best := study.best(DIRECTION):
        found = {**summary(study), "best_params": searched_params(best.attributes)}
        found["best_user_attrs"] = {**best.attributes, "learning_curve": best.curve}
        content = json.dumps(found, indent=1) + "\n"
        replace_file(folder / "best_params.json", lambda file: file.write(content.encode()))


def summary(study: LoggedStudy) -> dict[str, Any]:
    """Return the state of a study, for programs."""
    best, counts = study.best(DIRECTION), study.counts()
    run: Mapping[str, Any] = next(reversed(study.runs.values()), {})
    n_trials = run.get("n_trials", N_TRIALS)
    ended = sum(counts.values()) - counts["running"]
    return {
        "name": NAME,
        "study": study.study_id,
        "state": "finished" if ended >= n_trials else "unfinished",
        "n_trials": n_trials,
        **counts,
        "metric": METRIC,
        "direction": DIRECTION,
        "best_trial": best and best.number,
        "best_value": best and best.value,
        "seed_noise": study.seed_noise(DIRECTION),
        "baselines": run.get("baselines", {}),
    }


def say_result(study: LoggedStudy) -> None:
    """Say which trial is the best, and how it compares with the baselines."""
    say(", ".join(f"{count} {state}" for state, count in study.counts().items()))
    if not (best := study.best(DIRECTION)):
        return
    found, axes = best.attributes, ("arch_idx", "d_model", "n_layers", "n_heads", "d_ff")
    say(f"best: trial {best.number}, {METRIC} {best.value:.6g}")
    for values in ({axis: found[axis] for axis in axes}, searched_params(found)):
        say("  " + ", ".join(f"{name}={value}" for name, value in values.items()))
    say_baselines(found, study)
    if found.get("collapsed"):
        say("  COLLAPSED: it predicts one class, or nearly the same number, for every sample")
    if noise := study.seed_noise(DIRECTION):
        say_baselines({METRIC: noise["mean"]}, study, " in reruns")
        noise["word"] = "more" if noise["lead"] > 2 * noise["sd"] else "NOT more"
        say(SEED_NOISE.format_map(noise))
    elif f"{METRIC}_sd" not in found:
        say(f"Trial {best.number} has one seed: part of its lead may be the noise of its seed.")


def say_baselines(reached: Mapping[str, Any], study: LoggedStudy, where: str = "") -> None:
    """Say whether the metrics that are reached are better than those of the baselines."""
    for name, metrics in summary(study)["baselines"].items():
        for metric in (metric for metric in metrics if metric in reached):
            found, value = reached[metric], metrics[metric]
            lower = metric.endswith(("loss", "per_byte", "brier"))
            sign = 1 if (DIRECTION == "minimize" if metric == METRIC else lower) else -1
            words = "better than" if sign * found < sign * value else "NOT better than"
            say(f"  {metric} {found:.6g}{where} is {words} the {name} with {value:.6g}")


# --- Dry run: the cost of each shape, and all checks and estimates that need no training ---------

LENGTHS = ("epochs", "steps", "batch_size", "warmup_steps")


def measure_shapes(task: Task) -> dict[int, ShapeCost]:
    """Return the cost of each architecture: of its shape, with the most heads."""
    costs: dict[int, ShapeCost] = {}
    for rows in SPACE.shapes:
        costs |= dict.fromkeys(rows, measure(task, ARCHITECTURES[rows[-1]]))
    return costs


def check_shapes(costs: Mapping[int, ShapeCost], free: int) -> None:
    """Report shapes that do not fit and counts that differ. Raises UnusableError if none fits."""
    for rows in SPACE.shapes:
        arch, cost = ARCHITECTURES[rows[-1]], costs[rows[-1]]
        if cost.params != arch["params"]:
            say(f"{arch}: the model has {cost.params:,} parameters; the log has this number")
        if not cost.micro_batch(free, 1):
            say(f"warning: {arch} does not fit into {free:,} bytes: its trials will fail (oom)")
    if not any(cost.micro_batch(free, 1) for cost in costs.values()):
        raise UnusableError("no architecture fits this machine; --dry-run shows the plan")


def length_ends() -> list[Config]:
    """Return the configurations at the ends of the ranges that determine the length of a trial."""
    ends = {}
    for name, table in SEARCH_SPACE.items():
        values = table.get("choices") or (table["low"], table["high"])
        ends[name] = (min(values), max(values)) if name in LENGTHS else values[:1]
    return [
        {**FIXED_PARAMS, **dict(zip(ends, values, strict=True))}
        for values in itertools.product(*ends.values())
    ]


def say_length_warnings(task: Task, configs: Sequence[Config]) -> None:
    """Warn about the first trial with a long warm-up and the first that cannot be pruned."""
    warnings: dict[str, str] = {}
    for config in configs:
        trial = ", ".join(f"{name}={config[name]}" for name in LENGTHS if name in config)
        ends, sizes = zip(*task.intervals(config), strict=True)
        if 2 * config["warmup_steps"] > sum(sizes):
            warnings.setdefault("the warm-up is longer than half of a trial", trial)
        first = max(first_prunable(task, config), PRUNER.get("n_warmup_steps", 0))
        if PRUNER["type"] != "NopPruner" and max(ends[:-1], default=0) < first:
            warnings.setdefault("a trial ends before the pruner may act", trial)
    for warning, trial in warnings.items():
        say(f"warning: {warning}, with {trial}")


def sample_seconds(
    task: Task, device: torch.device, arch: Arch, cost: ShapeCost, config: Config
) -> tuple[float, str]:
    """Return the training time of one sample, and the source of this estimate."""
    free, flops = free_memory(device), 10**10 if device.type == "cpu" else 10**12  # < 1 second
    source, timed = "timed", cost
    if not cost.micro_batch(free, 1) or cost.sample_flops > flops:
        arch, source = {**arch, "n_layers": 1}, "from FLOPs, at the speed of one timed layer"
        timed = measure(task, arch)
    batch = task.batches(config, 1, SEED)[0]
    batch = batch[: max(1, min(timed.micro_batch(free, len(batch)), flops // timed.sample_flops))]
    training = Training(task, arch, config, (SEED, 0), device)
    for _ in range(2):  # the first step loads and tunes kernels
        began = time.monotonic()
        training.learn(batch, 0.0, len(batch))
        training.losses.item()  # waits for the device
    seconds = (time.monotonic() - began) / len(batch)
    return seconds * cost.sample_flops / timed.sample_flops, source


def estimate_time(
    task: Task, device: torch.device, costs: Mapping[int, ShapeCost], n_trials: int
) -> None:
    """Print estimates of the time of trials and study, and warn about settings of their length."""
    configs = length_ends()
    say_length_warnings(task, configs)
    lengths = [
        config["batch_size"] * sum(n for _, n in task.intervals(config)) for config in configs
    ]
    by_cost = sorted(SPACE.allowed, key=lambda arch_idx: costs[arch_idx].sample_flops)
    study = timedelta()
    for name, arch_idx in (("largest", by_cost[-1]), ("median", by_cost[len(by_cost) // 2])):
        arch, cost = ARCHITECTURES[arch_idx], costs[arch_idx]
        seconds, source = sample_seconds(task, device, arch, cost, configs[0])
        trial = timedelta(seconds=round(seconds * fmean(lengths)))
        study = n_trials * trial
        print(f"{name} trial: arch_idx {arch_idx}, {trial} of training, {source}")
    print(f"{n_trials} median trials: {study}, without evaluations, early stops and pruning")
    if TIMEOUT_HOURS and study > timedelta(hours=TIMEOUT_HOURS):
        say(f"warning: the study may take longer than TIMEOUT_HOURS, {TIMEOUT_HOURS}")


def dry_run(
    task: Task, device: torch.device, costs: Mapping[int, ShapeCost], free: int, args: Namespace
) -> int:
    """Print data, baselines, shapes with their memory, and times; return 1 if a count is wrong."""
    batch_size = FIXED_PARAMS.get("batch_size", 256)
    overview = {
        **task.describe(),
        "baselines": "; ".join(
            f"{name}: " + ", ".join(f"{metric} {value:.6g}" for metric, value in metrics.items())
            for name, metrics in task.baselines().items()
        ),
        "never tried": SKIP_INDICES or "none",
        "device": f"{device}, {free / 1e9:.1f} GB free",
    }
    for name, value in overview.items():
        print(f"{name:15} {round(value, 6) if isinstance(value, float) else value}")
    rows = [shape[-1] for shape in SPACE.shapes]  # the one with the most heads
    found = [costs[row] for row in rows]
    shapes = pd.DataFrame([ARCHITECTURES[row] for row in rows], rows)
    shapes["off"] = [f"{cost.params / BUDGET - 1:+.1%}" for cost in found]
    shapes["model GB"] = [cost.model_bytes / 1e9 for cost in found]
    shapes["MB/sample"] = [cost.sample_bytes / 1e6 for cost in found]
    shapes["micro-batch"] = [cost.micro_batch(free, batch_size) for cost in found]
    print(f"\n{shapes.rename_axis('arch_idx').round(2).to_string()}\n")
    if args.trial_seconds is None:
        estimate_time(task, device, costs, args.n_trials)
    wrong = sum(build_on_meta(task, row)[1] != row["params"] for row in ARCHITECTURES)
    outside = sum(abs(row["params"] / BUDGET - 1) > TOLERANCE for row in ARCHITECTURES)
    unfit = sum(not cost.micro_batch(free, 1) for cost in found)
    print(
        f"architectures: {len(ARCHITECTURES)}, with parameter counts that differ from their"
        f" model's: {wrong}, outside ±{TOLERANCE:.0%} of {BUDGET:,}: {outside}; shapes:"
        f" {len(shapes)}, too large for this machine: {unfit}.\nNothing was trained."
    )
    return 1 if wrong or outside else 0


# --- Next configuration: extremes, warm start, --enqueue, the sampler, and reruns at the end -----

FEWEST_TRIALS = 10  # of a study that reruns its best trials


def given_params(
    number: int, study: LoggedStudy, arguments: Namespace
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Return the parameters of a trial that the sampler does not draw, and the trial's kind."""
    if number < len(EXTREME_INDICES):
        arch_idx, ends = list(EXTREME_INDICES.items())[number]
        kind = "smoke" if arguments.smoke else "extreme"
        return SPACE.encode(arch_idx), {"kind": kind, "extreme": ends}
    for known in WARM_START[number - len(EXTREME_INDICES) :][:1]:
        config = dict(known)
        return {**SPACE.encode(config.pop("arch_idx")), **config}, {"kind": "warm_start"}
    used = {trial.attributes.get("enqueued_id") for trial in study.trials.values()}
    for enqueued_id, params in study.enqueued.items():
        if enqueued_id not in used:
            return params, {"kind": "enqueued", "enqueued_id": enqueued_id}
    started = {n for n, trial in study.trials.items() if trial.attributes}
    after = len({*range(number + 1, arguments.n_trials)} - started)
    plan = reruns(study) if arguments.n_trials >= FEWEST_TRIALS else []
    if after < len(plan):  # the last ones
        kind, best = plan[-1 - after]
        return searched_params(best.attributes), {"kind": kind, "rerun_of": best.number}
    return {}, {"kind": "search"}


def reruns(study: LoggedStudy) -> list[tuple[str, LoggedTrial]]:
    """Return the reruns that a study lacks, (kind, trial): each of the best, then the best one."""
    known = [(t.attributes.get("kind"), t.rerun_of) for t in study.trials.values()]
    ranked = study.ranked(DIRECTION)
    plan = [("confirm", t) for t in ranked[:N_CONFIRM] if ("confirm", t.number) not in known]
    for best in ranked[:1]:
        plan += [("noise", best)] * (N_NOISE - known.count(("noise", best.number)))
    return plan


# --- Training of a trial: new or resumed, again with less memory, stopped early or pruned --------

MOST_KILLS = 10  # processes in a row that may end at one place of a trial
SIGN = 1 if DIRECTION == "minimize" else -1


class KilledError(Exception):
    """The trial ended several processes in a row; it may need too much memory."""


@dataclass
class TrialTraining:
    """The trial of a run that is in training, and the lines that it writes."""

    task: Task
    log: LogFile
    costs: Mapping[int, ShapeCost]  # of each row of ARCHITECTURES
    device: torch.device
    arguments: Namespace
    new_training = Training  # sections may replace it
    resumed = False  # the trial was started before, by this run or another

    def __post_init__(self) -> None:
        self.optuna_study = OptunaStudy(self.log.study, self.arguments.seed)
        self.free_at_start = free_memory(self.device)
        self.progress = Progress(self.arguments.n_trials)
        self.stops = Stops(self.arguments.out / "STOP")
        self.next_round = 0.0  # earliest time of the next round; rounds take 1 % of the run

    def begin_trial(self, number: int) -> None:
        """Set the state at the start of a trial; `resume_trial` replaces it by a checkpoint."""
        self.number, self.config = number, dict(self.log.study.trials[number].attributes)
        spared = self.config["kind"] in ("extreme", "smoke", "noise", "confirm")
        self.prunable_from = math.inf if spared else first_prunable(self.task, self.config)
        self.curve: list[dict[str, Any]] = []
        self.began = time.monotonic()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        path = self.arguments.out / "checkpoints" / f"trial_{number:04d}.pt"
        key = f"{self.log.study.study_id} {self.config['config_id']}"
        self.checkpoint = Checkpoint(path, key, minutes=self.arguments.checkpoint_minutes)
        shape = ("d_model", "n_layers", "n_heads", "d_ff")
        self.progress.begin(number, " ".join(f"{axis}={self.config[axis]}" for axis in shape))

    def write(self, event: str, fields: Mapping[str, Any], level: str = "I") -> None:
        """Write a line of the trial in training, with its architecture."""
        common = {"trial": self.number, **{name: self.config[name] for name in ARCHITECTURE}}
        kept = self.optuna_study.kept(self.number)
        self.log.write(event, {**common, **kept, **fields}, level=level)

    def sync(self) -> None:
        """Write the pending lines; wait while the disk is full, until the run must stop."""
        began = time.monotonic()
        while True:
            with self.log.round():
                pass
            if not self.log.pending:
                break
            if stop := self.stops.asked():
                raise stop
            time.sleep(5)
        now = time.monotonic()
        self.next_round = now + 100 * (now - began)
        self.log.report_damage()

    def resume_trial(self, micro_batch: int) -> Mapping[str, Any]:
        """Claim a trial that was started before; return the state of its checkpoint or {}."""
        saved = self.checkpoint.load() or {}
        self.curve = saved.get("curve", [])
        self.began -= saved.get("wall_seconds", 0.0)
        trial, unit = self.log.study.trials[self.number], self.task.unit
        reached = self.curve[-1][unit] if self.curve else 0
        fields = {
            unit: reached,
            "batches": saved.get("batch", 0),
            "micro_batch": micro_batch,
            "learning_curve": self.curve,
            "system_attrs": saved.get("system_attrs", {}) if saved else trial.start_attrs,
        }
        self.write("trial_resumed", fields)
        self.sync()
        say(f"trial {self.number} continues after {unit} {reached}, micro-batch {micro_batch}")
        if trial.n_resumed >= MOST_KILLS:
            raise KilledError(f"{MOST_KILLS} processes in a row ended at this place")
        return saved

    def train_trial(self) -> dict[str, Any]:
        """Train, after each out-of-memory error with half the micro-batch; return the result."""
        cost = self.costs[self.config["arch_idx"]]
        most = self.config["micro_batch"] or self.config["batch_size"]
        micro_batch = cost.micro_batch(free_memory(self.device), most)
        if not micro_batch and cost.micro_batch(self.free_at_start, 1):
            raise Interrupted("memory: other processes took it after the start", STOPPED)
        while True:
            saved = self.resume_trial(micro_batch) if self.resumed else {}
            if not micro_batch:
                raise MemoryError(f"not one sample fits beside {cost.params:,} parameters")
            try:
                return self.train_once(saved, micro_batch)
            except Exception as error:
                if micro_batch == 1 or not out_of_memory(error):
                    raise
            micro_batch, self.resumed = -(-micro_batch // 2), True
            self.checkpoint.remove()  # the trial starts again

    def train_once(self, saved: Mapping[str, Any], micro_batch: int) -> dict[str, Any]:
        """Train with a micro-batch; return the state and the best evaluation."""
        config, number, unit = self.config, self.number, self.task.unit
        arch, key = ARCHITECTURES[config["arch_idx"]], (config["seed"], number)
        training = self.new_training(self.task, arch, config, key, self.device)
        if saved:
            training.restore(saved)

        def after_batch(share: float) -> None:
            self.progress.update(share)
            stop = self.stops.asked()
            if stop or self.checkpoint.due():
                about = {"curve": self.curve, "wall_seconds": time.monotonic() - self.began}
                about |= self.optuna_study.kept(number)
                self.checkpoint.save({**training.state(), **about})
                self.stops.reserve = 2 * self.checkpoint.cost
                self.sync()
            if stop:
                raise stop

        seconds, state, ended_by = self.arguments.trial_seconds, "COMPLETE", "schedule"
        for point in train(
            training, micro_batch=micro_batch, after_batch=after_batch, trial_seconds=seconds
        ):
            self.curve.append(point)
            if self.report_evaluation(point):
                state, ended_by = "PRUNED", "pruned"
                break
            if stops_early((SIGN * float(point[METRIC]) for point in self.curve), config):
                ended_by = "early_stopping"
                break
        best = min(self.curve, key=lambda evaluation: SIGN * float(evaluation[METRIC]))
        return {
            **{name: value for name, value in best.items() if name != unit},
            "state": state,
            "value": (best if state == "COMPLETE" else self.curve[-1])[METRIC],
            f"best_{unit}": best[unit],
            f"{unit}s_trained": self.curve[-1][unit],
            "ended_by": ended_by,
            "micro_batch": micro_batch,
            "accumulation_steps": -(-config["batch_size"] // micro_batch),
            "train_seconds": training.seconds,
            "samples_per_second": training.samples / training.seconds,
            "peak_memory_bytes": peak_memory(self.device),
            "train_flops": self.costs[config["arch_idx"]].sample_flops * training.samples,
        }

    def report_evaluation(self, point: Mapping[str, Any]) -> bool:
        """Write an evaluation; return whether the pruner ends the trial.

        The line waits for the next round if rounds are slow, which may take 1 % of the time.
        """
        (unit, step), *metrics = point.items()
        self.optuna_study.update()
        self.optuna_study.report(self.number, step, point[METRIC])
        pruned = step >= self.prunable_from and self.optuna_study.prunes(self.number)
        self.write("evaluation", {"unit": unit, "step": step, **dict(metrics)})
        if time.monotonic() > self.next_round:
            self.sync()
        return pruned


# --- Claims of trials: a run claims a trial, trains it, writes its end, and claims the next one --
# The next trial is the lowest number below N_TRIALS that has no end line and whose lock is free.
# So the total is exact, a killed trial resumes under its number, and workers need no coordinator.
# The configurations are, in this order: the extremes, WARM_START, --enqueue, the sampler's, and
# reruns.


def failure(error: Exception) -> dict[str, Any]:
    """Return the fields of the end line of a trial that raised an error."""
    reasons = {DivergedError: "diverged", KilledError: "killed"}
    last = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "state": "FAIL",
        "value": None,
        "fail_reason": "oom" if out_of_memory(error) else reasons.get(type(error), "error"),
        "error": f"{type(error).__name__}: {error}",
        "where": f"{Path(last.filename).name}:{last.lineno} in {last.name}",
    }


class Search(TrialTraining):
    """The trials of one run, claimed one after another."""

    next_results = 0.0  # earliest time to write the results again, which takes 1 % of the run

    @staticmethod
    def plan(
        task: Task, device: torch.device, _arguments: Namespace
    ) -> tuple[dict[int, ShapeCost], int]:
        """Return the cost of each architecture, and the bytes that training may use."""
        return measure_shapes(task), free_memory(device)

    def run(self) -> int:
        """Run trials up to the total; return the exit code: 1 if none is complete."""
        self.optuna_study.rebuild()
        self.arguments.out.mkdir(parents=True, exist_ok=True)
        reason, code = "error", 2
        try:
            while (number := self.next_trial()) is not None:
                self.run_trial(number)
            counts = self.log.study.counts()
            reason, code = "trials", 0 if counts["complete"] or counts["running"] else 1
        except Interrupted as stop:
            reason, code = stop.reason, stop.code
            hint = f" after you remove {self.stops.file}" if reason == "STOP" else ""
            say(f"stopped: {reason}. To continue, run the same command again{hint}")
        finally:
            self.close_run(reason)
        return code

    def close_run(self, reason: str) -> None:
        """Write the end line of the run, and the results of the study."""
        with suppress(Interrupted), self.log.round() as study:
            totals = summary(study)
            results = {name: totals[name] for name in (*STATES, "best_trial", "best_value")}
            self.log.write("run_end", {"reason": reason, **results})
        self.write_results()

    def next_trial(self) -> int | None:
        """Return the next trial, locked and claimed; None if no trial is left."""
        if stop := self.stops.asked():
            raise stop
        with self.log.round() as study:
            ended = {n for n, trial in study.trials.items() if trial.finished}
            left = (n for n in range(self.arguments.n_trials) if n not in ended)
            number = next((n for n in left if self.log.lock_trial(n)), None)
            trial = None if number is None else study.trials.get(number)
            self.resumed = trial is not None and trial.datetime_start is not None
            if number is not None and not self.resumed:
                self.start_trial(number, study, *given_params(number, study, self.arguments))
        self.sync()
        return number

    def start_trial(
        self, number: int, study: LoggedStudy, params: Mapping[str, Any], origin: dict[str, Any]
    ) -> None:
        """Choose the configuration of a trial and claim it."""
        config = self.optuna_study.ask(number, params)
        arch_idx = SPACE.decode(config)
        row, cost = ARCHITECTURES[arch_idx], self.costs[arch_idx]
        trained = {name: value for name, value in config.items() if name not in SPACE.sizes()}
        config_id = digest([row, trained])[:12]
        equal = [n for n, t in study.trials.items() if t.attributes.get("config_id") == config_id]
        if equal and "rerun_of" not in origin:
            origin |= {"kind": "repeat", "repeat_of": min(equal)}
        fields = {
            "trial": number,
            "arch_idx": arch_idx,
            **{axis: size for axis, size in row.items() if axis != "params"},
            "param_count": cost.params,
            **config,
            **self.task.training_length(config),
            "micro_batch": cost.micro_batch(free_memory(self.device), config["batch_size"]),
            "seed": self.arguments.seed,
            **origin,
            "config_id": config_id,
            "datetime_start": str(datetime.now()),
        }
        self.log.write("trial_start", {**fields, **self.optuna_study.kept(number)})

    def run_trial(self, number: int) -> None:
        """Train one trial, from its checkpoint if it has one, and write its end."""
        self.begin_trial(number)
        try:
            result = self.train_trial()
        except Exception as error:  # a failed trial must not end the study
            result = failure(error)
        result |= {"seconds": time.monotonic() - self.began, "learning_curve": self.curve}
        if self.end_trial(result):
            self.checkpoint.remove()
            best = self.log.study.best(DIRECTION)
            lead = f"best {best.value:.5g} (trial {best.number})" if best else "none complete yet"
            outcome = result.get("fail_reason", result["value"])
            self.progress.end(f"{result['state']} {outcome}  {lead}")

    def end_trial(self, result: Mapping[str, Any]) -> bool:
        """Write the end of the trial; return False if another run has claimed it."""
        with self.log.round() as study:
            trial = study.trials[self.number]
            owner = trial.claims[-1]
            locked = self.log.lock_trial(self.number)
            ours = locked and owner == self.log.run and not trial.finished
            if ours:
                times = {"datetime_start": trial.datetime_start}
                times["datetime_complete"] = str(datetime.now())
                level = "W" if "error" in result else "I"
                self.write("trial_end", {**trial.attributes, **result, **times}, level)
        self.sync()
        if not ours:
            say(f"trial {self.number} was claimed by run {owner}; this result is discarded")
        elif time.monotonic() > self.next_results:
            self.write_results()
        return ours

    def write_results(self) -> None:
        """Write the derived files; report an error such as a full disk, and continue."""
        began = time.monotonic()
        try:
            write_results(self.arguments.out, self.log.study)
        except OSError as error:
            say(f"results not written: {error}")
        now = time.monotonic()
        self.next_results = now + 100 * (now - began)


# --- Trials from outside: configurations of --enqueue, and trials of --history -------------------


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
    ended = [t for t in study.trials.values() if t.rerun_of is None and t.value is not None]
    lines = []
    for trial in ended:
        known = {**trial.attributes, "params": trial.attributes["param_count"]}
        with suppress(KeyError, ValueError):  # outside of this search space
            arch_idx = rows[tuple(known[axis] for axis in ARCHITECTURES[0])]
            params = normal_params(searched_params({**known, **SPACE.encode(arch_idx)}))
            fields: dict[str, Any] = {"from_study": study.study_id, "from_trial": trial.number}
            fields |= {"trial_params": params, "state": trial.state, "value": trial.value}
            curve = [{n: point[n] for n in (about["unit"], METRIC)} for point in trial.curve]
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


# --- Repeat: a recorded trial is trained again (--repeat), and every evaluation compared ---------


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


# --- Main: the study, or the mode that the command line selects, such as --dry-run ---------------


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
        known |= {(study.study_id, number) for number in study.trials}  # a copy of this log
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


if __name__ == "__main__":
    TASK_DATA = Task(ARGUMENTS.data, None if ARGUMENTS.new_data else DATA_SHA256)
    sys.exit(main(ARGUMENTS, TASK_DATA))
