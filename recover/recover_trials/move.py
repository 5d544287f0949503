"""Trials of one search space in another: each keeps its number, its values and its configuration.

A searched parameter whose value lies in the new space stays a parameter, and what was fixed and is
now searched becomes one. A value outside stays what it is, under its own name, as an attribute:
where a script looks for the configuration of a trial, it finds it in both. The attribute
`outside_space` names the searched parameters that a trial does not have.

`shape_idx` and the like count in a list of architectures, and are made anew for the new one. Of
an architecture that is not in it, `arch_idx` is null: the old number would name another row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recover_trials.conditions import applies
from recover_trials.errors import RebuildError
from recover_trials.model import OUTSIDE, Study, Trial
from recover_trials.refusals import check
from recover_trials.space import Space, digest

OBJECTIVE = ("metric", "direction", "task", "horizon")
SHAPE = "shape_idx"
# What pruners keep with a trial; what samplers keep, such as CMA-ES, is of another space.
OF_PRUNERS = "completed_rung_"


@dataclass
class Moved:
    """A study in a new space, and what does not lie in it.

    Attributes:
        study: to be written under an id of its own, as it has other trials to come.
        outside: how many finished trials do not have a searched parameter, by its name.
        n_outside: how many finished trials lack any.
        ended: trials that were running and can not be trained there, with the reason.
    """

    study: Study
    outside: Counter[str] = field(default_factory=Counter)
    n_outside: int = 0
    ended: dict[int, str] = field(default_factory=dict)

    def report(self, script: str) -> list[str]:
        """Return what is not in the new space, a line each."""
        n, name = len(self.study.trials), self.study.name
        each = ", ".join(f"{parameter} {count}" for parameter, count in self.outside.items())
        lines = [
            f"{name}: {self.n_outside} of {n} trials lie outside the space of {script} and keep"
            f" their values as attributes: {each}"
            if each
            else f"{name}: all {n} trials lie in the space of {script}"
        ]
        return lines + [
            f"{name}: trial {number} was running; it is ended as FAIL: {reason}"
            for number, reason in self.ended.items()
        ]


def move(study: Study, space: Space) -> Moved:
    """Return a study of a search script as one of another space.

    Raises RebuildError where its values would not compare, or it contradicts itself.
    """
    check(study)
    if "study" not in study.about or "search_space" not in study.about:
        raise RebuildError(
            f"{study.name}: only a log of a search script tells the whole configuration of trials"
        )
    for name in OBJECTIVE:
        here = getattr(space.experiment, name)
        if study.about.get(name, here) != here:
            raise RebuildError(
                f"{study.name} has trials that would not compare with those of {space.script}:"
                f" {name} was {study.about[name]!r}, is {here!r}; nothing was written"
            )
    architectures = digest(space.experiment.architectures)
    identity = [study.about["study"], space.experiment.study_name, space.about, architectures]
    about = {
        **study.about,
        **space.about,
        "study": digest(identity)[:12],
        "study_name": space.experiment.study_name,
        "architectures_sha256": architectures,
        "script_sha256": space.script_sha256,
    }
    found = Moved(study.but(about=about, runs={}, name=space.experiment.study_name))
    rows = Rows(study, space)
    found.study.trials = {
        number: [move_trial(told[0], rows, found)] for number, told in study.trials.items()
    }
    return found


class Rows:
    """Architectures of trials, by their rows in the list of a space."""

    def __init__(self, study: Study, space: Space) -> None:
        self.study, self.space, self.arch_space = study, space, space.experiment.space
        self.axes = [axis for axis in space.experiment.architectures[0] if axis != "params"]
        self.indices = {SHAPE, *(f"{axis}_idx" for axis in self.axes)}
        known, new = study.about["search_space"], space.about["search_space"]
        same_sizes = all(known.get(name) == new.get(name) for name in self.indices)
        # Where an architecture is skipped, its number stands for the nearest one.
        same_skips = study.about.get("skip_indices") == space.about["skip_indices"]
        architectures = digest(space.experiment.architectures)
        same_list = study.about.get("architectures_sha256") == architectures
        self.same = same_sizes and same_skips and same_list

    def place(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration with what stands for its architecture in the new list."""
        if self.same or "arch_idx" not in config:
            return dict(config)
        rest = {name: value for name, value in config.items() if name not in self.indices}
        row = {axis: config.get(axis) for axis in self.axes}
        rows = self.space.experiment.architectures
        own = {**row, "params": config.get("param_count")}
        arch_idx = next((i for i, other in enumerate(rows) if other == own), None)
        indices = {} if arch_idx is None else self.arch_space.encode(arch_idx)
        return {**rest, **indices, "arch_idx": arch_idx}


def move_trial(trial: Trial, rows: Rows, found: Moved) -> Trial:
    """Return a trial in the new space; note what is outside."""
    from hpo_script.suggest import contains

    known = {**trial.user_attrs, **trial.params}
    known.pop(OUTSIDE, None)
    config, space = rows.place(known), rows.space
    conditions = space.experiment.conditions
    searched = [n for n in space.distributions if known and applies(conditions, n, config)]
    params = {
        name: config[name]
        for name in searched
        if name in config and contains(space.distributions[name], config[name])
    }
    outside = [name for name in searched if name not in params]
    attributes = {name: value for name, value in config.items() if name not in params}
    kept = {n: v for n, v in trial.system_attrs.items() if n.startswith(OF_PRUNERS)}
    new = trial.but(params=params, user_attrs=attributes, system_attrs=kept)
    if trial.state == "RUNNING":
        if not (wrong := impossible(config, outside, searched, space)):
            return to_be_trained(new, rows)
        found.ended[trial.number] = wrong
        end(new, trial, wrong)
    else:
        found.outside.update(outside)
        found.n_outside += bool(outside)
    new.user_attrs.setdefault("from_study", rows.study.about["study"])
    if outside:
        new.user_attrs[OUTSIDE] = outside
    return new


def to_be_trained(trial: Trial, rows: Rows) -> Trial:
    """Return a trial with the attributes that the script gives one with its parameters.

    What was a parameter in the old space, and is none in the new one, is no attribute of its own.
    """
    experiment, about = rows.space.experiment, rows.study.about
    config = {**experiment.fixed_params, **trial.params}
    old = {*about["search_space"], *about.get("fixed_params", {})} - config.keys()
    kept = {name: value for name, value in trial.user_attrs.items() if name not in old}
    fixed = {name: value for name, value in config.items() if name not in trial.params}
    row = experiment.architectures[kept["arch_idx"]]
    trained = {name: value for name, value in config.items() if name not in rows.indices}
    config_id = digest([dict(row), trained])[:12]
    return trial.but(user_attrs={**kept, **fixed, "config_id": config_id})


def impossible(
    config: Mapping[str, Any], outside: list[str], searched: list[str], space: Space
) -> str:
    """Return why a configuration is none of a space; empty if it is one."""
    experiment = space.experiment
    if SHAPE in outside or config.get("arch_idx") in experiment.skip_indices:
        sizes = " ".join(f"{a}={config.get(a)}" for a in experiment.architectures[0])
        return f"its architecture is not searched: {sizes}"
    wrong = [f"{name}={config.get(name)!r} is not searched" for name in outside]
    wrong += [
        f"{name} is fixed at {value!r}, was {config[name]!r}"
        for name, value in experiment.fixed_params.items()
        if name not in searched and config.get(name, value) != value
    ]
    return "; ".join(wrong)


def end(new: Trial, trial: Trial, reason: str) -> None:
    """End a trial that was running, with what it had learnt."""
    new.state = "FAIL"
    new.user_attrs |= {
        "fail_reason": "space",
        "error": f"left running, and not possible in the new space: {reason}",
        "learning_curve": [trial.curve[step] for step in sorted(trial.curve)],
    }
