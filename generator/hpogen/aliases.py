"""Aliases: other names that people use for the settings of hpogen."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from hpogen.yaml_file import Place

# By the place of a setting; one step is a parameter, which search or fixed may hold.
ALIASES: dict[Place, tuple[str, ...]] = {
    ("learning_rate",): ("learning_rate", "lr"),
    ("weight_decay",): ("weight_decay", "wd"),
    ("dropout",): ("dropout",),
    ("warmup_steps",): ("warmup_steps", "warmup_iters"),
    ("batch_size",): ("batch_size", "effective_batch"),
    ("clip_norm",): ("clip_norm", "grad_clip", "max_grad_norm", "gradient_clip_val"),
    ("beta1",): ("beta1", "adam_beta1"),
    ("beta2",): ("beta2", "adam_beta2"),
    ("min_lr_ratio",): ("min_lr_ratio",),
    ("patience",): ("patience", "early_stopping_patience"),
    ("min_delta",): ("min_delta", "early_stopping_min_delta"),
    ("prune_from",): ("prune_from",),
    ("epochs",): ("epochs", "num_epochs", "n_epochs", "max_epochs", "num_train_epochs"),
    ("steps",): ("steps", "max_iters", "max_steps"),
    ("eval_interval",): ("eval_interval",),
    ("loss",): ("loss",),
    ("class_balance",): ("class_balance",),
    ("focal_gamma",): ("focal_gamma",),
    ("focal_alpha",): ("focal_alpha",),
    ("auc_gamma",): ("auc_gamma",),
    ("architecture", "d_model"): ("d_model", "n_embd"),
    ("architecture", "n_layers"): ("n_layers", "n_layer", "num_layers"),
    ("architecture", "n_heads"): ("n_heads", "n_head", "num_heads"),
    ("architecture", "d_ff_ratio"): ("d_ff_ratio",),
    ("model", "context_length"): ("context_length", "block_size"),
    ("model", "patch_length"): ("patch_length", "patch_len"),
    ("model", "stride"): ("stride",),
    ("data", "data_path"): ("data_path",),
    ("data", "feature_columns"): ("feature_columns",),
    ("study", "seed"): ("seed",),
}
NAME_OF_ALIAS = {alias: str(place[-1]) for place, aliases in ALIASES.items() for alias in aliases}


def normalised(word: str) -> str:
    """Return a word without case, hyphens and underscores."""
    return re.sub(r"[-_ ]", "", word).lower()


def closest_name(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that a word means most likely, None if there is no candidate."""
    names = {normalised(name): name for name in known}
    if (name := NAME_OF_ALIAS.get(word)) in names.values():
        return name
    matches = difflib.get_close_matches(normalised(word[:100]), names, n=1)
    return names[matches[0]] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown word: the closest known name, else all known names."""
    known = list(known)
    if name := closest_name(word, known):
        return f"did you mean {name}?"
    return f"known: {', '.join(known)}" if known else "there is none"
