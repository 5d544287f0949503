"""Recovered trials written to an Optuna storage, for optuna-dashboard and analysis.

Trials keep their numbers, states, parameters with distributions, values, attributes and
intermediate values. A number without a line becomes a failed trial with the reason `lost`, or a
running trial if its script will still run it, so that later numbers do not move. Before the first
write, every study is checked for conflicts within its logs and with the storage. Running trials of
the storage are updated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from recover_trials.errors import RebuildError
from recover_trials.files.storage_url import import_optuna, open_storage, unusable
from recover_trials.model import Study
from recover_trials.output.frozen_trials import Frozen, comparable, freeze, same_trial
from recover_trials.output.storage_checks import check_all

GUESSED = "ranges guessed from the tried values (--ranges FILE states them): "
OUTSIDE_RANGE = "values outside of their ranges became attributes: "
OTHER_STORAGE = "nothing was written. Give another storage, or delete the study in this one"


@dataclass
class Rebuilt:
    """The result of writing a study to a storage."""

    name: str
    added: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # equal trials that the storage already had
    updated: list[int] = field(default_factory=list)  # kept trials that were running and changed
    lost: list[int] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return a summary in one line."""
        parts = [f"{len(self.added)} trials written"]
        parts += [f"{len(self.updated)} updated"] if self.updated else []
        parts += [f"{len(self.kept)} already there"] if self.kept else []
        parts += [f"no line of {len(self.lost)}"] if self.lost else []
        return f"{self.name}: " + "; ".join([*parts, *self.remarks])


@dataclass
class Plan:
    """A study that was checked and can be written."""

    name: str
    directions: list[Any]
    attributes: dict[str, Any]
    frozen: Frozen
    n_stored: int = 0  # trials that the storage already has


def rebuild(study: Study, storage: str, *, direction: str | None = None) -> Rebuilt:
    """Write a recovered study to a storage; existing trials are compared.

    Args:
        study: recovered from logs.
        storage: `sqlite:///f.db`, `journal://f`, `postgresql+psycopg://...`, `grpc://host:port`.
        direction: `minimize` or `maximize`, for logs that do not show it.

    Raises RebuildError, before the first write, for conflicts within the log or with the storage;
    MissingPackageError without Optuna.
    """
    (rebuilt,) = rebuild_all([study], storage, direction=direction)
    return rebuilt


def rebuild_all(
    studies: Iterable[Study], storage: str, *, direction: str | None = None
) -> Iterator[Rebuilt]:
    """Check all studies, then write one after the other. Raises RebuildError as `rebuild`."""
    import_optuna()
    plans = make_plans(studies, direction)
    yield from Mirror(storage).write(plans)


class Mirror:
    """A storage that is kept up to date."""

    def __init__(self, url: str) -> None:
        self.url, self.storage = url, open_storage(url)

    def write(self, plans: list[Plan]) -> Iterator[Rebuilt]:
        """Compare all studies with the storage, then write one after the other."""
        for plan in plans:
            check_stored_study(plan, self.storage)
        for plan in plans:
            yield self.write_whole(plan)

    def write_whole(self, plan: Plan) -> Rebuilt:
        """Write a study. Raises RebuildError if the storage fails."""
        try:
            return write(plan, self.storage)
        except Exception as error:  # each kind of storage has its own
            raise RebuildError(
                f"study {plan.name} was written in part: {unusable(self.url, error)}. Run the"
                " command again when the storage is available; it adds the missing trials"
            ) from None


def make_plans(studies: Iterable[Study], direction: str | None) -> list[Plan]:
    """Check studies; return their plans. Raises RebuildError."""
    return [make_plan(name, study, direction) for name, study in check_all(studies).items()]


def make_plan(name: str, study: Study, direction: str | None) -> Plan:
    directions = directions_of(study, direction)
    attributes = dict(study.about.get("user_attrs", {}))
    attributes |= {"study_id": study.about["study"]} if "study" in study.about else {}
    return Plan(name, directions, attributes, freeze(study))


def directions_of(study: Study, direction: str | None) -> list[str]:
    """Return a direction per value of a trial. Raises RebuildError if it is unknown."""
    logged: list[str] = study.about.get("directions") or []
    if logged and "not set" not in logged:
        return logged
    n_values = max((len(trial.values) for trial in study.rows), default=1) or 1
    if n_values > 1:
        if direction is None:
            raise RebuildError(
                f"study {study.name} has {n_values} values per trial; give --direction"
            )
        return [direction] * n_values
    chosen = direction or study.direction
    if chosen is None:
        raise RebuildError(
            f"study {study.name}: the log does not show the direction; give --direction"
        )
    return [chosen]


def check_stored_study(plan: Plan, storage: Any) -> None:
    """Refuse a storage with another study of this name, or with more trials than the log."""
    try:
        study_id = storage.get_study_id_from_name(plan.name)
    except KeyError:
        return
    stored = [item.name.lower() for item in storage.get_study_directions(study_id)]
    if stored != plan.directions:
        raise RebuildError(
            f"study {plan.name} exists with directions {', '.join(stored)}; {OTHER_STORAGE}"
        )
    attributes = storage.get_study_user_attrs(study_id)
    for name, value in plan.attributes.items():
        if name == "study_id" and attributes.get(name, value) != value:
            raise RebuildError(
                f"study {plan.name} exists with {name} {attributes[name]}, the log has {value};"
                f" {OTHER_STORAGE}"
            )
    check_stored_trials(plan, storage.get_all_trials(study_id, deepcopy=False))


def check_stored_trials(plan: Plan, stored: list[Any]) -> None:
    """Refuse a storage whose trials differ from the trials of the log, or outnumber them."""
    for ours, theirs in zip(plan.frozen.trials, stored, strict=False):
        if not same_trial(ours, theirs):
            raise RebuildError(
                f"trial {ours.number} of study {plan.name} exists as {theirs.state.name}"
                f" {theirs.values}, the log has {ours.state.name} {ours.values}; {OTHER_STORAGE}"
            )
    if len(stored) > len(plan.frozen.trials):
        raise RebuildError(
            f"study {plan.name} exists with {len(stored)} trials, the log has"
            f" {len(plan.frozen.trials)}; {OTHER_STORAGE}"
        )
    plan.n_stored = len(stored)


def write(plan: Plan, storage: Any) -> Rebuilt:
    """Write the trials and attributes that a storage does not have."""
    import optuna

    study = optuna.create_study(
        study_name=plan.name, storage=storage, directions=plan.directions, load_if_exists=True
    )
    for name, value in plan.attributes.items():
        if study.user_attrs.get(name) != value:
            study.set_user_attr(name, value)
    stored = storage.get_all_trials(study._study_id, deepcopy=False)
    pairs = zip(plan.frozen.trials, stored, strict=False)
    updated = [
        ours.number
        for ours, theirs in pairs
        if not theirs.state.is_finished() and update_trial(storage, theirs, ours)
    ]
    for trial in plan.frozen.trials[plan.n_stored :]:
        study.add_trial(trial)
    remarks = []
    if plan.frozen.inferred:
        remarks.append(GUESSED + "; ".join(plan.frozen.inferred))
    if plan.frozen.outside:
        remarks.append(OUTSIDE_RANGE + ", ".join(sorted({*plan.frozen.outside})))
    return Rebuilt(
        plan.name,
        added=list(range(plan.n_stored, len(plan.frozen.trials))),
        kept=list(range(plan.n_stored)),
        updated=updated,
        lost=plan.frozen.lost,
        remarks=remarks,
    )


def update_trial(storage: Any, stored: Any, trial: Any) -> bool:
    """Update a running trial of a storage from the log; return whether it changed."""
    trial_id = stored._trial_id
    params = {n: trial.distributions[n] for n in trial.params.keys() - stored.params}
    for name, distribution in params.items():
        value = distribution.to_internal_repr(trial.params[name])
        storage.set_trial_param(trial_id, name, value, distribution)
    steps = new_items(trial.intermediate_values, stored.intermediate_values)
    for step, value in steps.items():
        storage.set_trial_intermediate_value(trial_id, step, value)
    attributes = new_items(trial.user_attrs, stored.user_attrs)
    for name, value in attributes.items():
        storage.set_trial_user_attr(trial_id, name, value)
    ended = trial.state.is_finished()
    if ended:
        storage.set_trial_state_values(trial_id, trial.state, trial.values)
    return bool(params or steps or attributes or ended)


def new_items(ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the items of `ours` that `theirs` does not have, or has with another value."""
    return {
        n: v for n, v in ours.items() if n not in theirs or comparable(theirs[n]) != comparable(v)
    }
