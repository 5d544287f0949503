"""Seed noise of a log: what counts as a rerun, and how often its verdict is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial


def study(values: list[float], reruns: dict[int, list[float]]) -> LoggedStudy:
    """Return a study of complete trials, and reruns of some of them behind these."""
    found = LoggedStudy()
    attributes = [{"kind": "search"} for _ in values]
    attributes += [
        {"kind": "noise", "rerun_of": of} for of, again in reruns.items() for _ in again
    ]
    every = [*values, *(value for again in reruns.values() for value in again)]
    for number, (value, known) in enumerate(zip(every, attributes, strict=True)):
        found.trials[number] = LoggedTrial(number, [], dict(known), state="COMPLETE", value=value)
    return found


def test_a_rerun_is_neither_the_best_trial_nor_in_the_median() -> None:
    found = study([3.0, 1.0, 2.0], {1: [0.0, 1.5, 1.5]})
    best = found.best("minimize")
    assert best is not None
    assert best.number == 1
    assert found.seed_noise("minimize") == {
        "sd": pytest.approx(0.75**0.5),
        "rerun_of": 1,
        "reruns": 3,
        "mean": 1.0,
        "median": 2.0,
        "lead": 1.0,
        "within_sd": 0,
    }


def test_a_lead_is_above_0_where_it_is_better() -> None:
    found = study([3.0, 1.0, 2.0], {0: [2.5, 3.5]})
    assert found.seed_noise("maximize")["lead"] == 1.0
    assert found.seed_noise("maximize")["within_sd"] == 0
    assert study([3.0, 1.0, 2.0], {1: [2.5, 3.5]}).seed_noise("minimize")["lead"] == -1.0


@pytest.mark.parametrize("reruns", [{}, {0: [1.0]}, {0: [1.0], 1: [2.0]}])
def test_noise_needs_two_reruns_of_one_trial(reruns: dict[int, list[float]]) -> None:
    assert study([1.0, 2.0], reruns).seed_noise("minimize") == {}


def test_the_trial_that_was_rerun_last_counts() -> None:
    found = study([1.0, 2.0], {1: [5.0, 7.0], 0: [1.0, 3.0]}).seed_noise("minimize")
    assert (found["rerun_of"], found["mean"]) == (0, 2.0)


def test_a_log_without_the_field_has_no_reruns() -> None:
    found = study([1.0, 2.0, 2.0], {})
    assert [trial.number for trial in found.ranked("minimize")] == [0, 1, 2]
    assert found.seed_noise("minimize") == {}


@pytest.mark.parametrize("n_trials", [10, 50])
def test_a_lead_among_equal_configurations_is_seldom_called_more_than_noise(
    n_trials: int,
) -> None:
    random, called = np.random.default_rng(0), 0
    for _ in range(400):
        values = random.normal(size=n_trials - 3).tolist()
        best = values.index(min(values))
        noise = study(values, {best: random.normal(size=3).tolist()}).seed_noise("minimize")
        called += noise["lead"] > 2 * noise["sd"]
    assert called / 400 < 0.08
