"""Start and end lines of runs: settings that all runs of a study share, and the best trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recover_trials.model import Study, compatible

# Fields that all runs of a study share, and the flag of a study whose runs differ.
SHARED = {
    "data_sha256": "runs with different data",
    "architectures_sha256": "runs with different architectures under one arch_idx",
    "search_space": "runs with different search spaces",
    "conditions": "runs with different conditions of parameters",
    "skip_indices": "runs that skip different architectures",
    "fixed_params": "runs with different fixed parameters",
    "metric": "runs with different metrics",
    "direction": "runs with different directions",
    "settings": "runs with different settings",
    "settings_sha256": "runs with different settings",
    "code_sha256": "runs with different code of the experiment",
}
# Digests that also change when a script is rendered again, for example with a larger total.
USUALLY_SHARED = {"script_sha256": "runs of different scripts"}
# Fields of another type are ignored.
KINDS: dict[str, type] = {
    "metric": str,
    "direction": str,
    "skip_indices": list,
    **dict.fromkeys(("search_space", "conditions", "fixed_params"), dict),
}


def open_run(study: Study, fields: Mapping[str, Any]) -> None:
    """Add the fields of a run; flag the fields that differ from earlier runs."""
    for shared, flags in ((SHARED, study.flags), (USUALLY_SHARED, study.remarks)):
        for name, meaning in shared.items():
            if not compatible(study.about.get(name), fields.get(name)) and meaning not in flags:
                flags.append(meaning)
    about = {name: v for name, v in fields.items() if isinstance(v, KINDS.get(name, object))}
    study.about.update(about)
    study.runs[fields["run"]] = about
    study.name = str(fields.get("study_name") or fields.get("name", study.key))


def close_run(study: Study, fields: Mapping[str, Any]) -> None:
    """Add the best trial that the last line of a run names."""
    number, value = fields.get("best_trial"), fields.get("best_value")
    if isinstance(number, int) and isinstance(value, (int, float)):
        study.named_bests.pop(number, None)
        study.named_bests[number] = value
