"""Settings that spoil a study are warned about: value, key, way out; others are not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpogen.configuration.yaml_file import ConfigFile
from hpogen.spec import Spec, make_spec
from hpogen.spec.make import grid_points
from hpogen.spec.spec_warnings import spec_warnings

SPACE = {"d_model": [16, 24, 32, 40, 48, 64], "n_layers": [1, 2, 3, 4, 5, 6, 8, 12]}
SOUND: dict[str, Any] = {"budget": "60K", "horizon": 1, "architecture": SPACE}
MARKET = {**SOUND, "fixed": {"epochs": 40, "warmup_steps": 20}}
TEXT = {"task": "byte_lm", "budget": "200K", "architecture": SPACE, "tolerance": 0.5}
few = settings(max_examples=30, deadline=None)


def spec_of(config: dict[str, Any]) -> Spec:
    return make_spec(config=ConfigFile("x.yaml", config, {}))


def warnings(config: dict[str, Any], n_train_rows: int | None = None) -> list[str]:
    return spec_warnings(spec_of(config), n_train_rows)


def places(config: dict[str, Any], n_train_rows: int | None = None) -> list[str]:
    """Return the keys that are warned about."""
    return [text.split(":")[0] for text in warnings(config, n_train_rows)]


@pytest.mark.parametrize("config", [MARKET, TEXT], ids=["market", "byte_lm"])
def test_a_sound_study_has_no_warning(config: dict[str, Any]) -> None:
    assert warnings(config) == []


def test_every_warning_names_a_key_and_a_way_out() -> None:
    config = {
        **SOUND,
        "architecture": {"d_model": [64], "n_layers": [1]},
        "study": {"n_trials": 1},
        "fixed": {"epochs": 2},
        "sampler": {"type": "cmaes"},
    }
    found = warnings(config)
    assert len(found) == 5
    for text in found:
        assert re.match(r"[a-z]+(\.[a-z_]+)?[:,]", text)
        assert re.search(r"; (give|lower|raise|write) ", text), text


@few
@given(st.lists(st.sampled_from(SPACE["n_layers"]), min_size=1, unique=True))
def test_fewer_than_five_shapes_are_warned_about(n_layers: list[int]) -> None:
    config = {**MARKET, "tolerance": 0.9, "architecture": {"d_model": [16], "n_layers": n_layers}}
    config["budget"] = "20K"
    spec = spec_of(config)
    n_shapes = len({(row["n_layers"], row["d_ff"]) for row in spec.architectures})
    assert ("architecture" in places(config)) == (n_shapes < 5)


@few
@given(n_trials=st.integers(1, 12))
def test_a_study_of_extremes_alone_is_warned_about(n_trials: int) -> None:
    config = {**MARKET, "study": {"n_trials": n_trials}}
    n_extremes = len(spec_of(config).extremes)
    assert places(config) == (["study.n_trials"] if n_trials <= n_extremes else [])


@few
@given(n_trials=st.integers(1, 60), n_noise=st.integers(0, 30), n_confirm=st.integers(0, 30))
def test_more_reruns_than_other_trials_are_warned_about(
    n_trials: int, n_noise: int, n_confirm: int
) -> None:
    study = {"n_trials": n_trials, "n_noise": n_noise, "n_confirm": n_confirm}
    warned = any("study.n_noise" in place for place in places({**MARKET, "study": study}))
    assert warned == (n_trials >= 10 and 2 * (n_noise + n_confirm) > n_trials)


def test_reruns_that_leave_combinations_of_a_grid_untried_are_warned_about() -> None:
    grid = {
        "sampler": {"type": "grid"},
        "search": {"batch_size": {"type": "categorical", "choices": [64, 128]}},
        "fixed": {
            "epochs": 50,
            "learning_rate": 1e-3,
            "weight_decay": 1e-3,
            "dropout": 0.1,
            "warmup_steps": 10,
        },
    }
    n_points = grid_points(spec_of({**MARKET, **grid}))
    for more, warned in ((-1, False), (0, True), (2, True), (3, False)):
        study = {"n_trials": n_points + more}
        assert (
            any("study.n_noise" in p for p in places({**MARKET, **grid, "study": study})) == warned
        )


@few
@given(
    epochs=st.integers(30, 100),
    batch_size=st.integers(1, 500),
    warmup=st.integers(0, 300),
    rows=st.integers(400, 9000),
)
def test_a_warmup_of_more_than_half_of_a_market_trial_is_warned_about(
    epochs: int, batch_size: int, warmup: int, rows: int
) -> None:
    fixed = {"epochs": epochs, "batch_size": batch_size, "warmup_steps": warmup}
    n_samples = rows - 1 - 59
    n_steps = epochs * -(-n_samples // batch_size)
    found = places({**SOUND, "fixed": fixed}, rows)
    assert ("fixed.warmup_steps" in found) == (warmup > n_steps / 2)


@few
@given(steps=st.lists(st.integers(200, 2000), min_size=2, max_size=4, unique=True),
       warmup=st.integers(0, 1000))  # fmt: skip
def test_the_shortest_trial_and_the_longest_warmup_count(steps: list[int], warmup: int) -> None:
    search = {
        "steps": {"type": "categorical", "choices": steps},
        "warmup_steps": {"type": "int", "low": 0, "high": warmup + 1},
    }
    found = places({**TEXT, "search": search, "fixed": {"eval_interval": 1}})
    assert ("search.warmup_steps" in found) == (2 * (warmup + 1) > min(steps))


def test_nothing_is_said_about_a_warmup_where_the_file_is_unknown() -> None:
    fixed = {"epochs": 40, "warmup_steps": 100_000}
    unknown = {**SOUND, "fixed": fixed, "data": {"data_path": "mine.csv"}}
    assert places(unknown) == []
    assert places(unknown, 1000) == ["fixed.warmup_steps", "pruner"]
    assert places({**SOUND, "fixed": fixed}) == ["fixed.warmup_steps", "pruner"]  # the demo's file


def can_prune(steps: int, interval: int, prune_from: float, warmup: int, n_warmup: int) -> bool:
    """Return whether an evaluation before the last may prune, by trying all of them."""
    return any(
        step >= prune_from * steps and step > warmup and step >= n_warmup
        for step in range(interval, steps, interval)
    )


@settings(max_examples=150, deadline=None)
@given(
    steps=st.integers(1, 300),
    interval=st.integers(1, 300),
    prune_from=st.floats(0, 1),
    warmup=st.integers(0, 300),
    n_warmup=st.integers(0, 300),
)
def test_a_trial_that_ends_before_it_can_be_pruned_is_warned_about(
    steps: int, interval: int, prune_from: float, warmup: int, n_warmup: int
) -> None:
    fixed = {"steps": steps, "eval_interval": interval, "prune_from": prune_from}
    config = {
        **TEXT,
        "fixed": {**fixed, "warmup_steps": warmup},
        "pruner": {"type": "median", "n_warmup_steps": n_warmup},
    }
    acts = can_prune(steps, interval, prune_from, warmup, n_warmup)
    assert ("pruner" not in places(config)) == acts
    assert "pruner" not in places({**config, "pruner": {"type": "none"}})


def test_lengths_without_bound_are_judged_at_once() -> None:
    assert places({**TEXT, "fixed": {"steps": 10**29, "eval_interval": 1}}) == []


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "gp"])
def test_categories_are_warned_about_only_where_they_are_drawn_at_random(sampler: str) -> None:
    config = {**MARKET, "sampler": {"type": sampler}}
    assert places(config) == []
    config["search"] = {"batch_size": {"type": "categorical", "choices": [32, 64]}}
    assert places(config) == (["search.batch_size"] if sampler == "cmaes" else [])


def test_warnings_of_a_data_file_are_printed_by_render(tmp_path: Path, sp500: Path) -> None:
    from click.testing import CliRunner

    from hpogen.cli import main

    lines = sp500.read_text().splitlines()
    path = tmp_path / "x.csv"
    path.write_text(
        "\n".join(f"{n},{line}" for n, line in enumerate(lines)).replace("0,", "Row,", 1)
    )
    arguments = ["render", "--budget", "2M", "--horizon", "1", "--out", str(tmp_path)]
    columns = "data.feature_columns=[Close, Row]"
    done = CliRunner().invoke(main, [*arguments, "--data", str(path), "-q", "--set", columns])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{tmp_path}/hpo_2M_h1.py\n"
    told = done.stderr.splitlines()
    assert all(line.startswith("warning: ") for line in told)
    assert told[0].startswith("warning: data.feature_columns: Row only counts rows; leave it out:")


@few
@given(size=st.integers(2, 60), n_noise=st.integers(0, 3))
def test_a_study_without_a_second_generation_is_warned_about(size: int, n_noise: int) -> None:
    config = {
        **SOUND,
        "second_metric": "ece",
        "study": {"n_trials": 40, "n_noise": n_noise},
        "sampler": {"type": "nsga2", "population_size": size},
    }
    assert ("sampler.population_size" in places(config)) == (size >= 40 - n_noise)
