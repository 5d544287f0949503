"""Back into a study: recovered trials written to a storage of Optuna, to be continued there.

Trials keep their numbers, states, parameters with distributions, values, attributes and
intermediate values, so that a sampler which depends on the history alone suggests what it would
have suggested. A trial that had begun and not ended is queued with its number and parameters;
whoever asks next trains it. A number of which no line was found becomes a failed trial with the
reason `lost`: it was started, and numbers after it must not move.

Nothing is written before every study is checked, in itself and against the storage. What is
written goes trial by trial, each whole or not at all, so that a process that was killed can be
run again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from recover_trials.errors import RebuildError
from recover_trials.frozen import Frozen, freeze, same_trial
from recover_trials.model import Study
from recover_trials.refusals import check_all
from recover_trials.storages import import_optuna, open_storage, unusable

# What the script keeps with a study and the log tells; it refuses to go on where they differ.
STUDY_ATTRIBUTES = ("data_sha256", "architectures_sha256", "settings_sha256")
SPACE = {"search_space": dict, "conditions": dict, "skip_indices": list, "fixed_params": dict}
BEGUN_WITH = ("optuna", "torch", "device")
# The script shows them on a terminal where others take their place.
SHOWN = re.compile(r"[\w.+-]{1,40}", re.ASCII)
INSTEAD = "nothing was written. Give another storage, or delete that study"


@dataclass
class Rebuilt:
    """What was written to a storage."""

    name: str
    added: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # were there before, the same
    lost: list[int] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return what was done, in a line."""
        parts = [f"{len(self.added)} trials written"]
        parts += [f"{len(self.kept)} there before"] if self.kept else []
        parts += [f"no line of {len(self.lost)}, now failed as lost"] if self.lost else []
        return f"{self.name}: " + "; ".join([*parts, *self.remarks])


@dataclass
class Plan:
    """A study that is checked and not yet written."""

    name: str
    directions: list[Any]
    attributes: dict[str, Any]
    frozen: Frozen
    there: int = 0  # trials that the storage has already


def rebuild(study: Study, storage: str, *, direction: str | None = None) -> Rebuilt:
    """Write a recovered study to a storage; trials that are there already are compared.

    Args:
        study: what logs tell.
        storage: `sqlite:///f.db`, `journal://f`, `postgresql+psycopg://...`, `grpc://host:port`.
        direction: `minimize` or `maximize`, for logs that do not tell.

    Raises RebuildError where the log contradicts itself or the storage, before anything is
    written, and MissingPackageError without Optuna.
    """
    (done,) = write_all([study], storage, direction)
    return done


def rebuild_all(
    studies: Iterable[Study], storage: str, *, direction: str | None = None
) -> Iterator[str]:
    """Write studies to a storage; yield what was written of each. Raises RebuildError."""
    for done in write_all(studies, storage, direction):
        yield str(done)


def write_all(studies: Iterable[Study], url: str, direction: str | None) -> Iterator[Rebuilt]:
    """Check all studies, then write one after the other."""
    import_optuna()
    plans = [make_plan(name, s, direction) for name, s in check_all(studies).items()]
    storage = open_storage(url)
    for plan in plans:
        compare(plan, storage)
    for plan in plans:
        yield write_whole(plan, storage, url)


def write_whole(plan: Plan, storage: Any, url: str) -> Rebuilt:
    """Write what a storage lacks. Raises RebuildError where it stops within."""
    try:
        return write(plan, storage)
    except Exception as error:  # each kind of storage has its own
        raise RebuildError(
            f"{plan.name} is not whole: {unusable(url, error)}. Run the command again once the"
            " storage can be written: it goes on where it stopped"
        ) from None


def make_plan(name: str, study: Study, direction: str | None) -> Plan:
    """Return what is to be written of a study. Raises RebuildError."""
    directions = directions_of(study, direction)
    attributes = {**study.about.get("user_attrs", {}), **study_attributes(study)}
    return Plan(name, directions, attributes, freeze(study))


def directions_of(study: Study, direction: str | None) -> list[str]:
    """Return a direction per value of a trial. Raises RebuildError where none is known."""
    told: list[str] = study.about.get("directions") or []
    if told and "not set" not in told:
        return told
    n_values = max((len(trial.values) for trial in study.rows), default=1) or 1
    if n_values > 1:
        if direction is None:
            raise RebuildError(f"{study.name} has {n_values} values per trial; give --direction")
        return [direction] * n_values
    found = direction or study.direction
    if found is None:
        raise RebuildError(
            f"{study.name}: no line tells whether lower or higher is better; give --direction"
        )
    return [found]


def study_attributes(study: Study) -> dict[str, Any]:
    """Return what the script keeps with its study."""
    about = study.about
    found = {name: about[name] for name in STUDY_ATTRIBUTES if name in about}
    if "study" in about:
        found["study_id"] = about["study"]
    if all(isinstance(about.get(name), kind) for name, kind in SPACE.items()):
        found["space"] = {name: about[name] for name in SPACE}
    first = next(iter(study.runs.values()), about)
    if "script_sha256" in first:
        found["script_sha256"] = first["script_sha256"]
    versions = first.get("versions")
    begun = {**(versions if isinstance(versions, dict) else {}), "device": first.get("device")}
    told = {name: begun.get(name) for name in BEGUN_WITH}
    return found | {n: v for n, v in told.items() if isinstance(v, str) and SHOWN.fullmatch(v)}


def compare(plan: Plan, storage: Any) -> None:
    """Refuse a storage that has another study of the name, or more of it than the log."""
    try:
        study_id = storage.get_study_id_from_name(plan.name)
    except KeyError:
        return
    there = [item.name.lower() for item in storage.get_study_directions(study_id)]
    if there != plan.directions:
        raise RebuildError(
            f"study {plan.name} is there with directions {', '.join(there)}; {INSTEAD}"
        )
    attributes = storage.get_study_user_attrs(study_id)
    for name, value in plan.attributes.items():
        if name in ("study_id", *STUDY_ATTRIBUTES) and attributes.get(name, value) != value:
            raise RebuildError(
                f"study {plan.name} is there with {name} {attributes[name]}, the log has {value};"
                f" {INSTEAD}"
            )
    compare_trials(plan, storage.get_all_trials(study_id, deepcopy=False))


def compare_trials(plan: Plan, known: list[Any]) -> None:
    """Refuse a storage whose trials are others, or more, than those of the log."""
    for ours, theirs in zip(plan.frozen.trials, known, strict=False):
        if not same_trial(ours, theirs):
            raise RebuildError(
                f"trial {ours.number} of study {plan.name} is there as {theirs.state.name}"
                f" {theirs.values}, the log has {ours.state.name} {ours.values}; {INSTEAD}"
            )
    if len(known) > len(plan.frozen.trials):
        raise RebuildError(
            f"study {plan.name} is there with {len(known)} trials, the log has"
            f" {len(plan.frozen.trials)}; {INSTEAD}"
        )
    plan.there = len(known)


def write(plan: Plan, storage: Any) -> Rebuilt:
    """Write what a storage lacks."""
    import optuna

    study = optuna.create_study(
        study_name=plan.name, storage=storage, directions=plan.directions, load_if_exists=True
    )
    for name, value in plan.attributes.items():
        if study.user_attrs.get(name) != value:
            study.set_user_attr(name, value)
    for trial in plan.frozen.trials[plan.there :]:
        study.add_trial(trial)
    inferred = ", ".join(plan.frozen.inferred)
    return Rebuilt(
        plan.name,
        added=list(range(plan.there, len(plan.frozen.trials))),
        kept=list(range(plan.there)),
        lost=plan.frozen.lost,
        remarks=[f"ranges inferred from the values that were tried: {inferred}"]
        if inferred
        else [],
    )
