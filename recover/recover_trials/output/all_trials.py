"""The `all_trials.json` that earlier tools read."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from recover_trials.errors import SeveralStudiesError
from recover_trials.model import Study, Trial
from recover_trials.output.rows import json_value
from recover_trials.recovery_report import Recovery

ARCHITECTURE = ("arch_idx", "d_model", "n_layers", "n_heads", "param_count")
BUDGET = re.compile(r"(?:^|_)(\d+(?:\.\d+)?[KMB])_h\d+(?:_|$)")


def to_all_trials(recovery: Recovery) -> str:
    """Return the only study of a recovery as JSON; values that the log does not hold are null.

    Raises SeveralStudiesError if the recovery does not have exactly one study.
    """
    study = only_study(recovery, "all_trials")
    trials = [trial_entry(trial) for trial in study.rows]
    document = {
        "experiment": study.about.get("name") or study.experiment or study.name,
        "budget": budget_of(study),
        "n_trials": len(trials),
        "trials": trials,
        "generated_from": "log_recovery",
        "timestamp": datetime.now().isoformat(timespec="seconds"),
    }
    return json.dumps(json_value(document), indent=2) + "\n"


def only_study(recovery: Recovery, format_: str) -> Study:
    """Return the only study. Raises SeveralStudiesError."""
    if len(recovery.studies) != 1:
        names = ", ".join(study.name for study in recovery.studies)
        raise SeveralStudiesError(
            f"format {format_} holds one study; select one with --study NAME: {names}"
        )
    return recovery.studies[0]


def budget_of(study: Study) -> Any:
    """Return the budget from the run line or the name of the experiment."""
    if "budget" in study.about:
        return study.about["budget"]
    match = BUDGET.search(study.experiment or study.name)
    return match[1] if match else None


def trial_entry(trial: Trial) -> dict[str, Any]:
    """Return a trial under the field names of the file, and its state."""
    config = {**trial.user_attrs, **trial.params}
    return {
        "start_time": trial.datetime_start,
        **{name: config.get(name) for name in ARCHITECTURE},
        "lr": config.get("learning_rate"),
        "epochs": config.get("epochs"),
        "batch_size": config.get("batch_size"),
        "trial_number": trial.number,
        "end_time": trial.datetime_complete,
        # Readers of this file take every trial with a value for a finished one.
        "val_loss": trial.value if trial.state == "COMPLETE" else None,
        "params": trial.params,
        "state": trial.state,
    }
