"""Choice of configurations: the best complete trials of a study."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hpogen.configuration.yaml_file import shown
from hpogen.errors import UsageError
from hpogen.spec import Spec
from recover_trials import Study, Trial, UnreadableError, read_trials

AXES = ("d_model", "n_layers", "n_heads", "d_ff")


def read_study(path: Path) -> Study:
    """Return the one study of a log or of a result file. Raises UsageError."""
    where = shown(str(path), 200)
    try:
        studies = [study for study in read_trials(path).studies if study.trials]
    except (OSError, UnreadableError) as error:
        raise UsageError(f"{where}: {getattr(error, 'strerror', None) or error}") from None
    if len(studies) != 1:
        names = ", ".join(shown(study.name) for study in studies) or "no study"
        raise UsageError(f"{where}: holds {names}; give a log, trials.csv or best_params.json")
    if studies[0].about.get("smoke"):
        raise UsageError(f"{where}: a smoke test chooses no configuration; give the study's log")
    return studies[0]


def best_trials(study: Study, spec: Spec, top: int) -> list[Trial]:
    """Return the best complete trials, one per configuration, without reruns.

    Raises UsageError if no trial is complete.
    """
    sign = 1 if spec.family.metrics[spec.metric] == "minimize" else -1
    searched = [t for t in study.rows if t.user_attrs.get("rerun_of") is None]
    complete = [t for t in searched if t.state == "COMPLETE" and t.value is not None]
    if not complete:
        raise UsageError(f"{shown(study.name)}: no trial is complete; continue the study first")
    by_config: dict[Any, Trial] = {}
    for trial in sorted(complete, key=lambda t: (sign * (t.value or 0.0), t.number)):
        by_config.setdefault(trial.user_attrs.get("config_id", trial.number), trial)
    return list(by_config.values())[:top]


def configuration(trial: Trial, spec: Spec) -> dict[str, Any]:
    """Return architecture and hyper-parameters of a trial, checked. Raises UsageError."""
    known = {**trial.user_attrs, **trial.params}
    params = spec.family.all_params(spec.used)
    kinds: dict[str, Any] = {name: param.type for name, param in params.items()}
    kinds |= dict.fromkeys((*AXES, "param_count", "arch_idx"), int)
    defaults = {**spec.fixed, "arch_idx": 0}
    found: dict[str, Any] = {"trial": trial.number, "value": trial.value}
    for name in (*AXES, "param_count", "arch_idx", *needed(spec)):
        value = known.get(name, defaults.get(name))
        if value is None and name in spec.search and spec.search[name].when:
            continue
        try:
            found[name] = TypeAdapter(kinds[name]).validate_python(value)
        except ValidationError:
            raise UsageError(
                f"trial {trial.number}: {name} is {shown(repr(value))}; give the study's log,"
                " which holds every parameter"
            ) from None
    config_id = known.get("config_id")
    return {**found, "config_id": config_id if is_digest(config_id) else str(trial.number)}


def needed(spec: Spec) -> Iterable[str]:
    """Return the names of all hyper-parameters of a specification."""
    return dict.fromkeys((*spec.fixed, *spec.search))


def is_digest(value: object) -> bool:
    """Return whether a value looks like a digest."""
    return isinstance(value, str) and value.isalnum() and value.isascii()
