"""The task families: the only module that knows any of them by name."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from hpo_script.language.sizes import count_params as gpt_params
from hpo_script.language.sizes import sample_bytes as gpt_bytes
from hpo_script.market.sizes import count_params as patchtst_params
from hpo_script.market.sizes import sample_bytes as patchtst_bytes
from hpogen.column_checks import column_warnings
from hpogen.config import plain_text
from hpogen.data_files import PRICE_COLUMNS, MarketFile, read_market, read_text_digest
from hpogen.errors import DataError, UsageError
from hpogen.family import (
    Choice,
    Constant,
    DataFacts,
    Family,
    Param,
    Schedule,
    Switch,
    TaskKind,
    local_path,
)
from hpogen.yaml_file import shown

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Zero = Annotated[float, Field(ge=0)]
AboveZero = Annotated[float, Field(gt=0)]
UpToOne = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
UpTo = Annotated[float, Field(gt=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(plain_text)]
Column = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(plain_text)]
Columns = Annotated[list[Column], Field(min_length=1)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def log_float(low: float, high: float) -> dict[str, Any]:
    """Return the search entry of a float on a log scale."""
    return {"type": "float", "low": low, "high": high, "log": True}


def uniform(low: float, high: float) -> dict[str, Any]:
    """Return the search entry of a float."""
    return {"type": "float", "low": low, "high": high, "log": False}


def categorical(*choices: float) -> dict[str, Any]:
    """Return the search entry of a few values."""
    return {"type": "categorical", "choices": list(choices)}


def optimizer_params(
    *,
    learning_rate: dict[str, Any],
    weight_decay: dict[str, Any],
    dropout: dict[str, Any],
    warmup_steps: dict[str, Any],
) -> tuple[Param, ...]:
    """Return the parameters every family trains with; only the searched ranges differ."""
    return (
        Param("learning_rate", learning_rate, AboveZero, "its peak"),
        Param("weight_decay", weight_decay, Zero, "matrices only"),
        Param("dropout", dropout, BelowOne, "of each branch"),
        Param("warmup_steps", warmup_steps, Count, "of linear warm-up"),
        Param("batch_size", 256, Positive, "samples per optimizer step, whatever fits at once"),
        Param("clip_norm", 1.0, AboveZero, "largest norm of the gradient"),
        Param("beta1", 0.9, BelowOne, "AdamW"),
        Param("beta2", 0.999, BelowOne, "AdamW"),
        Param("min_lr_ratio", 0.1, UpToOne, "end of the cosine, as a share of the peak"),
        Param("patience", 10, Positive, "evaluations without a gain before a trial stops"),
        Param("prune_from", 0.2, UpToOne, "share of its schedule before which none is pruned"),
        Param("min_delta", 0.001, Zero, "smallest gain that counts for patience"),
    )


def shapes(axes: Mapping[str, Any]) -> Iterator[dict[str, int]]:
    """Yield every combination of axes whose heads divide the width."""
    combinations = itertools.product(*(axes[name] for name in AXES))
    for d_model, n_layers, n_heads, d_ff_ratio in combinations:
        d_ff = d_model * d_ff_ratio
        if d_model % n_heads == 0 and d_ff == int(d_ff):
            yield {
                "d_model": d_model,
                "n_layers": n_layers,
                "n_heads": n_heads,
                "d_ff": int(d_ff),
            }


AXES: dict[str, tuple[float, ...]] = {
    "d_model": (64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048),
    "n_layers": (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 160, 180, 192, 256),
    "n_heads": (2, 4, 8, 16, 32),
    "d_ff_ratio": (2, 4),
}

# For budgets at which AXES give fewer than five shapes.
SMALL_AXES: dict[str, tuple[float, ...]] = {
    "d_model": (16, 24, 32, 48, 64, 96, 128, 192, 256),
    "n_layers": (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24),
    "n_heads": (2, 4, 8, 16),
    "d_ff_ratio": (2, 4),
}


def check_market(constants: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (constant, what is wrong) for values that do not go together."""
    wrong = []
    context, longest = constants["context_length"], constants["max_context_length"]
    if context > longest:
        wrong.append(("context_length", f"{context} is above max_context_length {longest}"))
    if constants["patch_length"] > context:
        wrong.append(("patch_length", f"{constants['patch_length']} is above {context} days"))
    if constants["train_fraction"] + constants["val_fraction"] >= 1:
        wrong.append(("val_fraction", "no rows are left for the test split"))
    columns = constants["feature_columns"]
    if "Date" in columns or len(set(columns)) < len(columns):
        wrong.append(("feature_columns", "Date, or a column given twice"))
    return wrong + check_dates(constants["train_end"], constants["val_end"])


def check_dates(train_end: str | None, val_end: str | None) -> list[tuple[str, str]]:
    """Return (constant, what is wrong) for explicit ends of the splits."""
    if (train_end is None) != (val_end is None):
        return [("train_end", "give both train_end and val_end, or neither")]
    ends = (("train_end", train_end), ("val_end", val_end))
    wrong = [(name, f"{text} is no date") for name, text in ends if text and not is_date(text)]
    if train_end and val_end and train_end >= val_end:
        wrong.append(("val_end", f"{val_end} is not after train_end {train_end}"))
    return wrong


def is_date(text: str) -> bool:
    """Tell whether a text is a day of the calendar."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_text(constants: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (constant, what is wrong) for values that do not go together."""
    wrong = []
    if constants["train_fraction"] + constants["val_fraction"] >= 1:
        wrong.append(("val_fraction", "no bytes are left for the test split"))
    pattern = constants["file_pattern"]
    parts = PurePosixPath(pattern).parts
    if not parts or parts[0] == "/" or any("**" in part and part != "**" for part in parts):
        wrong.append(("file_pattern", f"{shown(pattern)} is no pattern such as **/*.txt"))
    return wrong


def count_market(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return the exact number of parameters of an architecture."""
    return patchtst_params(arch, **market_sizes(constants, options))


def market_sample_bytes(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return an estimate of what one sample keeps for the backward pass."""
    return patchtst_bytes(arch, **market_sizes(constants, options))


def market_sizes(constants: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Any]:
    """Return the constants, besides the architecture, that set the sizes of the model."""
    return {
        "inputs": options["inputs"],
        "n_columns": len(constants["feature_columns"]),
        "context_length": constants["context_length"],
        "patch_length": constants["patch_length"],
        "stride": constants["stride"],
    }


def read_market_data(path: str, said: Mapping[str, Any]) -> DataFacts:
    """Return the properties of a file of daily rows. Raises DataError."""
    found = read_market(Path(path), min_rows=MIN_ROWS)
    numeric = found.feature_columns
    columns = said.get("feature_columns", numeric)
    for name in columns if isinstance(columns, list) else []:
        if name not in numeric:
            wrong = "holds text" if name in found.left_out else "is not there"
            raise DataError(
                f"{shown(path)}: column {shown(str(name))} {wrong}; numeric are"
                f" {shown(', '.join(numeric), 300)}"
            )
    constants = {
        "feature_columns": columns,
        "data_path": local_path(path),
        "data_sha256": found.sha256,
        "data_range": [found.dates[0], found.dates[-1]],
    }
    n_train = count_train_rows(found, said)
    check_splits(shown(path), found, columns, said, max(n_train, 1))
    notes = [
        f"column {shown(name)} holds text ('{value}') and is left out"
        for name, value in found.left_out.items()
    ]
    return DataFacts(constants, notes, column_warnings(found.values, columns), n_train)


def count_train_rows(found: MarketFile, said: Mapping[str, Any]) -> int:
    """Return the number of rows in the training split, 0 if a setting of it is invalid."""
    if train_end := said.get("train_end"):
        return sum(day <= str(train_end) for day in found.dates)
    share = said.get("train_fraction", 0.7)
    return round(len(found.dates) * share) if isinstance(share, float) else 0


def check_splits(
    path: str, found: MarketFile, columns: Sequence[str], said: Mapping[str, Any], n_train: int
) -> None:
    """Refuse splits without test rows, and columns without change in training. DataError."""
    val_end = said.get("val_end")
    if val_end and str(val_end) >= found.dates[-1]:
        raise DataError(f"{path}: no row is left for the test split after val_end {val_end}")
    if constant := [name for name in columns if found.still[name] >= n_train]:
        raise DataError(
            f"{path}: {shown(', '.join(constant))} never changes in the training rows; leave it"
            " out of feature_columns"
        )


def describe_market_inputs(constants: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """Return the feature columns, each with the form in which it enters the model."""
    columns = constants["feature_columns"]
    inputs = MARKET.options["inputs"][options["inputs"]]
    if options["inputs"] != "scale_free":
        return f"{', '.join(columns)}: {inputs.about}"
    prices = [name for name in columns if name in PRICE_COLUMNS]
    others = [name for name in columns if name not in (*PRICE_COLUMNS, "Volume")]
    forms = {
        "as log ratio to the previous close": prices,
        "as log ratio to its 20-day mean": [name for name in columns if name == "Volume"],
        "unchanged": others,
    }
    told = [f"{', '.join(names)} {form}" for form, names in forms.items() if names]
    return f"{'; '.join([*told, 'ln(High / Low)'])}; standardised on training rows"


def count_market_samples(
    constants: Mapping[str, Any], horizon: int | None, n_train_rows: int | None
) -> int | None:
    """Return the number of training samples; None if the file is unknown."""
    rows = n_train_rows
    if rows is None and constants["data_path"] == DEMO_PATH and not constants["train_end"]:
        rows = round(DEMO_ROWS * constants["train_fraction"])
    if rows is None:
        return None
    days: int = rows - (horizon or 0) - (constants["max_context_length"] - 1)
    subset: float = constants["train_subset"]
    return max(round(days * subset), 0)


def market_schedule(config: Mapping[str, Any], n_samples: int | None) -> Schedule:
    """Return the length of a trial: one evaluation per epoch."""
    epochs = config["epochs"]
    if not n_samples:
        return Schedule(epochs, 1, epochs, None, None)
    n_batches = math.ceil(n_samples / config["batch_size"])
    return Schedule(epochs, 1, epochs, n_batches, epochs * n_batches)


def read_text_data(path: str, said: Mapping[str, Any]) -> DataFacts:
    """Return the properties of a text. Raises DataError."""
    pattern = said.get("file_pattern", DEFAULT_PATTERN)
    digest = read_text_digest(Path(path), str(pattern))
    return DataFacts({"data_path": local_path(path), "data_sha256": digest}, [], [])


def describe_text_inputs(constants: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """Return the form in which a text enters the model."""
    del options
    return f"bytes of text, {constants['context_length']:,} at a time"


def count_text_samples(
    constants: Mapping[str, Any], horizon: int | None, n_train_rows: int | None
) -> None:
    """Return None: the length of a trial does not depend on the number of samples."""
    del constants, horizon, n_train_rows


def text_schedule(config: Mapping[str, Any], n_samples: int | None) -> Schedule:
    """Return the length of a trial: an evaluation every `eval_interval` optimizer steps."""
    del n_samples
    steps, interval = config["steps"], min(config["eval_interval"], config["steps"])
    return Schedule(-(-steps // interval), interval, steps, interval, steps)


def count_text(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return the exact number of parameters of an architecture."""
    del options
    return gpt_params(arch, context_length=constants["context_length"])


def text_sample_bytes(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return an estimate of what one sample keeps for the backward pass."""
    del options
    return gpt_bytes(arch, context_length=constants["context_length"])


LOSSES = {
    "bce": Choice({"loss": "market/losses/bce"}, "binary cross-entropy"),
    "weighted_bce": Choice(
        {"loss": "market/losses/weighted_bce"},
        "cross-entropy, the rarer class weighted up",
        (Param("class_balance", 1.0, UpToOne, "0 plain, 1 both classes weigh the same"),),
        "auc",
    ),
    "focal": Choice(
        {"loss": "market/losses/focal"},
        "focal loss",
        (
            Param("focal_gamma", 2.0, Zero, "how much easy samples are weighted down"),
            Param("focal_alpha", 0.25, UpToOne, "weight of the positives"),
        ),
        "auc",
    ),
    "soft_auc": Choice(
        {"loss": "market/losses/soft_auc"},
        "pairs in the wrong order, smoothed",
        (Param("auc_gamma", 2.0, AboveZero, "steepness"),),
        "auc",
        {"accumulate": "experiment/accumulate_pairs"},
    ),
}
Loss = Literal["bce", "weighted_bce", "focal", "soft_auc"]

MIN_ROWS = 300  # fewer leave no 100 validation samples with the default splits
DEFAULT_PATTERN = "**/*.py"
DATE = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
DateRange = Annotated[list[DATE], Field(min_length=2, max_length=2)]
DEMO_PATH, DEMO_ROWS = "data/sp500.csv", 5031  # of `hpogen demo-data sp500`
SP500_COLUMNS = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]

# The second half of every script.
MACHINERY = (
    "machinery/trial_log",
    "machinery/logged_study",
    "machinery/log_file",
    "machinery/mounts",
    "{sampler}",
    "machinery/memory_study",
    "machinery/checkpoint",
    "machinery/device",
    "machinery/stops",
    "machinery/progress",
    "machinery/results",
    "machinery/dry_run",
    "machinery/repeat",
    "machinery/search",
    "machinery/main",
    "{sections}",
)

MARKET = Family(
    name="patchtst",
    tasks=(
        TaskKind(
            r"threshold_(?!0+(\.0+)?pct)\d{1,3}(\.\d{0,3}[1-9])?pct",
            "threshold_<x>pct",
            "Will the High reach Close + x % within the horizon, in trading days?",
            {"labels": "market/labels_threshold"},
        ),
        TaskKind(
            "direction",
            "direction",
            "Will the Close be higher at the horizon, in trading days, than today?",
            {"labels": "market/labels_direction"},
        ),
    ),
    default_task="threshold_1pct",
    has_horizon=True,
    axes=AXES,
    small_axes=SMALL_AXES,
    small_below=1_000_000,
    candidates=shapes,
    count_params=count_market,
    sample_bytes=market_sample_bytes,
    free_axes=("n_heads",),
    extreme_axes=("d_model", "n_layers", "n_heads"),
    read_data=read_market_data,
    describe_inputs=describe_market_inputs,
    count_samples=count_market_samples,
    schedule=market_schedule,
    length_params=("epochs", "batch_size"),
    constants=(
        Constant("data_path", "data", DEMO_PATH, Name, "CSV or Parquet"),
        Constant("data_sha256", "data", None, Digest | None, "of that file; checked if given"),
        Constant(
            "data_range", "data", None, DateRange | None, "its first and last date", "data_path"
        ),
        Constant("feature_columns", "data", SP500_COLUMNS, Columns, "columns the model sees"),
        Constant("train_fraction", "splits", 0.7, Share, "of all rows, in the order of dates"),
        Constant("val_fraction", "splits", 0.15, Share, "the rest is test: nothing is made of it"),
        Constant("train_subset", "splits", 1.0, UpTo, "of the training days, evenly spread"),
        Constant("train_end", "splits", None, DATE | None, "last training date, if given"),
        Constant("val_end", "splits", None, DATE | None, "last validation date, if given"),
        Constant(
            "min_val_samples",
            "splits",
            100,
            Positive,
            "fewer, or fewer training samples, are refused",
        ),
        Constant("min_class_samples", "splits", 10, Positive, "fewer of a class are refused"),
        Constant("context_length", "model", 60, Positive, "days the model sees"),
        Constant("max_context_length", "model", 60, Positive, "trims the label days"),
        Constant("patch_length", "model", 10, Positive, "days per patch"),
        Constant("stride", "model", 5, Positive, "days between patches"),
    ),
    check=check_market,
    params=(
        Param("epochs", categorical(50, 75, 100), Positive, "passes over the training days"),
        *optimizer_params(
            learning_rate=log_float(1e-4, 1e-3),
            weight_decay=log_float(1e-4, 5e-3),
            dropout=uniform(0.1, 0.3),
            warmup_steps=categorical(100, 200, 300, 500),
        ),
        Param("loss", "bce", Loss, "what is minimised"),
    ),
    options={
        "inputs": {
            "revin": Choice(
                {"inputs": "market/inputs_revin"}, "raw columns, normalised per window"
            ),
            "revin_stats": Choice(
                {"inputs": "market/inputs_revin_stats"},
                "the same, with the removed level and spread given back",
            ),
            "scale_free": Choice(
                {"inputs": "market/inputs_scale_free"},
                "log ratios, range and relative volume, standardised on training rows",
            ),
            "zscore": Choice(
                {"inputs": "market/inputs_zscore"},
                "raw columns, standardised on training rows",
            ),
        },
    },
    switches={"loss": Switch("losses", "_loss", LOSSES)},
    default_options={"inputs": "scale_free"},
    metrics={"val_loss": "minimize", "auc": "maximize", "brier": "minimize"},
    default_metric="val_loss",
    parts=(
        "experiment/shared",
        "{labels}",
        "experiment/transformer",
        "market/model",
        "{inputs}",
        "market/metrics",
        "{loss}",
        "market/data",
        "{accumulate}",
        "experiment/training",
        "experiment/arch_space",
        "experiment/space",
        *MACHINERY,
    ),
)

TEXT = Family(
    name="gpt",
    tasks=(TaskKind("byte_lm", "byte_lm", "Which byte of a text comes next?"),),
    default_task=None,
    has_horizon=False,
    axes={**AXES, "d_ff_ratio": (4,)},
    small_axes={**SMALL_AXES, "d_ff_ratio": (4,)},
    small_below=3_000_000,
    candidates=shapes,
    count_params=count_text,
    sample_bytes=text_sample_bytes,
    free_axes=("n_heads",),
    extreme_axes=("d_model", "n_layers", "n_heads"),
    read_data=read_text_data,
    describe_inputs=describe_text_inputs,
    count_samples=count_text_samples,
    schedule=text_schedule,
    length_params=("steps", "eval_interval"),
    constants=(
        Constant("data_path", "data", "data/stdlib.txt", Name, "text file or folder"),
        Constant("data_sha256", "data", None, Digest | None, "of the text; checked if given"),
        Constant("file_pattern", "data", DEFAULT_PATTERN, Name, "which files of a folder"),
        Constant("train_fraction", "splits", 0.8, Share, "of all bytes, from the start"),
        Constant("val_fraction", "splits", 0.1, Share, "the rest is test: nothing is made of it"),
        Constant("train_subset", "splits", 1.0, UpTo, "of the training bytes, from the end"),
        Constant("val_bytes", "splits", 262_144, Positive, "most that an evaluation reads"),
        Constant("context_length", "model", 256, Positive, "bytes the model sees"),
    ),
    check=check_text,
    params=(
        Param("steps", categorical(500, 1000, 2000), Positive, "optimizer steps"),
        Param("eval_interval", 50, Positive, "optimizer steps between evaluations"),
        *optimizer_params(
            learning_rate=log_float(3e-4, 3e-3),
            weight_decay=log_float(1e-2, 3e-1),
            dropout=uniform(0.0, 0.2),
            warmup_steps=categorical(50, 100, 200),
        ),
    ),
    options={},
    default_options={},
    metrics={"val_loss": "minimize", "bits_per_byte": "minimize"},
    default_metric="bits_per_byte",
    parts=(
        "experiment/shared",
        "experiment/transformer",
        "language/model",
        "language/data",
        "experiment/accumulate_mean",
        "experiment/training",
        "experiment/arch_space",
        "experiment/space",
        *MACHINERY,
    ),
)

FAMILIES = (MARKET, TEXT)
DEFAULT_TASK = "threshold_1pct"


def find_family(task: str | None) -> Family:
    """Return the family of a task, None being the default task. Raises UsageError."""
    wanted = DEFAULT_TASK if task is None else task
    for family in FAMILIES:
        if any(kind.matches(wanted) for kind in family.tasks):
            return family
    known = ", ".join(kind.example for family in FAMILIES for kind in family.tasks)
    raise UsageError(f"task {shown(wanted)!r} is unknown; there are {known}")
