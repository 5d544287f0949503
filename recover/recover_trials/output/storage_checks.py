"""Studies that are not written back: nobody knows which of their trials are right."""

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
    """Return studies by the name they get in a storage. Raises RebuildError."""
    named: dict[str, Study] = {}
    for study in studies:
        check(study)
        name = storage_name(study)
        other = named.setdefault(name, study)
        if other is not study:
            raise RebuildError(
                f"{name} is the name of two studies, in {other.source} and {study.source};"
                f" nothing was written. {way_out(other, study)}"
            )
    return named


def storage_name(study: Study) -> str:
    """Return what a study is called in its storage."""
    told = study.about.get("study_name") or study.about.get("name") or study.told_name
    return str(told or NUMBERED.sub("", study.name))


def way_out(one: Study, other: Study) -> str:
    """Return how to keep the lines of one of two studies."""
    if "study" in one.about and "study" in other.about:
        ids = f'study="{one.about["study"]}"\' or \'study="{other.about["study"]}"\''
        return f"Keep the lines of one: grep '{ids} LOG > ONE.log"
    return "Give the logs of one"


def check(study: Study) -> None:
    """Refuse a study that contradicts itself. Raises RebuildError, with what to do."""
    if not study.trials:
        raise RebuildError(f"{study.name} is not written: it has no trials")
    wrong = [*differences(study), *(flag for flag in study.flags if flag not in SHARED.values())]
    wrong += [
        f"trial {number}: {told_apart(told)}"
        for number, told in sorted(study.trials.items())
        if any(trial.conflicts for trial in told)
    ]
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise RebuildError(
            f"{study.name} is not written: " + "; ".join(wrong[:SHOWN]) + f"{more}."
            f" {what_to_keep(study)}, and give that"
        )


def differences(study: Study) -> list[str]:
    """Return what the runs of a study do not share, and which of them have what."""
    found = []
    for name, meaning in SHARED.items():
        values = runs_by(study, name)
        if len(values) > 1:
            each = " and ".join(f"{shown(v, values)} in run {runs}" for v, runs in values.items())
            found.append(f"{meaning} ({name} {each})")
    return found


def runs_by(study: Study, name: str) -> dict[str, str]:
    """Return the runs that have each value of a field, by the JSON of the value."""
    runs: dict[str, list[str]] = {}
    for run, about in study.runs.items():
        if name in about:
            runs.setdefault(json.dumps(about[name], sort_keys=True), []).append(run)
    return {value: ", ".join(found) for value, found in runs.items()}


def shown(text: str, others: Iterable[str]) -> str:
    """Return a value as far as it differs from others: digests by their beginning."""
    value = json.loads(text)
    if not isinstance(value, dict):
        return str(value)[:12]
    tables = [json.loads(other) for other in others]
    return json.dumps({k: v for k, v in value.items() if any(t.get(k) != v for t in tables)})


def told_apart(told: list[Trial]) -> str:
    """Return what is wrong with a trial, and what its lines say where they differ."""
    flags = ", ".join(dict.fromkeys(flag for trial in told for flag in trial.conflicts))
    if len(told) == 1:
        return flags
    ends = (" ".join([t.state, *map(repr, t.values), *in_run(t)]) for t in told)
    return f"{flags}: " + " and ".join(ends)


def in_run(trial: Trial) -> list[str]:
    """Return where a trial was told."""
    return [f"in run {trial.run}"] if trial.run else []


def what_to_keep(study: Study) -> str:
    """Return the command that keeps the lines of runs that belong together."""
    if study.runs:
        return "Keep the lines of runs that belong together (grep 'run=\"...\"' LOG > ONE.log)"
    return "Keep the lines that are right in a file of their own"
