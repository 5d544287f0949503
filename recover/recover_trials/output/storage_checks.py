"""Checks before a study is written to a storage: a study with conflicts is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from recover_trials.errors import RebuildError
from recover_trials.hpogen_log.run_lines import SHARED
from recover_trials.model import Study, Trial

NUMBERED = re.compile(r" \(run \d+\)\Z")
SHOWN = 5


def check_all(studies: Iterable[Study]) -> dict[str, Study]:
    """Return checked studies by their names in a storage. Raises RebuildError."""
    by_name: dict[str, Study] = {}
    for study in studies:
        check_study(study)
        name = storage_name(study)
        other = by_name.setdefault(name, study)
        if other is not study:
            raise RebuildError(
                f"{name} is the name of two studies, in {other.source} and {study.source};"
                f" nothing was written. {advice_for_two(other, study)}"
            )
    return by_name


def storage_name(study: Study) -> str:
    """Return the name of a study in its storage."""
    name = study.about.get("study_name") or study.about.get("name") or study.optuna_name
    return str(name or NUMBERED.sub("", study.name))


def advice_for_two(one: Study, other: Study) -> str:
    """Return the advice for two studies with one name."""
    if "study" in one.about and "study" in other.about:
        ids = f'study="{one.about["study"]}"\' or \'study="{other.about["study"]}"\''
        return f"Give a log with the lines of one study: grep '{ids} LOG > ONE.log"
    return "Give the logs of one study only"


def check_study(study: Study) -> None:
    """Refuse a study with conflicts. Raises RebuildError, with advice."""
    if not study.trials:
        raise RebuildError(f"study {study.name} was not written: it has no trials")
    conflicts = [
        *differences(study),
        *(flag for flag in study.flags if flag not in SHARED.values()),
    ]
    conflicts += [
        f"trial {number}: {conflict_in(rows)}"
        for number, rows in sorted(study.trials.items())
        if any(trial.conflicts for trial in rows)
    ]
    if conflicts:
        more = f"; and {len(conflicts) - SHOWN} more" if len(conflicts) > SHOWN else ""
        raise RebuildError(
            f"study {study.name} was not written: {'; '.join(conflicts[:SHOWN])}{more}."
            f" {advice_for_one(study)}"
        )


def differences(study: Study) -> list[str]:
    """Return the settings that differ between the runs of a study."""
    different = []
    for name, meaning in SHARED.items():
        values = runs_by(study, name)
        if len(values) > 1:
            each = " and ".join(f"{shown(v, values)} in run {runs}" for v, runs in values.items())
            different.append(f"{meaning} ({name} {each})")
    return different


def runs_by(study: Study, name: str) -> dict[str, str]:
    """Return the runs with each value of a field, by the JSON of the value."""
    runs: dict[str, list[str]] = {}
    for run, about in study.runs.items():
        if name in about:
            runs.setdefault(json.dumps(about[name], sort_keys=True), []).append(run)
    return {value: ", ".join(ids) for value, ids in runs.items()}


def shown(text: str, others: Iterable[str]) -> str:
    """Return the part of a value that differs from others; a digest is shortened."""
    value = json.loads(text)
    if not isinstance(value, dict):
        return str(value)[:12]
    tables = [json.loads(other) for other in others]
    return json.dumps({k: v for k, v in value.items() if any(t.get(k) != v for t in tables)})


def conflict_in(rows: list[Trial]) -> str:
    """Return the flags of a trial, and its end lines if they differ."""
    flags = ", ".join(dict.fromkeys(flag for trial in rows for flag in trial.conflicts))
    if len(rows) == 1:
        return flags
    ends = (" ".join([t.state, *map(repr, t.values), *in_run(t)]) for t in rows)
    return f"{flags}: " + " and ".join(ends)


def in_run(trial: Trial) -> list[str]:
    return [f"in run {trial.run}"] if trial.run else []


def advice_for_one(study: Study) -> str:
    """Return the advice for a study with conflicts."""
    if study.runs:
        return "Give a log with the lines of runs that agree: grep 'run=\"...\"' LOG > ONE.log"
    return "Give a log from which the wrong lines are removed"
