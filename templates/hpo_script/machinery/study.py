"""Study: made once, opened by every run, refused where its trials would not compare."""

from __future__ import annotations

import hashlib
import itertools
import json
import shlex
import sys
import uuid
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from hpo_script.experiment import Arch, Experiment, UnusableError
from hpo_script.samplers.keyed import make_sampler
from hpo_script.suggest import make_pruner, space_of
from hpo_script.task import Task


def digest(value: object) -> str:
    """Return the SHA-256 of a value's JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def script_digest() -> str:
    """Return the SHA-256 of this script's text."""
    return hashlib.sha256(Path(sys.argv[0]).read_bytes()).hexdigest()


def open_study(
    experiment: Experiment,
    task: Task,
    storage: BaseStorage,
    arguments: Namespace,
    *,
    data_sha256: str,
    device: torch.device,
) -> optuna.Study:
    """Create or load the study; refuse one of other values, or of another search space."""
    name = experiment.study_name
    made_of: dict[str, Any] = {
        "study_name": name,
        "storage": storage,
        "sampler": make_sampler(experiment),
        "pruner": make_pruner(experiment.pruner),
    }
    # An index refuses a second study of the name, unless the disk was full when it was made.
    if name in optuna.get_all_study_names(storage):
        study = optuna.load_study(**made_of)
    else:
        direction = experiment.direction
        study = optuna.create_study(**made_of, direction=direction, load_if_exists=True)
    settings = {"metric": experiment.metric, **task.settings()}
    objective = {
        "data_sha256": data_sha256,
        "settings": json.loads(json.dumps(settings)),
        "settings_sha256": digest(settings),
    }
    space = {
        "space": space_of(experiment),
        "architectures": {describe_row(row): row["params"] for row in experiment.architectures},
        "architectures_sha256": digest(experiment.architectures),
    }
    if changed := changes(study, objective):
        raise UnusableError(
            f"study {name} has trials that would not compare with new ones; use another --out or"
            f" --storage, or undo: {listed([*changed, *changes(study, space)])}"
        )
    if (known := study.directions) != [StudyDirection[experiment.direction.upper()]]:
        raise UnusableError(
            f"study {name} was made to {' and '.join(d.name.lower() for d in known)}, but"
            f" {experiment.metric} is to {experiment.direction}; use another --storage, or make it"
            f' with direction="{experiment.direction}"'
        )
    if changed := changes(study, space):
        raise UnusableError(
            f"study {name} has another search space: {listed(changed)}. Undo that, or go on with"
            f" its trials in a new study; this one stays as it is:\n{way_on(arguments)}"
        )
    for attribute, value in {**objective, **space, **surroundings(device)}.items():
        if attribute not in study.user_attrs:
            study.set_user_attr(attribute, value)
    if "study_id" not in study.user_attrs:
        study.set_user_attr("study_id", uuid.uuid4().hex[:12])
    return study


def describe_row(row: Arch) -> str:
    """Return an architecture as text, its count apart."""
    return " ".join(f"{axis}={size}" for axis, size in row.items() if axis != "params")


def changes(study: optuna.Study, wanted: Mapping[str, Any]) -> list[str]:
    """Return how attributes of a study differ; of a digest only what its details do not show."""
    known = {name: study.user_attrs.get(name, value) for name, value in wanted.items()}
    found = differences(known, wanted)
    detailed = {line.partition(".")[0] for line in found}
    told = [line for line in found if line.partition("_sha256 was ")[0] not in detailed]
    return [line.removeprefix("space.") for line in told]


def listed(changed: list[str]) -> str:
    """Return changes for a message."""
    more = [f"and {len(changed) - 20} more"] if len(changed) > 20 else []
    return "; ".join([*changed[:20], *more])


def way_on(arguments: Namespace) -> str:
    """Return the commands that go on with a study's trials in a new one, in new places."""
    old, script = arguments.log, sys.argv[0]
    pairs = (
        (Path(f"{arguments.out}-{n}"), old.with_name(f"{old.stem}-{n}{old.suffix}"))
        for n in itertools.count(2)
    )
    out, log = next(pair for pair in pairs if not any(path.exists() for path in pair))
    url = f"sqlite:///{out / 'study.db'}"
    rebuild = ["recover-trials", str(old), "--to-storage", url, "--space-of", script]
    search = ["python", script, "--out", str(out), "--log", str(log)]
    search += ["--storage", url] if arguments.storage else []
    return f"  {shlex.join(rebuild)}\n  {shlex.join(search)}"


def surroundings(device: torch.device) -> dict[str, str]:
    """Return what a study is begun with."""
    versions = {"optuna": optuna.__version__, "torch": torch.__version__}
    return {**versions, "device": device.type, "script_sha256": script_digest()}


def remarks(study: optuna.Study, device: torch.device) -> list[str]:
    """Return what differs from the run that began the study, and may change what is found."""
    begun, here = study.user_attrs, surroundings(device)
    found = [
        f"begun with {name} {begun[name]}, gone on with {here[name]}: values may differ a little"
        for name in ("torch", "device")
        if begun[name] != here[name]
    ]
    if begun["optuna"].split(".")[0] != optuna.__version__.split(".")[0]:
        found.append(
            f"begun with Optuna {begun['optuna']}; {optuna.__version__} may suggest other"
            " parameters"
        )
    if begun["script_sha256"] != here["script_sha256"]:
        found.append(
            f"the script differs from the one that began the study: sha256"
            f" {begun['script_sha256'][:12]} then, {here['script_sha256'][:12]} now"
        )
    return found


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
    trials, space = study.get_trials(deepcopy=False), experiment.space
    known = [
        {**trial.system_attrs.get("fixed_params", {}), **trial.params, **trial.user_attrs}
        for trial in trials
    ]
    for arch_idx, ends in experiment.extreme_indices.items():
        params, attributes = space.encode(arch_idx), {"kind": kind, "extreme": ends}
        tried = {**params, "extreme": ends}.items()
        if not any(tried <= trial.items() for trial in known):
            study.enqueue_trial(params, user_attrs=attributes)
