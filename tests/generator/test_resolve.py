"""Conditions, switches, samplers: what a configuration comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpogen.errors import ConfigError
from hpogen.spec import Spec
from scripts import MARKET, changed, spec_of

GAMMA = {"type": "float", "low": 0.5, "high": 3.0}
LOSSES = {"type": "categorical", "choices": ["bce", "focal"]}
EPOCHS = {"type": "categorical", "choices": [2, 3]}


def market(folder: Path, **search: Any) -> Spec:
    """Return the specification of a market search with more searched parameters."""
    fixed = {name: None for name in search if name in MARKET["fixed"]}
    return spec_of(folder, changed(MARKET, search=search, fixed=fixed))


def problems(folder: Path, **changes: Any) -> list[str]:
    """Return what is wrong with a changed market search, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        spec_of(folder, changed(MARKET, **changes))
    return [line.split(": ", 1)[1] for line in str(caught.value).splitlines()]


def test_the_parameters_of_a_searched_loss_are_searched_with_that_loss_only(
    tmp_path: Path,
) -> None:
    spec = market(tmp_path, focal_gamma=GAMMA, loss=LOSSES)
    assert spec.search["focal_gamma"].when == {"loss": ["focal"]}
    assert list(spec.search).index("loss") < list(spec.search).index("focal_gamma")
    assert spec.used["loss"] == ["bce", "focal"]
    assert spec.metric == "auc"


def test_a_parameter_of_every_loss_in_use_needs_no_condition(tmp_path: Path) -> None:
    config = changed(MARKET, search={"focal_gamma": GAMMA}, fixed={"loss": "focal"})
    assert spec_of(tmp_path, config).search["focal_gamma"].when == {}


def test_where_a_condition_fails_the_fixed_value_counts(tmp_path: Path) -> None:
    when = {"when": {"loss": "bce"}}
    dropout = {"type": "float", "low": 0.0, "high": 0.3, **when}
    config = changed(MARKET, search={"loss": LOSSES, "dropout": dropout}, fixed={"dropout": 0.05})
    spec = spec_of(tmp_path, config)
    assert spec.search["dropout"].when == {"loss": ["bce"]}
    assert spec.fixed["dropout"] == 0.05


def test_a_default_is_the_value_where_nothing_else_is_said(tmp_path: Path) -> None:
    clip = {"type": "float", "low": 0.1, "high": 0.9, "when": {"epochs": 3}}
    spec = market(tmp_path, epochs=EPOCHS, clip_norm=clip)
    assert spec.fixed["clip_norm"] == 1.0


def test_a_condition_that_always_holds_is_none(tmp_path: Path) -> None:
    clip = {"type": "float", "low": 0.1, "high": 0.9, "when": {"epochs": [2]}}
    assert market(tmp_path, clip_norm=clip).search["clip_norm"].when == {}


def test_conditions_may_form_a_chain_in_any_order(tmp_path: Path) -> None:
    spec = market(
        tmp_path,
        clip_norm={"type": "float", "low": 0.1, "high": 0.9, "when": {"patience": 4}},
        patience={"type": "int", "low": 2, "high": 6, "step": 2, "when": {"epochs": 3}},
        epochs=EPOCHS,
    )
    names = [name for name in spec.search if name in ("epochs", "patience", "clip_norm")]
    assert names == ["epochs", "patience", "clip_norm"]


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({"los": "bce"}, "search.clip_norm.when.los: unknown parameter; did you mean loss?"),
        ({"clip_norm": 1.0}, "search.clip_norm.when.clip_norm: a parameter cannot"),
        ({"epochs": 7}, "search.clip_norm.when.epochs: never holds, because epochs is fixed at 2"),
        ({"dropout": 0.1}, "search.clip_norm.when.dropout: dropout is a float"),
        ({"batch_size": 48}, "search.clip_norm.when.batch_size: never holds, because search"),
        ({"batch_size": 65}, "search.clip_norm.when.batch_size: never holds, because search"),
        ({"batch_size": "64"}, "search.clip_norm.when.batch_size: never holds, because search"),
        ({"batch_size": []}, "search.clip_norm.when.batch_size: write a value"),
        ({"batch_size": True}, "search.clip_norm.when.batch_size: write a number"),
        (3, "search.clip_norm.when: write a mapping, KEY: VALUE"),
    ],
)
def test_a_condition_that_cannot_be_met_is_refused(
    tmp_path: Path, when: Any, message: str
) -> None:
    found = problems(
        tmp_path,
        search={
            "clip_norm": {"type": "float", "low": 0.1, "high": 0.9, "when": when},
            "batch_size": {"type": "int", "low": 64, "high": 128, "step": 32},
        },
    )
    assert len(found) == 1
    assert found[0].startswith(message)


def test_conditions_that_go_in_a_circle_are_refused(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        search={
            "patience": {"type": "int", "low": 2, "high": 6, "when": {"batch_size": 64}},
            "batch_size": {"type": "int", "low": 64, "high": 128, "when": {"patience": 2}},
        },
    )
    assert len(found) == 1
    assert "conditions depend on each other: " in found[0]


def test_a_parameter_without_a_default_value_must_have_one_beside_its_condition(
    tmp_path: Path,
) -> None:
    rate = {"type": "float", "low": 1e-3, "high": 1e-2, "when": {"loss": "bce"}}
    found = problems(tmp_path, search={"learning_rate": rate, "loss": LOSSES})
    assert found == [
        "search.learning_rate.when: write fixed.learning_rate, the value for trials in which the"
        " condition fails"
    ]


def test_a_parameter_of_a_loss_that_is_not_in_use_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, fixed={"focal_gamma": 1.0})
    assert found == [
        "fixed.focal_gamma: has no effect without loss: focal, which is not fixed or searched"
    ]


def test_a_direction_is_that_of_the_metric(tmp_path: Path) -> None:
    assert spec_of(tmp_path, changed(MARKET, metric="auc", direction="maximize")).metric == "auc"
    found = problems(tmp_path, metric="auc", direction="minimize")
    assert found == ["direction: the direction of auc is maximize; leave direction out"]


def test_group_is_on_where_there_are_conditions_and_parameters_are_drawn_together(
    tmp_path: Path,
) -> None:
    conditional = changed(MARKET, search={"focal_gamma": GAMMA, "loss": LOSSES})

    def group(config: dict[str, Any], **sampler: bool) -> object:
        return spec_of(tmp_path, changed(config, sampler=sampler)).sampler.model_dump()["group"]

    assert [group(config) for config in (MARKET, conditional)] == [False, True]
    assert group(conditional, multivariate=False) is False
    assert group(conditional, group=False) is False


def test_a_grid_holds_countable_values_without_conditions(tmp_path: Path) -> None:
    found = problems(tmp_path, sampler={"type": "grid"})
    assert found == [
        "sampler: a grid search takes no floats: write type: int or type: categorical for"
        " learning_rate, dropout, or fix them"
    ]
    countable = {
        "learning_rate": {"type": "categorical", "choices": [0.001, 0.01]},
        "dropout": None,
        "batch_size": {"type": "int", "low": 1, "high": 60_000},
    }
    found = problems(tmp_path, sampler={"type": "grid"}, search=countable, fixed={"dropout": 0.1})
    assert [line.partition(";")[0] for line in found] == [
        "sampler: the grid has 960,000 combinations, more than 100,000"
    ]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"type": "tpee"}, "sampler.type: unknown type 'tpee'; did you mean tpe?"),
        ({"type": "cmaes", "n_ei_candidates": 3}, "sampler.n_ei_candidates: unknown key; choose"),
        ({"n_startup_trials": -1}, "sampler.n_startup_trials: must be at least 0"),
        ({"group": True, "multivariate": False}, "sampler: group: true needs multivariate"),
    ],
)
def test_a_sampler_takes_its_own_arguments(
    tmp_path: Path, section: dict[str, Any], message: str
) -> None:
    assert [line.startswith(message) for line in problems(tmp_path, sampler=section)] == [True]


def test_a_password_does_not_reach_a_script_nor_the_message(tmp_path: Path) -> None:
    for address in ("postgresql://me:secret@host/db", "postgresql://host/db?password=secret"):
        found = problems(tmp_path, study={"storage": address})
        assert len(found) == 1
        assert found[0].startswith("study.storage: holds a password; leave it out")
        assert "secret" not in found[0]
    spec = spec_of(tmp_path, changed(MARKET, study={"storage": "postgresql://me@host/db"}))
    assert spec.storage == "postgresql://me@host/db"
