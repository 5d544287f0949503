"""Dataframes of trials in every form of pandas, and what `optuna trials` prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from recover_trials import read_trials
from scripts import installed, run_in

pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*epoch.*")


def objective(trial: Any) -> float:
    x: float = trial.suggest_float("x", 0, 1)
    trial.suggest_categorical("c", ["a,b", 'it"s', "1;2"])
    trial.suggest_int("n_layers", 1, 4)
    trial.set_user_attr("note", f"n;{trial.number}")
    if trial.number == 2:
        raise optuna.TrialPruned
    if trial.number == 3:
        raise ValueError("x")
    return x


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('df') / 's.db'}"


@pytest.fixture(scope="module")
def study(storage: str) -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(study_name="df", storage=storage, sampler=sampler)
    study.optimize(objective, n_trials=6, catch=(ValueError,))
    return study


EPOCH: dict[str, Any] = {"date_format": "epoch", "double_precision": 15}
WRITERS: dict[str, Callable[[Any, Path], None]] = {
    "comma": lambda df, path: df.to_csv(path),
    "semicolon": lambda df, path: df.to_csv(path, sep=";"),
    "decimal_comma": lambda df, path: df.to_csv(path, sep=";", decimal=",", index=False),
    "tab": lambda df, path: df.to_csv(path, sep="\t", index=False),
    "columns.json": lambda df, path: df.to_json(path, **EPOCH),
    "iso.json": lambda df, path: df.to_json(path, date_format="iso", double_precision=15),
    "records.json": lambda df, path: df.to_json(path, orient="records", **EPOCH),
    "index.json": lambda df, path: df.to_json(path, orient="index", **EPOCH),
    "split.json": lambda df, path: df.to_json(path, orient="split", **EPOCH),
    "table.json": lambda df, path: df.to_json(path, orient="table", double_precision=15),
    "seconds.json": lambda df, path: df.to_json(path, date_unit="s", **EPOCH),
    "ns.json": lambda df, path: df.to_json(path, date_unit="ns", **EPOCH),
    "unknown": lambda df, path: df.to_csv(path, na_rep="NaN"),
    "lines": lambda df, path: df.to_json(path, orient="records", lines=True, **EPOCH),
}


def check(path: Path, study: optuna.Study, *, exact_times: bool = False) -> None:
    """Compare the trials in a file with the trials of the study."""
    recovery = read_trials(path)

    (recovered,) = recovery.studies
    for trial, expected in zip(recovered.rows, study.trials, strict=True):
        assert (trial.number, trial.state) == (expected.number, expected.state.name)
        assert trial.values == pytest.approx(tuple(expected.values or ()), rel=1e-9)
        assert trial.params.pop("x") == pytest.approx(expected.params["x"], rel=1e-9)
        assert trial.params == {n: v for n, v in expected.params.items() if n != "x"}
        assert trial.user_attrs == expected.user_attrs
        assert trial.datetime_start is not None
        assert expected.datetime_start is not None
        apart = abs(trial.datetime_start - expected.datetime_start).total_seconds()
        assert apart < (1e-9 if exact_times else 1)
    assert recovery.conflicts == []


@pytest.mark.parametrize("name", WRITERS)
def test_a_dataframe_is_read(name: str, study: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](study.trials_dataframe(), path)

    check(path, study, exact_times=name in ("comma", "semicolon", "tab"))


def test_a_dataframe_with_columns_of_two_levels_is_read(
    study: optuna.Study, tmp_path: Path
) -> None:
    path = tmp_path / "multi.csv"
    study.trials_dataframe(multi_index=True).to_csv(path)

    check(path, study)


def test_two_levels_and_two_objectives_are_read(tmp_path: Path) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.optimize(lambda trial: (trial.suggest_float("a", 0, 1), -1.5), n_trials=3)
    path = tmp_path / "multi.csv"
    study.trials_dataframe(multi_index=True).to_csv(path)

    (recovered,) = read_trials(path).studies

    assert [(t.number, t.values, t.params) for t in recovered.rows] == [
        (t.number, tuple(t.values), t.params) for t in study.trials
    ]


def test_rounding_is_reported(study: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / "rounded.json"
    for digits, expected in ((10, True), (6, False)):
        study.trials_dataframe().to_json(path, double_precision=digits)
        report = "\n".join(read_trials(path).report())
        assert ("pandas rounded the numbers to 10 decimals" in report) == expected


@pytest.mark.parametrize("form", ["table", "yaml", "json"])
@pytest.mark.parametrize("flatten", [[], ["--flatten"]])
def test_what_optuna_prints_is_read(
    form: str, flatten: list[str], study: optuna.Study, storage: str, tmp_path: Path
) -> None:
    command = [installed("optuna"), "trials", "--storage", storage]
    done = run_in(tmp_path, *command, "--study-name", "df", "-f", form, *flatten)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "printed"
    for text in (done.stdout, done.stderr + done.stdout):
        path.write_text(text)
        check(path, study)


def test_a_torn_row_of_a_table_is_left_out(study: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    study.trials_dataframe().to_csv(path, sep=";", index=False)
    path.write_text(path.read_text()[:-30])

    recovery = read_trials(path)

    assert [trial.number for trial in recovery.studies[0].rows] == [0, 1, 2, 3, 4]
    assert recovery.conflicts


@pytest.mark.parametrize(
    "warning", ["a.py:1: UserWarning: Warning: b\n", "FutureWarning: b\n  warn('Warning: b')\n"]
)
def test_many_warnings_before_a_log_are_read_in_linear_time(warning: str) -> None:
    line = "[I 2026-03-01 10:00:00,123] Trial 0 finished with value: 0.5 and parameters: {}.\n"

    recovery = read_trials([[(200 * warning + line).encode()]])

    assert [trial.values for trial in recovery.studies[0].rows] == [(0.5,)]


@pytest.mark.parametrize("row", ["", ",0.5,COMPLETE", ",,"])
def test_a_first_row_without_a_number_costs_no_other(row: str) -> None:
    recovery = read_trials([[f"number,value,state\n{row}\n1,0.25,COMPLETE\n".encode()]])

    trials = recovery.studies[0].trials
    assert (trials[1][0].state, trials[1][0].values) == ("COMPLETE", (0.25,))
