"""Back into a study: recovered trials written to a storage of Optuna, to be continued there.

Trials keep their numbers, states, parameters with distributions, values, attributes and
intermediate values, so that a sampler which depends on the history alone suggests what it would
have suggested. A trial that had begun and not ended is queued with its number and parameters;
whoever asks next trains it. A number of which no line was found becomes a failed trial with the
reason `lost`: it was started, and numbers after it must not move.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recover_trials.errors import MissingPackageError, RebuildError
from recover_trials.model import Study, Trial

if TYPE_CHECKING:
    import optuna

# What the script keeps with a study and the log tells; it refuses to go on where they differ.
STUDY_ATTRIBUTES = ("data_sha256", "architectures_sha256")
LOST = {"kind": "lost", "fail_reason": "lost", "error": "no line of this trial was found"}


@dataclass
class Rebuilt:
    """What was written to a storage."""

    name: str
    added: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)  # were there before, the same
    lost: list[int] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def rebuild(study: Study, storage: str, *, direction: str | None = None) -> Rebuilt:
    """Write a recovered study to a storage; trials that are there already are compared.

    Raises RebuildError where the log contradicts itself or the storage, before anything is
    written, and MissingPackageError without Optuna.
    """
    optuna = import_optuna()
    check(study)
    name = storage_name(study)
    directions = directions_of(study, direction)
    result = Rebuilt(name)
    frozen = list(frozen_trials(study, result))
    target = open_study(optuna, name, storage, directions)
    known = {trial.number: trial for trial in target.get_trials(deepcopy=False)}
    check_known(name, known, frozen, target, study)
    for key, value in study_attributes(study).items():
        target.set_user_attr(key, value)
    for trial in frozen:
        if trial.number in known:
            result.kept.append(trial.number)
        else:
            target.add_trial(trial)
            result.added.append(trial.number)
    return result


def rebuild_all(
    studies: Iterable[Study], storage: str, *, direction: str | None = None
) -> Iterator[str]:
    """Write studies to a storage; yield what was written of each. Raises RebuildError."""
    named: dict[str, Study] = {}
    for study in studies:
        check(study)
        other = named.setdefault(storage_name(study), study)
        if other is not study:
            raise RebuildError(
                f"{storage_name(study)} is the name of two studies, in {other.source} and"
                f" {study.source}; give the logs of one"
            )
    for study in named.values():
        done = rebuild(study, storage, direction=direction)
        parts = [f"{len(done.added)} trials written"]
        parts += [f"{len(done.kept)} there before"] if done.kept else []
        parts += [f"no line of {len(done.lost)}, now failed as lost"] if done.lost else []
        yield f"{done.name}: " + "; ".join([*parts, *done.remarks])


def storage_name(study: Study) -> str:
    """Return what a study is called in its storage."""
    return str(study.about.get("study_name") or study.about.get("name") or study.name)


def import_optuna() -> Any:
    """Return Optuna, silenced. Raises MissingPackageError."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise MissingPackageError(
            "--to-storage needs Optuna: python -m pip install 'optuna>=4,<6'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def check(study: Study) -> None:
    """Refuse a study of which nobody knows which trials are right."""
    wrong = [f"trial {t.number}: {flag}" for t in study.rows for flag in t.conflicts]
    wrong += study.flags
    if not study.trials:
        wrong.append("it has no trials")
    if wrong:
        raise RebuildError(
            f"{study.name} is not written: "
            + "; ".join(wrong[:5])
            + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        )


def directions_of(study: Study, direction: str | None) -> list[str]:
    """Return a direction per value of a trial. Raises RebuildError where none is known."""
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
    found = {name: study.about[name] for name in STUDY_ATTRIBUTES if name in study.about}
    return {"study_id": study.about["study"], **found} if "study" in study.about else found


def frozen_trials(study: Study, result: Rebuilt) -> Iterator[optuna.trial.FrozenTrial]:
    """Yield every number from 0 on, those without a line as failed; tell what was inferred."""
    distributions = distributions_of(study, result)
    last = next((t.datetime_start for t in study.rows if t.datetime_start), datetime.now())
    for number in range(max(study.trials) + 1):
        told = study.trials.get(number)
        if not told:
            result.lost.append(number)
        trial = told[0] if told else Trial(number, "FAIL", user_attrs=dict(LOST))
        last = trial.datetime_complete or trial.datetime_start or last
        yield frozen(trial, last, distributions)


def distributions_of(study: Study, result: Rebuilt) -> dict[str, Any]:
    """Return the distribution of every parameter: told by the run line, else inferred."""
    from optuna.distributions import json_to_distribution

    told = {
        name: json_to_distribution(json.dumps(entry))
        for name, entry in (study.about.get("search_space") or {}).items()
    }
    values: dict[str, list[Any]] = {}
    for trial in study.rows:
        for name, value in trial.params.items():
            if name not in told and name not in trial.distributions:
                values.setdefault(name, []).append(value)
    inferred = {name: infer(found) for name, found in values.items()}
    if inferred:
        names = ", ".join(sorted(inferred))
        result.remarks.append(f"ranges inferred from the values that were tried: {names}")
    return {**told, **inferred}


def infer(values: list[Any]) -> Any:
    """Return the narrowest distribution that holds some values."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    kinds = {type(value) for value in values}
    if kinds == {int}:
        return IntDistribution(min(values), max(values))
    if kinds <= {int, float} and all(abs(value) < float("inf") for value in values):
        return FloatDistribution(float(min(values)), float(max(values)))
    return CategoricalDistribution(list({repr(value): value for value in values}.values()))


def frozen(
    trial: Trial, time: datetime, distributions: Mapping[str, Any]
) -> optuna.trial.FrozenTrial:
    """Return a trial as Optuna keeps it; a value outside of its range becomes an attribute."""
    from optuna.trial import FrozenTrial, TrialState

    known = {**distributions, **trial.distributions}
    inside = {name: v for name, v in trial.params.items() if contains(name, known[name], v)}
    outside = {f"outside_{n}": v for n, v in trial.params.items() if n not in inside}
    ended = trial.state != "RUNNING"
    return FrozenTrial(
        number=trial.number,
        trial_id=-1,
        state=TrialState[trial.state] if ended else TrialState.WAITING,
        value=None,
        values=list(trial.values) or None,
        datetime_start=(trial.datetime_start or time) if ended else None,
        datetime_complete=(trial.datetime_complete or time) if ended else None,
        params=inside if ended else {},
        distributions={name: known[name] for name in inside} if ended else {},
        user_attrs={**trial.user_attrs, **outside},
        # What Optuna keeps with a trial that is queued with its parameters.
        system_attrs=dict(trial.system_attrs) if ended else {"fixed_params": inside},
        intermediate_values=dict(trial.intermediate_values) if ended else {},
    )


def contains(name: str, distribution: Any, value: Any) -> bool:
    """Tell whether a distribution holds a value."""
    from optuna.trial import create_trial

    try:
        create_trial(params={name: value}, distributions={name: distribution}, value=0.0)
    except (TypeError, ValueError):
        return False
    return True


def open_study(optuna: Any, name: str, storage: str, directions: list[str]) -> Any:
    """Create or load the study. Raises RebuildError where the storage cannot be used."""
    if storage.startswith("sqlite:///"):
        Path(storage.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    try:
        found = optuna.create_study(
            study_name=name, storage=storage, directions=directions, load_if_exists=True
        )
    except Exception as error:  # each kind of storage has its own
        raise RebuildError(
            f"the storage cannot be used: {type(error).__name__}: {error}"
        ) from None
    there = [direction.name.lower() for direction in found.directions]
    if there != directions:
        raise RebuildError(f"study {name} is there with directions {', '.join(there)}")
    return found


def check_known(
    name: str, known: Mapping[int, Any], frozen: list[Any], target: Any, study: Study
) -> None:
    """Refuse a storage whose trials are others than those of the log."""
    own, there = study.about.get("study"), target.user_attrs.get("study_id")
    if own and there and own != there:
        raise RebuildError(f"study {name} is there with study id {there}, the log has {own}")
    for trial in frozen:
        other = known.get(trial.number)
        if other is None:
            continue
        ours = (trial.state, trial.values, trial.params)
        theirs = (other.state, other.values, other.params)
        if ours != theirs and trial.state.is_finished():
            raise RebuildError(
                f"trial {trial.number} of study {name} is there as {other.state.name}"
                f" {other.values}, the log has {trial.state.name} {trial.values}; nothing was"
                " written. Delete that study or give another storage."
            )
    if known and max(known) >= len(frozen):
        raise RebuildError(
            f"study {name} is there with {max(known) + 1} trials, the log has fewer"
        )
