"""Seed noise of a recovered study, computed by the script's own `LoggedStudy.seed_noise`."""

from __future__ import annotations

from typing import Any

from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial
from recover_trials.model import Study

LARGEST = 1e150


def seed_noise(study: Study) -> dict[str, Any]:
    """Return what the reruns of a study show; {} without two complete reruns of one trial.

    The keys are those of `seed_noise` in the script's RESULT: `sd`, `rerun_of`, `reruns`, `mean`,
    `median`, `lead`, `within_sd`.
    """
    logged = LoggedStudy()
    for number, (*_, trial) in study.trials.items():
        if trial.value is not None and abs(trial.value) < LARGEST:  # not nan, and can be squared
            known = {"rerun_of": trial.rerun_of}
            logged.trials[number] = LoggedTrial(number, [], known, state=trial.state)
            logged.trials[number].value = trial.value
    return logged.seed_noise(study.direction) if study.direction else {}


def noise_sentence(noise: dict[str, Any]) -> str:
    """Return the same in words."""
    verdict = "more" if noise["lead"] > 2 * noise["sd"] else "not more"
    return (
        f"seed noise: SD {noise['sd']:.3g} over {noise['reruns']} reruns of trial"
        f" {noise['rerun_of']}, mean {noise['mean']:.5g}; lead over the median trial:"
        f" {noise['lead']:.3g}, {verdict} than seed noise (2 SD); {noise['within_sd']} other"
        " trials lie within one SD of the best"
    )
