"""Names of settings: their aliases in other tools, and suggestions for unknown names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from hpogen.configuration.yaml_file import Place

# By the place of a setting; a place of one step is a parameter, below `search` or `fixed`.
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
METHOD_ALIASES = {"asha": "successive_halving", "nop": "none", "cma": "cmaes", "bayesian": "gp"}
PLACE_OF_ALIAS = {alias: place for place, aliases in ALIASES.items() for alias in aliases}
NAME_OF_ALIAS = {alias: str(place[-1]) for alias, place in PLACE_OF_ALIAS.items()} | METHOD_ALIASES


def normalised(word: str) -> str:
    """Return a word in lower case, without hyphens, underscores and spaces."""
    return re.sub(r"[-_ ]", "", word).lower()


def closest_name(word: str, names: Iterable[str]) -> str | None:
    """Return the name that a mistyped word or alias most likely stands for, None if none does."""
    by_form = {normalised(name): name for name in names}
    if (name := NAME_OF_ALIAS.get(word)) in by_form.values():
        return name
    matches = difflib.get_close_matches(normalised(word[:100]), by_form, n=1)
    return by_form[matches[0]] if matches else None


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return a hint for an unknown word: the closest of the valid names, else all of them."""
    names = list(names)
    if name := closest_name(word, names):
        return f"did you mean {name}?"
    return f"choose from {', '.join(names)}" if names else "no name is valid here; leave it out"


def closest_task(word: str, examples: Iterable[str]) -> str | None:
    """Return the task that a mistyped word most likely stands for, None if none does.

    `<x>` in an example stands for a number, which is taken from the word.
    """
    number = re.search(r"\d+(?:[.p]\d+)?", word[:100], re.ASCII)
    percent = f"{float(number[0].replace('p', '.')):g}" if number else "1"
    tasks = [example.replace("<x>", percent) for example in examples]
    matches = difflib.get_close_matches(word[:100].lower(), tasks, n=1)
    return matches[0] if matches else None
