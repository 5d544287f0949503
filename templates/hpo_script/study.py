"""Study: made once, opened by every run, refused where its trials would not compare."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from hpo_script.experiment import Experiment, UnusableError
from hpo_script.log_writer import say
from hpo_script.samplers.keyed import make_sampler
from hpo_script.suggest import make_pruner
from hpo_script.task import Task


def digest(value: object) -> str:
    """Return the SHA-256 of a value's JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def open_study(
    experiment: Experiment, task: Task, storage: BaseStorage, *, data_sha256: str
) -> optuna.Study:
    """Create or load the study; refuse one whose trials would not compare with new ones."""
    name = experiment.study_name
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction=experiment.direction,
        sampler=make_sampler(experiment),
        pruner=make_pruner(experiment.pruner),
        load_if_exists=True,
    )
    settings = {
        "metric": experiment.metric,
        "search_space": experiment.search_space,
        "conditions": experiment.conditions,
        "fixed_params": experiment.fixed_params,
        **task.settings(),
    }
    made_of = {
        "data_sha256": data_sha256,
        "architectures_sha256": digest(experiment.architectures),
        "settings": json.loads(json.dumps(settings)),
        "settings_sha256": digest(settings),
    }
    known = {name: study.user_attrs.get(name, value) for name, value in made_of.items()}
    changed = differences(known, made_of)
    if any(line.startswith("settings.") for line in changed):
        changed = [line for line in changed if not line.startswith("settings_sha256")]
    if changed:
        raise UnusableError(
            f"study {name} has trials that would not compare with new ones; use another --out or"
            f" --storage, or undo: {'; '.join(changed[:9])}"
        )
    begun, here = study.user_attrs.get("optuna", optuna.__version__), optuna.__version__
    if begun.split(".")[0] != here.split(".")[0]:
        say(f"warning: begun with Optuna {begun}; {here} may suggest other parameters")
    for attribute, value in {**made_of, "optuna": begun}.items():
        if attribute not in study.user_attrs:
            study.set_user_attr(attribute, value)
    if "study_id" not in study.user_attrs:
        study.set_user_attr("study_id", uuid.uuid4().hex[:12])
    return study


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
    known = {trial.user_attrs.get("extreme") for trial in study.get_trials(deepcopy=False)}
    for arch_idx, ends in experiment.extreme_indices.items():
        if ends not in known:
            attributes = {"kind": kind, "extreme": ends}
            study.enqueue_trial(experiment.space.encode(arch_idx), user_attrs=attributes)
