"""Joint TPE: draws depend on the seed and the trials, and move towards the good ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpo_script.machinery.joint_tpe import from_unit, rank, suggest_together, to_unit

SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "dropout": FloatDistribution(0.0, 0.3, step=0.1),
    "shape": IntDistribution(0, 24),
    "width": IntDistribution(2, 64, log=True),
    "heads": IntDistribution(4, 16, step=4),
    "loss": CategoricalDistribution(("a", "b", "c")),
    "single": IntDistribution(3, 3),
}
GOOD = {
    "rate": 1e-3,
    "dropout": 0.1,
    "shape": 20,
    "width": 8,
    "heads": 8,
    "loss": "b",
    "single": 3,
}


def trial(params: dict[str, Any], value: float | None, state: str = "COMPLETE") -> FrozenTrial:
    return create_trial(
        state=TrialState[state],
        value=value,
        params=params,
        distributions={name: SPACE[name] for name in params},
    )


def draw(trials: list[FrozenTrial], seed: int = 0, direction: str = "minimize") -> dict[str, Any]:
    study = optuna.create_study(direction=direction)
    study.add_trials(trials)
    return suggest_together(study, SPACE, np.random.default_rng(seed), 10, 24)


def random_trials(count: int, seed: int = 0) -> list[FrozenTrial]:
    """Return trials whose value is the distance of their shape from that of GOOD."""
    found = []
    for number in range(count):
        params = draw([], seed=1000 * seed + number)
        found.append(trial(params, abs(params["shape"] - GOOD["shape"])))
    return found


def test_draws_are_pinned() -> None:
    # The same with every version of Optuna: `tests/faults/test_optuna_versions.py`.
    found = draw(random_trials(30))
    assert found.pop("rate") == pytest.approx(0.04945005343781228)
    assert found.pop("dropout") == pytest.approx(0.2)
    assert found == {"shape": 20, "width": 53, "heads": 8, "loss": "b", "single": 3}


@pytest.mark.parametrize("count", [0, 5, 30])
def test_draws_depend_on_seed_and_trials_only(count: int) -> None:
    trials = random_trials(count)
    assert draw(trials, seed=1) == draw(trials, seed=1) != draw(trials, seed=2)


def test_draws_are_random_until_enough_trials_have_ended() -> None:
    running = [trial(GOOD, None, "RUNNING")] * 20
    assert draw(random_trials(9) + running) == draw([])
    assert draw(random_trials(10)) != draw([])


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_draws_move_towards_the_good_trials(direction: str) -> None:
    sign = 1 if direction == "minimize" else -1
    trials = [trial(t.params, sign * (t.value or 0.0)) for t in random_trials(30)]
    shapes = [draw(trials, seed, direction)["shape"] for seed in range(40)]
    even = [draw([], seed)["shape"] for seed in range(40)]
    gap = np.abs(np.array([shapes, even]) - GOOD["shape"]).mean(axis=1)
    assert gap[0] < 0.6 * gap[1]


def test_a_running_trial_keeps_others_away() -> None:
    ends = [{**GOOD, "shape": shape} for shape in (2, 22)]
    trials = [trial(params, 0.0) for params in ends * 5]
    trials += [trial(t.params, 50.0) for t in random_trials(20)]
    running = [trial(ends[0], None, "RUNNING")] * 5
    low = [
        sum(draw(known, seed)["shape"] < 12 for seed in range(40))
        for known in (trials, trials + running)
    ]
    assert low[1] < low[0] / 2


def test_complete_trials_rank_before_pruned_and_those_before_the_rest() -> None:
    pruned = [
        create_trial(state=TrialState.PRUNED, value=1.0, intermediate_values=values)
        for values in ({1: 0.1, 9: 0.5}, {1: 0.1, 9: 0.6}, {1: 0.1})
    ]
    complete = [create_trial(value=value) for value in (3.0, 7.0)]
    rest = [create_trial(state=TrialState.FAIL), create_trial(state=TrialState.PRUNED, value=1.0)]
    ranks = [rank(known, 1) for known in (*complete, *pruned, *rest)]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks) - 1


def test_a_trial_without_a_parameter_is_no_evidence_about_it() -> None:
    trials = [trial({"shape": t.params["shape"]}, t.value) for t in random_trials(30)]
    losses = {draw(trials, seed)["loss"] for seed in range(30)}
    assert losses == {"a", "b", "c"}


@pytest.mark.parametrize("name", SPACE)
def test_every_place_has_a_value_of_the_range_and_back(name: str) -> None:
    space = SPACE[name]
    for place in np.linspace(0, 1, 101):
        value = from_unit(space, float(place))
        assert space._contains(space.to_internal_repr(value))
        known = to_unit(space, value)
        assert 0 <= known <= 1
        assert from_unit(space, known) == (value if name != "rate" else pytest.approx(value))
