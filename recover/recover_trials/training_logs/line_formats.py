"""Lines of training scripts: measurements at a step, results at the end, and settings.

The forms are those of nanochat and autoresearch (`step 00010/02000 (0.50%) | loss: 5.1 | ...`, and
the records `eval step=10 val_bpb=0.9`, `summary depth=12 ...`), of
modded-nanogpt (`step:125/1750 val_loss:4.2887 train_time:12345ms`) and llm.c (`s:125 tel:4.2887`),
of nanoGPT (`step 250: train loss 1.9, val loss 2.0`), of the Trainer of transformers
(`{'eval_loss': 1.9, 'epoch': 0.5}`), of Syne Tune's reporter (`[tune-metric]: {json}`), and
`METRIC name=value`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from recover_trials.optuna_log.literals import parse_mapping

NUMBER = (
    r"[-+]?(?:\d{1,3}(?:,\d{3})+|(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?|(?i:nan|inf(?:inity)?))"
)
UNIT = r"(ms|s|m|MiB| MiB|%)?"
STEP = re.compile(r"(?:[Ss]tep:? *|\biter |\bs:|\ds:)\d")
PIPED = re.compile(r"[Ss]tep:? *(\d{1,12})(?:/(\d{1,12}))?(?: \([\d.]+%\))? *\| *(.+)")
PIPED_PAIR = re.compile(rf"([A-Za-z][\w ./-]*?): ({NUMBER}){UNIT}")
COLON = re.compile(r"s(?:tep)?:(\d{1,12})(?:/(\d{1,12}))? +(\w+:\S.*)")
COLON_PAIR = re.compile(rf"(\w+):({NUMBER}){UNIT}")
WORDS = re.compile(r"([Ss]tep|iter) (\d{1,12}): (.+)")
WORDS_PAIR = re.compile(rf"([a-z][a-z ]*?) ({NUMBER}){UNIT}")
# After a progress bar, if one precedes the record in its line.
TRAINER = re.compile(r"(?:[^{]*[\]\s])?(\{'[^{}]*'epoch': [^{}]*\})")
STOPPED = re.compile(r"stopping_early: .*\bstep:(\d{1,12})/\d{1,12}")
RECORD = re.compile(r"(eval|core|step|params|summary|model)((?: [\w./-]+=(?:'[^']*'|[^\s'\"]+))+)")
RECORD_PAIR = re.compile(rf" ([\w./-]+)=({NUMBER})(?= |\Z)")
TUNE = re.compile(r"\[tune-metric\]: (\{.*\})")
METRIC = re.compile(r"METRIC (\S.*)")
METRIC_PAIR = re.compile(rf"([\w./-]+)=({NUMBER})")
END = re.compile(
    r"(Total training time|Minimum validation bpb|Peak memory usage|peak memory allocated)"
    rf": ({NUMBER}){UNIT}(?: reserved: .*)?"
)
SETTING = re.compile(
    r"(Total number of training tokens|Total training FLOPs estimate|Estimated FLOPs per token"
    r"|Number of parameters|Calculated number of iterations|Total batch size|num_layers|model_dim"
    r"|num_heads|total|transformer_matrices)(?: from [\w :]{1,60})? {0,60}:?"
    rf" ({NUMBER})(?: =>.*)?"
)
POSITIVE = re.compile(r"bpb|perplexity|ppl")  # metrics that are never 0
SECONDS = {"ms": (1, 1000), "s": (1, 1), "m": (60, 1)}  # numerators and denominators
# Names of the table for names in logs.
NAMES = {
    "loss": "train_loss",
    "tel": "val_loss",
    "trl": "train_loss",
    "validation bpb": "val_bpb",
    "minimum validation bpb": "min_val_bpb",
    "total time": "train_seconds",
    "train_time": "train_seconds",
    "total training time": "train_seconds",
    "training_seconds": "train_seconds",
    "st_worker_time": "train_seconds",
    "st_worker_cost": "cost",
    "tok/sec": "tokens_per_second",
    "peak memory usage": "peak_memory_mib",
    "peak memory allocated": "peak_memory_mib",
    "peak_vram_mb": "peak_memory_mib",
    "total number of training tokens": "tokens",
    "total training flops estimate": "flops",
    "estimated flops per token": "flops_per_token",
    "number of parameters": "param_count",
    "total": "param_count",
    "calculated number of iterations": "iterations",
    "num_params": "param_count",
    "num_iterations": "iterations",
    "tokens_trained": "tokens",
    "train_time_sec": "train_seconds",
    "peak_vram_mib": "peak_memory_mib",
    "core": "core_metric",
}
STEPS = ("step", "epoch", "st_worker_iter")


EPOCH = "'epoch': "
# Beginnings of lines that have content if they are whole.
DAMAGED = ("METRIC ", "[tune-metric]", "eval step=", "core step=", "summary model_tag=")


def is_damaged(line: str) -> bool:
    """Return whether a line without content was written as a measurement."""
    is_step = PIPED.match(line) or COLON.match(line) or WORDS.match(line)
    is_glued = is_step and len(STEP.findall(line)) > 1
    is_record = EPOCH in line and "loss': " in line
    return bool(is_glued) or is_record or line.startswith(DAMAGED)


class Measures(NamedTuple):
    """The content of a line.

    Attributes:
        kind: `step`, `setting`, `end`, `stop`, a step that becomes the last one, `epoch`, a
            measurement without a step, `model`, a whole run, or `metric`, a result whose
            repetition begins another run.
        values: by their names in the table; times in seconds.
        decimals: number of digits after the point, which a cut number lacks.
        step: of a measurement within the training.
        total: number of steps of the run, if the line has it.
    """

    kind: str
    values: dict[str, Any]
    step: int = 0
    total: int | None = None
    decimals: dict[str, int] = {}  # noqa: RUF012  # never changed


def measures_of(line: str) -> Measures | None:
    """Return the content of a line; None for other and for cut lines."""
    if line[:1] in ("S", "s", "i") and (measures := step_of(line)):
        return measures
    for pattern, read in READERS.items():
        if match := pattern.fullmatch(line):
            return read(match)
    return None


def step_of(line: str) -> Measures | None:
    """Read measurements at a step; None for two lines without a line end between them."""
    if len(STEP.findall(line)) > 1:
        return None
    if match := PIPED.fullmatch(line):
        parts = [part.strip() for part in match[3].split("|")]
        return at_step(match[1], match[2], [PIPED_PAIR.fullmatch(part) for part in parts])
    if match := COLON.fullmatch(line):
        return at_step(match[1], match[2], list(map(COLON_PAIR.fullmatch, match[3].split())))
    if match := WORDS.fullmatch(line):
        # The loss of one batch differs from the mean of an evaluation at the same step.
        words = match[3].replace("loss", "batch loss") if match[1] == "iter" else match[3]
        return at_step(match[2], None, [WORDS_PAIR.fullmatch(part) for part in words.split(", ")])
    return None


def at_step(step: str, total: str | None, pairs: list[re.Match[str] | None]) -> Measures | None:
    """Return measurements; a pair in another form, such as a cut one, is left out."""
    whole = [pair.groups() for pair in pairs if pair]
    values = dict(named(*pair) for pair in whole)
    decimals = {name: decimals_of(pair[1]) for name, pair in zip(values, whole, strict=False)}
    steps = int(step), int(total) if total else None
    return Measures("step", values, *steps, decimals) if values else None


def decimals_of(number: str) -> int:
    return len(number.partition(".")[2])


def named(name: str, number: str, unit: str | None) -> tuple[str, Any]:
    """Return the name in the table and the value; a time is in seconds."""
    lower = name.strip().lower()
    short = re.sub(r"\W+", "_", lower)
    factor = SECONDS.get(unit or "")
    value = number_of(number)
    if factor is not None:  # a quotient has no error of a factor such as 0.001
        value = value * factor[0] / factor[1]
    return NAMES.get(lower, short if factor is None else f"{short}_seconds"), value


def number_of(text: str) -> int | float:
    digits = text.replace(",", "")
    return int(digits) if re.fullmatch(r"[-+]?\d{1,18}", digits) else float(digits)


def of_trainer(match: re.Match[str]) -> Measures | None:
    """Read a record of transformers, whose version 5 prints numbers as strings."""
    record = parse_mapping(match[1]) or {}
    texts = {name: str(value) for name, value in record.items()}
    values = {name: number_of(v) for name, v in texts.items() if re.fullmatch(NUMBER, v)}
    if "epoch" not in values or len(values) == 1:
        return None
    if "train_runtime" in values:
        seconds, loss = values.pop("train_runtime"), values.pop("train_loss", math.nan)
        return Measures("end", {"train_seconds": seconds, "mean_train_loss": loss, **values})
    if "loss" in values:
        values["train_loss"] = values.pop("loss")
    return Measures("epoch", values)


def of_record(match: re.Match[str]) -> Measures | None:
    """Read a record of nanochat; its texts, such as the name of the model, are left out."""
    pairs: dict[str, str] = dict(RECORD_PAIR.findall(match[2]))
    values = {NAMES.get(name, name): number_of(number) for name, number in pairs.items()}
    if match[1] == "params":
        return (
            Measures("setting", {"param_count": values["param_count"]})
            if "total" in pairs
            else None
        )
    if match[1] in ("summary", "model"):
        return Measures("end" if match[1] == "summary" else "model", values) if values else None
    measures = with_step(values)
    digits = {NAMES.get(name, name): decimals_of(number) for name, number in pairs.items()}
    return None if measures is None else measures._replace(decimals=digits)


def reported(match: re.Match[str]) -> Measures | None:
    """Read a report of Syne Tune."""
    try:
        record = json.loads(match[1])
    except (ValueError, RecursionError):
        return None
    record.pop("st_worker_timestamp", None)
    values = {
        NAMES.get(name, name) if name.startswith("st_") else name: value
        for name, value in record.items()
        if is_number(value)
    }
    has_metric = any(name not in STEPS for name in values)
    return with_step(values) or (Measures("metric", values) if has_metric else None)


def metrics(match: re.Match[str]) -> Measures | None:
    """Read `name=value` pairs; a step among them makes them a point of a curve."""
    pairs = [METRIC_PAIR.fullmatch(pair) for pair in match[1].split()]
    values = {pair[1]: number_of(pair[2]) for pair in pairs if pair}
    zeros = [name for name, value in values.items() if value == 0]
    if not values or None in pairs or any(map(is_never_zero, zeros)):
        return None  # a missing number is not 0
    return with_step(values) or Measures("metric", values)


def with_step(values: dict[str, Any]) -> Measures | None:
    """Return measurements at the step that one of the values names; None without one."""
    names = [name for name in STEPS if isinstance(values.get(name), int)]
    if not names:
        return None
    others = {name: value for name, value in values.items() if name not in STEPS}
    return Measures("step", others, values[names[0]]) if others else None


def is_never_zero(name: str) -> bool:
    """Return whether a 0 of a metric stands for a number that a script did not find."""
    return POSITIVE.search(name) is not None


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


READERS: dict[re.Pattern[str], Callable[[re.Match[str]], Measures | None]] = {
    TRAINER: of_trainer,
    RECORD: of_record,
    TUNE: reported,
    METRIC: metrics,
    END: lambda match: Measures("end", dict([named(*match.groups())])),
    STOPPED: lambda match: Measures("stop", {}, int(match[1])),
    SETTING: lambda match: Measures("setting", dict([named(match[1], match[2], None)])),
}
