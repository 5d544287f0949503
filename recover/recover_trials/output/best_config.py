"""The best trial as a Python file of constants."""

from __future__ import annotations

import keyword
import math
import re
from typing import Any

from recover_trials.errors import NoBestError
from recover_trials.model import Study, Trial
from recover_trials.output.all_trials import only_study
from recover_trials.output.rows import DEEPEST, text_of
from recover_trials.recovery_report import Recovery

GROUPS = {
    "Data": ("horizon", "context_length", "data", "data_path", "patch", "stride", "threshold"),
    "Model": (
        *("arch_idx", "d_model", "n_layers", "n_heads", "d_ff", "param_count", "dropout"),
        *("attention_dropout", "activation", "norm", "inputs", "use_revin", "vocab_size"),
    ),
    "Training": (
        *("learning_rate", "lr", "weight_decay", "epochs", "steps", "warmup_steps", "batch_size"),
        *("micro_batch", "accumulation_steps", "optimizer", "scheduler", "loss", "grad_clip"),
        *("betas", "beta1", "beta2", "label_smoothing", "focal_gamma", "seed"),
    ),
    "Early stopping": ("patience", "min_delta", "early_stopping", "eval_interval"),
    "Hardware": ("device", "precision", "compile", "num_workers", "threads"),
}
OTHER = "Other parameters"
# Attributes of the configuration; all other attributes are results.
CONFIGURED = {name for names in GROUPS.values() for name in names}
NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")
NOT_NAMES = "OTHER_NAMES"  # holds the parameters whose names are not identifiers


def to_best_config(recovery: Recovery) -> str:
    """Return the best trial's parameters as Python.

    Text from the log appears only as ASCII literals and as names that are plain identifiers.

    Raises NoBestError without a finite best value, SeveralStudiesError for several studies.
    """
    study = only_study(recovery, "best_config")
    best = study.best
    if best is None or best.value is None or not math.isfinite(best.value):
        raise NoBestError(f"{study.name}: {why_none(study, best)}; no best_config was written")
    names, others = split_names(configuration(study, best))
    lines = heading(study, best)
    for title in (*GROUPS, OTHER):
        group = [name for name in names if group_of(name) == title]
        if group:
            lines += ["", f"# {title}", *(f"{name} = {literal(names[name])}" for name in group)]
    if others:
        lines += ["", "# No variable can have these names.", f"{NOT_NAMES} = {literal(others)}"]
    return "\n".join(lines) + "\n"


def why_none(study: Study, best: Trial | None) -> str:
    """Return the reason why a study has no finite best value."""
    if best is not None:
        return f"the best value, of trial {best.number}, is {best.value}"
    if study.named_best:
        return f"the end line of the best trial, {study.named_best[0]}, is missing"
    finished = [trial for trial in study.rows if trial.state == "COMPLETE"]
    if not finished:
        return "no trial has finished"
    if any(len(trial.values) > 1 for trial in finished):
        return "trials have several values"
    return "the direction is unknown"


def configuration(study: Study, best: Trial) -> dict[str, Any]:
    """Return the fixed, derived and searched values of the best trial."""
    fixed = study.about.get("fixed_params")
    curve = best.user_attrs.get("learning_curve")
    point = curve[0] if isinstance(curve, list) and curve else {}
    # A metric may have the name of a setting, such as precision.
    measured = point if isinstance(point, dict) else {}
    attributes = {
        k: v for k, v in best.user_attrs.items() if k in CONFIGURED and k not in measured
    }
    return {**(fixed if isinstance(fixed, dict) else {}), **attributes, **best.params}


def split_names(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values whose names are identifiers, and the others."""
    variables = {name: v for name, v in values.items() if is_name(name)}
    return variables, {str(name): v for name, v in values.items() if name not in variables}


def is_name(name: object) -> bool:
    """Return whether a text is an identifier that neither Python nor this file reserves."""
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        return False
    return not keyword.iskeyword(name) and name != NOT_NAMES


def group_of(name: str) -> str:
    """Return the title of the group of a parameter."""
    return next((title for title, names in GROUPS.items() if name in names), OTHER)


def heading(study: Study, best: Trial) -> list[str]:
    """Return the comments at the beginning."""
    metric = study.about.get("metric")
    counts = ", ".join(f"{n} {ascii(state)[1:-1]}" for state, n in sorted(study.counts().items()))
    lines = [
        f"# Best HPO Configuration - Trial {best.number}",
        f"# {metric if is_name(metric) else 'Value'}: {best.value!r}",
        f"# Study {study.name!a}, recovered from its log: {counts}",
    ]
    return lines + [f"# Note: {ascii(flag)[1:-1]}" for flag in best.flags]


def literal(value: Any, depth: int = 0) -> str:
    """Return a value as a Python expression of literals, in ASCII and on one line."""
    if depth > DEEPEST:
        return ascii(text_of(value))
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, dict):
        pairs = (f"{literal(k)}: {literal(item, depth + 1)}" for k, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item, depth + 1) for item in value) + "]"
    if isinstance(value, tuple):
        return "(" + "".join(f"{literal(item, depth + 1)}, " for item in value).rstrip(" ") + ")"
    is_literal = isinstance(value, (bool, int, float, str, bytes, complex, type(None)))
    return ascii(value if is_literal else str(value))
