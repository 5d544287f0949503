"""Names of the dialects with the same meaning here, and ways out for those with none."""

from __future__ import annotations

from typing import Any

from hpogen.aliases import ALIASES
from hpogen.yaml_file import Place

NATIVE = {alias: place for place, aliases in ALIASES.items() for alias in aliases}
GROUPS = ("training", "model", "optimizer")  # in names such as training.learning_rate

METRICS = {"val/loss": "val_loss", "val_auc": "auc", "val/auc": "auc"}

# Fixed values that say what every script does anyway.
ALWAYS: dict[str, tuple[Any, str]] = {
    "optimizer": ("adamw", "AdamW is what every script trains with"),
    "scheduler": ("cosine", "warm-up and a cosine is what every script has"),
    "lr_scheduler": ("cosine", "warm-up and a cosine is what every script has"),
    "decay_lr": (True, "warm-up and a cosine is what every script has"),
    "gradient_accumulation_steps": (1, "batch_size is what one optimizer step sees"),
    "accumulation_steps": (1, "batch_size is what one optimizer step sees"),
    "wandb_log": (False, "a script reports to nobody"),
}

ONE_DROPOUT = "dropout is one value for the whole model"
ONE_OPTIMIZER = "AdamW is the only one; leave it out"
ONE_SCHEDULE = "warm-up and a cosine to the last step is the only one; leave it out"
ONE_BATCH = "give as batch_size what one optimizer step sees, whatever fits at once"
TEXT_PATH = "say data: {data_path: FILE}"

WAYS_OUT = {
    "accumulation_steps": ONE_BATCH,
    "attention_dropout": ONE_DROPOUT,
    "baseline_config_path": "no other file is read; write its values under fixed",
    "constraints": "expressions are not evaluated; architecture: {where: …, skip: […]} leaves"
    " architectures out, search: {NAME: {…, when: {OTHER: value}}} makes a parameter conditional",
    "d_ff": "d_ff_ratio is the width of the feed-forward layer as a multiple of d_model",
    "data_dir": TEXT_PATH,
    "dataset": TEXT_PATH,
    "decay_lr": ONE_SCHEDULE,
    "device": "the script has --device",
    "directions": "a script has one objective: metric, and its direction",
    "dtype": "the script chooses by the device; leave it out",
    "eval_iters": "splits: {val_bytes: N} says how much an evaluation reads",
    "evaluate_on_test": "a search never reads the test split; hpogen render --kind final does",
    "gradient_accumulation_steps": ONE_BATCH,
    "hidden_dropout": ONE_DROPOUT,
    "lr_decay_iters": ONE_SCHEDULE,
    "lr_scheduler": ONE_SCHEDULE,
    "min_lr": "min_lr_ratio is the end of the schedule as a share of learning_rate",
    "n_jobs": "start the script several times instead",
    "optimizer": ONE_OPTIMIZER,
    "out_dir": "the script has --out",
    "scheduler": ONE_SCHEDULE,
    "seeds": "a search trains a configuration with one seed; several are for the best ones:"
    " hpogen render --kind final --seeds N",
    "step": "a float has none; say type: categorical with choices",
    "timeout": "timeout_hours, in hours",
    "use_best_encoder": "each study stands by itself; write the chosen values under fixed",
    "use_revin": "say options: {inputs: revin}",
    "wandb_log": "a script reports to nobody; leave it out",
    "warmup_ratio": "warmup_steps counts optimizer steps",
    "when": "conditions are written in hpogen's own schema:"
    " search: {NAME: {…, when: {OTHER: value}}}",
}


def native_place(name: str) -> Place | None:
    """Return where hpogen says what a name of the dialects means, None if nowhere."""
    group, dot, rest = name.partition(".")
    return NATIVE.get(rest if dot and group in GROUPS else name)
