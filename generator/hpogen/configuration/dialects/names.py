"""Keys of other schemas: their equivalents in hpogen, and hints for keys without one."""

from __future__ import annotations

from typing import Any

from hpogen.configuration.aliases import ALIASES
from hpogen.configuration.yaml_file import Place

NATIVE = {alias: place for place, aliases in ALIASES.items() for alias in aliases}
GROUPS = ("training", "model", "optimizer")  # in names such as training.learning_rate

METRICS = {"val/loss": "val_loss", "val_auc": "auc", "val/auc": "auc"}

# {name: (value, note)}: values that every script has; with this value, a key is only noted.
IMPLIED_VALUES: dict[str, tuple[Any, str]] = {
    "optimizer": ("adamw", "ignored; every script uses AdamW"),
    "scheduler": ("cosine", "ignored; every script uses a warm-up and a cosine schedule"),
    "lr_scheduler": ("cosine", "ignored; every script uses a warm-up and a cosine schedule"),
    "decay_lr": (True, "ignored; every script uses a warm-up and a cosine schedule"),
    "gradient_accumulation_steps": (1, "ignored; batch_size is the size per optimizer step"),
    "accumulation_steps": (1, "ignored; batch_size is the size per optimizer step"),
    "wandb_log": (False, "ignored; a script has no connection to W&B"),
}

ONE_DROPOUT = "write dropout, one value for the whole model"
ONE_OPTIMIZER = "AdamW is the only optimizer; leave it out"
ONE_SCHEDULE = "every script uses a warm-up and a cosine schedule; leave it out"
ONE_BATCH = "write the size per optimizer step as batch_size; the script splits it if needed"
TEXT_PATH = "write data: {data_path: FILE}"

HINTS = {
    "accumulation_steps": ONE_BATCH,
    "attention_dropout": ONE_DROPOUT,
    "baseline_config_path": "write the values of that file under fixed",
    "constraints": "write architecture: {where: …, skip: […]} to leave architectures out,"
    " search: {NAME: {…, when: {OTHER: value}}} for a conditional parameter",
    "d_ff": "write d_ff_ratio, the width of the feed-forward layer divided by d_model",
    "data_dir": TEXT_PATH,
    "dataset": TEXT_PATH,
    "decay_lr": ONE_SCHEDULE,
    "device": "leave it out; run the script with --device",
    "directions": "write metric and second_metric; their directions follow",
    "dtype": "leave it out; the script chooses the data type for the device",
    "eval_iters": "write splits: {val_bytes: N}, the size of the validation data",
    "evaluate_on_test": "leave it out; hpogen render --kind final evaluates the test split",
    "gradient_accumulation_steps": ONE_BATCH,
    "hidden_dropout": ONE_DROPOUT,
    "lr_decay_iters": ONE_SCHEDULE,
    "lr_scheduler": ONE_SCHEDULE,
    "min_lr": "write min_lr_ratio, the last learning rate divided by learning_rate",
    "n_jobs": "leave it out; start the script several times for several workers",
    "optimizer": ONE_OPTIMIZER,
    "out_dir": "leave it out; run the script with --out",
    "scheduler": ONE_SCHEDULE,
    "step": "a float has no step; write type: categorical with choices",
    "timeout": "write timeout_hours, in hours",
    "use_best_encoder": "write the values of the best encoder under fixed",
    "use_revin": "write options: {inputs: revin}",
    "wandb_log": "leave it out; a script has no connection to W&B",
    "warmup_ratio": "write warmup_steps, a number of optimizer steps",
    "when": "a dialect has no conditions; write hpogen's schema:"
    " search: {NAME: {…, when: {OTHER: value}}}",
}


def native_place(name: str) -> Place | None:
    """Return the place in hpogen's schema for a name in a dialect, None if there is none."""
    group, dot, rest = name.partition(".")
    return NATIVE.get(rest if dot and group in GROUPS else name)
