"""The file of all trials that earlier tools read, with what the log tells and nothing else."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from recover_trials.errors import SeveralStudiesError
from recover_trials.model import Study, Trial
from recover_trials.output.rows import plain
from recover_trials.recovery import Recovery

ARCHITECTURE = ("arch_idx", "d_model", "n_layers", "n_heads", "param_count")
BUDGET = re.compile(r"(?:^|_)(\d+(?:\.\d+)?[KMB])_h\d+(?:_|$)")


def to_all_trials(recovery: Recovery) -> str:
    """Return the one study of a recovery; a value that the log does not tell is null.

    Raises SeveralStudiesError, for the format holds one study.
    """
    study = only_study(recovery, "all_trials")
    trials = [trial_entry(trial) for trial in study.rows]
    found = {
        "experiment": study.about.get("name") or study.experiment or study.name,
        "budget": budget_of(study),
        "n_trials": len(trials),
        "trials": trials,
        "generated_from": "log_recovery",
        "timestamp": datetime.now().isoformat(timespec="seconds"),
    }
    return json.dumps(plain(found), indent=2) + "\n"


def only_study(recovery: Recovery, format_: str) -> Study:
    """Return the only study. Raises SeveralStudiesError."""
    if len(recovery.studies) != 1:
        names = ", ".join(study.name for study in recovery.studies)
        raise SeveralStudiesError(f"{format_} holds one study; choose one by --study: {names}")
    return recovery.studies[0]


def budget_of(study: Study) -> Any:
    """Return the budget that the run line tells, or the experiment's name."""
    if "budget" in study.about:
        return study.about["budget"]
    named = BUDGET.search(study.experiment or study.name)
    return named[1] if named else None


def trial_entry(trial: Trial) -> dict[str, Any]:
    """Return a trial under the names of that file, and its state."""
    known = {**trial.user_attrs, **trial.params}
    return {
        "start_time": trial.datetime_start,
        **{name: known.get(name) for name in ARCHITECTURE},
        "lr": known.get("learning_rate"),
        "epochs": known.get("epochs"),
        "batch_size": known.get("batch_size"),
        "trial_number": trial.number,
        "end_time": trial.datetime_complete,
        # Readers of this file take every value for that of a finished trial.
        "val_loss": trial.value if trial.state == "COMPLETE" else None,
        "params": trial.params,
        "state": trial.state,
    }
