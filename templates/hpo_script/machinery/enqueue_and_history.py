"""Trials from outside: configurations of --enqueue, and trials of --history."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna

from hpo_script.constants import ARCHITECTURES, METRIC
from hpo_script.experiment.shared import UnusableError
from hpo_script.experiment.space import SPACE, distributions, searched_params
from hpo_script.machinery.log_file import read_log, say
from hpo_script.machinery.log_lines import LOG_VERSION
from hpo_script.machinery.source_digest import COMPARED, changes


def normal_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as the sampler would draw them. Raises ValueError for others."""
    space = distributions()
    if unknown := sorted(params.keys() - space):
        raise ValueError(f"{', '.join(unknown)}: not searched; there are {', '.join(space)}")
    used = {name: space[name] for name in params}
    found = {n: d.to_external_repr(d.to_internal_repr(params[n])) for n, d in used.items()}
    optuna.trial.create_trial(value=0.0, params=found, distributions=used)  # checks the ranges
    return found


def history_lines(path: Path, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the trials of another log that lie in this search space, as lines of this log."""
    study = read_log(path).study
    first = next(iter(study.runs.values()), {})
    if first.get("log_version") != LOG_VERSION:
        raise UnusableError(f"--history {path}: no log of a script of this version of hpogen")
    if changed := changes(first, about, COMPARED):
        raise UnusableError(f"--history {path}: not comparable: {'; '.join(changed[:20])}")
    rows = {tuple(row.values()): arch_idx for arch_idx, row in enumerate(ARCHITECTURES)}
    ended = [t for t in study.trials.values() if t.rerun_of is None and t.value is not None]
    lines = []
    for trial in ended:
        known = {**trial.attributes, "params": trial.attributes["param_count"]}
        with suppress(KeyError, ValueError):  # outside of this search space
            arch_idx = rows[tuple(known[axis] for axis in ARCHITECTURES[0])]
            params = normal_params(searched_params({**known, **SPACE.encode(arch_idx)}))
            fields: dict[str, Any] = {"from_study": study.study_id, "from_trial": trial.number}
            fields |= {"trial_params": params, "state": trial.state, "value": trial.value}
            curve = [{n: point[n] for n in (about["unit"], METRIC)} for point in trial.curve]
            lines.append({**fields, "learning_curve": curve})
    say(f"--history {path}: {len(lines)} of {len(ended)} trials lie in this search space")
    return lines


def enqueued_lines(path: Path) -> list[dict[str, Any]]:
    """Return the configurations of a JSON list as lines of the log. Raises UnusableError."""
    content, lines = path.read_bytes(), list[dict[str, Any]]()
    file = hashlib.sha256(content).hexdigest()[:12]
    try:
        for config in json.loads(content):
            params = {name: value for name, value in config.items() if name != "arch_idx"}
            if "arch_idx" in config:
                if config["arch_idx"] not in SPACE.allowed:
                    raise ValueError(f"arch_idx {config['arch_idx']!r} is no row, or skipped")
                params |= SPACE.encode(config["arch_idx"])
            line = {"enqueued_id": f"{file}-{len(lines)}", "trial_params": normal_params(params)}
            lines.append(line)
    except (ValueError, TypeError, AttributeError) as error:
        raise UnusableError(
            f"--enqueue {path}: [{len(lines)}]: {error}; give a JSON list of objects such as"
            ' {"arch_idx": 3, "learning_rate": 0.001}'
        ) from None
    return lines
