"""A JSON file for each trial, as scripts of version 1 wrote them."""

from __future__ import annotations

import json
from pathlib import Path

from recover_trials.output.all_trials import only_study
from recover_trials.output.rows import as_record
from recover_trials.recovery_report import Recovery


def write_trial_files(recovery: Recovery, folder: Path) -> list[Path]:
    """Write the trials of the only study to a folder; return the paths.

    A number with several rows has a file for each. Raises SeveralStudiesError, OSError.
    """
    study = only_study(recovery, "trial_files")
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for trial in study.rows:
        path = folder / f"trial_{trial.number:04}.json"
        copies = sum(other.stem.startswith(path.stem) for other in paths[-10:])
        path = path.with_stem(f"{path.stem}_{copies + 1}") if copies else path
        part = path.with_suffix(".part")
        part.write_text(json.dumps(as_record(study, trial), indent=2) + "\n", encoding="utf-8")
        part.replace(path)
        paths.append(path)
    return paths
