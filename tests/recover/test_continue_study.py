"""A recovered study that is continued, selected and written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from click.testing import CliRunner, Result

from recover_samples import STAMP
from recover_trials import read_trials
from recover_trials.cli import main

TRIALS = (
    (0.5, {"lr": 1e-5, "n": 1, "act": None}),
    (0.25, {"lr": 0.03, "n": 512, "act": "a"}),
    (0.75, {"lr": 0.001, "n": 7, "act": ""}),
    (0.125, {"lr": 0.002, "n": 8}),
)
LOG = (
    f"{STAMP}A new study created in memory with name: s\n"
    + "".join(
        f"{STAMP}Trial {number} finished with value: {value} and parameters: {params!r}. Best is"
        f" trial {0 if number == 0 else (1 if number < 3 else 3)} with value:"
        f" {0.5 if number == 0 else (0.25 if number < 3 else 0.125)}.\n"
        for number, (value, params) in enumerate(TRIALS)
    )
    + f"{STAMP}Trial 4 pruned. \n"
)
YAML = """\
lr: {type: float, low: 1e-6, high: 0.1, log: true}
n: {type: int, low: 1, high: 1024, log: true}
act: [null, a, "", b]
"""
PYTHON = """\
import os
LOW, HIGH = 1, 2
TOP: float = 1 / 10
CHOICES = [None, "a", "", "b"]
os.remove("never-run")
def objective(trial):
    lr = trial.suggest_float("lr", 10**-6, high=TOP, log=True)
    n = trial.suggest_int("n", 1, 4 * 256, log=True)
    return lr * n if trial.suggest_categorical("act", CHOICES) else lr
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "s.log"
    path.write_text(LOG)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def objective(trial: Any) -> float:
    lr: float = trial.suggest_float("lr", 1e-6, 0.1, log=True)
    trial.suggest_int("n", 1, 1024, log=True)
    trial.suggest_categorical("act", [None, "a", "", "b"])
    return lr


@pytest.mark.parametrize(("name", "text"), [("r.yaml", YAML), ("objective.py", PYTHON)])
def test_a_study_is_continued_by_its_objective(
    name: str, text: str, log: Path, tmp_path: Path
) -> None:
    ranges, url = tmp_path / name, f"sqlite:///{tmp_path / 's.db'}"
    ranges.write_text(text)

    ran = run(log, "--to-storage", url, "--ranges", ranges)

    assert ran.exit_code == 0, ran.output
    assert "guessed" not in ran.output
    study = optuna.load_study(study_name="s", storage=url)
    study.optimize(objective, n_trials=3)
    assert [trial.params for trial in study.trials[:4]] == [params for _, params in TRIALS]


def test_a_wide_positive_range_is_guessed_as_log_and_reported(log: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"

    ran = run(log, "--to-storage", url)

    assert (
        "guessed from the tried values (--ranges FILE states them): act one of None, 'a', '';"
        " lr float 1e-05 to 0.03, log; n int 1 to 512, log" in ran.output
    )
    study = optuna.load_study(study_name="s", storage=url)
    assert study.trials[0].distributions["lr"].log
    study.optimize(lambda t: t.suggest_float("lr", 1e-6, 0.1, log=True), n_trials=2)


@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution")
def test_tuples_are_written_as_the_lists_of_the_storage(tmp_path: Path) -> None:
    path, url = tmp_path / "t.log", f"sqlite:///{tmp_path / 't.db'}"
    path.write_text(
        "".join(
            f"{STAMP}Trial {number} finished with value: 0.5 and parameters: {{'sizes': {sizes}}}."
            " Best is trial 0 with value: 0.5.\n"
            for number, sizes in enumerate(("(1, 2)", "(3,)"))
        )
    )

    ran = run(path, "--to-storage", url, "--direction", "minimize", "--rename", "t")

    assert ran.exit_code == 0
    study = optuna.load_study(study_name="t", storage=url)
    assert [trial.params["sizes"] for trial in study.trials] == [[1, 2], [3]]


def test_unknown_times_of_a_storage_stay_unknown(tmp_path: Path) -> None:
    path, storage = tmp_path / "t.log", tmp_path / "t.db"
    lines = [
        f"Trial {number} finished with value: 0.5 and parameters: {{}}."
        " Best is trial 0 with value: 0.5.\n"
        for number in range(2)
    ]
    path.write_text(lines[0] + STAMP + lines[1])
    run(path, "--to-storage", f"sqlite:///{storage}", "--direction", "minimize")

    for sources in ([storage], [path, storage]):
        rows = read_trials(sources).studies[0].rows
        assert [row.datetime_start for row in rows] == [None, None]
        assert [row.datetime_complete is None for row in rows] == [True, False]
        assert [row.user_attrs for row in rows] == [{}, {}]


def test_ranges_without_a_storage_are_refused(log: Path) -> None:
    assert run(log, "--ranges", log).exit_code == 2


def test_an_unknown_start_gives_no_invented_duration(log: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    run(log, "--to-storage", url)

    for trial in optuna.load_study(study_name="s", storage=url).trials:
        assert trial.datetime_start == trial.datetime_complete
        assert trial.user_attrs["start_unknown"] is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no parameters"),
        ("lr: {type: real}", "type must be one of"),
        ("lr: {type: float, low: 1, high: 2, base: 10}", "unknown key base"),
        ("lr: {type: float, low: 2, high: 1}", "lr: "),
        ("lr: {type: float, low: 2}", "lr: "),
        ("lr: {type: float, low: null, high: 1}", "low must be a finite number"),
        ("lr: {type: float, low: [1], high: 1}", "low must be a finite number"),
        ("lr: {type: float, low: 1, high: .inf}", "high must be a finite number"),
        ("n: {type: int, low: 1.5, high: 8}", "low must be a whole number"),
        ("lr: {type: float, low: 1, high: 2, log: 'no'}", "log must be true or false"),
        ("lr: {type: float, low: 1, high: 2}\nlr: {type: float, low: 1, high: 3}", "twice"),
        ("lr: [", "r.yaml"),
        ("- 1", "no parameters"),
    ],
)
def test_invalid_ranges_are_named(text: str, message: str, log: Path, tmp_path: Path) -> None:
    ranges = tmp_path / "r.yaml"
    ranges.write_text(text)

    ran = run(log, "--to-storage", f"sqlite:///{tmp_path / 's.db'}", "--ranges", ranges)

    assert ran.exit_code == 2
    assert message in ran.stderr
    assert not (tmp_path / "s.db").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t.suggest_float('lr', low(), 1)", "not a constant"),
        ("t.suggest_int('a', 1, 2)\nt.suggest_int('a', 1, 3)", "two different ranges"),
        ("LOW = 1\ndef f(t):\n    LOW = 2\n    t.suggest_int('a', LOW, 9)", "not a constant"),
        ("LOW = 1\nLOW += 1\nt.suggest_int('a', LOW, 9)", "not a constant"),
        ("C = ['a']\nC.append('b')\nt.suggest_categorical('a', C)", "not a constant"),
        ("t.suggest_int('a', 1, 9, **options)", "not a constant"),
        ("t.suggest_int('a', 1, 9**9**9)", "not a constant"),
        ("x = 1", "no suggest_ call"),
        ("x = (", "objective.py"),
    ],
)
def test_python_without_constant_ranges_is_refused(
    text: str, message: str, log: Path, tmp_path: Path
) -> None:
    ranges = tmp_path / "objective.py"
    ranges.write_text(text)

    ran = run(log, "--to-storage", f"sqlite:///{tmp_path / 's.db'}", "--ranges", ranges)

    assert (ran.exit_code, message in ran.stderr) == (2, True)


def test_a_study_is_renamed(log: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"

    assert run(log, "--to-storage", url, "--rename", "again").exit_code == 0
    assert optuna.get_all_study_names(url) == ["again"]


def table(*arguments: object) -> list[dict[str, str]]:
    ran = run(*arguments, "--format", "csv")
    assert ran.exit_code == 0, ran.output
    return list(csv.DictReader(io.StringIO(ran.stdout)))


def test_the_best_trials_come_first(log: Path) -> None:
    def numbers(*arguments: str) -> list[int]:
        return [int(row["number"]) for row in table(log, *arguments)]

    assert numbers("--sort", "value") == [3, 1, 0, 2, 4]
    assert numbers("--sort", "value", "--top", "2") == [3, 1]
    assert numbers("--sort", "-value", "--top", "1") == [2]
    assert numbers("--sort", "lr") == [0, 2, 3, 1, 4]
    assert numbers("--top", "1") == [0]


def test_a_study_without_the_column_keeps_its_order(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    other.write_text(
        f"{STAMP}A new study created in memory with name: t\n"
        f"{STAMP}Trial 0 finished with values: [1.0, 2.0] and parameters: {{}}.\n"
    )

    for column in ("lr", "value", "values_1"):
        rows = table(log, other, "--sort", column, "--top", "1")
        assert [row["study"] for row in rows] == ["s", "t"]
    assert run(log, other, "--sort", "lr", "--columns", "number").exit_code == 0
    assert run(log, other, "--sort", "lrr").exit_code == 2


def test_columns_are_selected_in_their_order(log: Path) -> None:
    rows = table(log, "--columns", "state, lr,number", "--top", "1")

    assert [list(row.items()) for row in rows] == [
        [("state", "COMPLETE"), ("params_lr", "1e-05"), ("number", "0")]
    ]
    shown = run(log, "--format", "table", "--columns", "number,value", "--top", "1").stdout
    assert [line.split() for line in shown.splitlines()[1:]] == [["number", "value"], ["0", "0.5"]]


@pytest.mark.parametrize("option", ["--sort", "--columns"])
def test_an_unknown_column_is_named(option: str, log: Path) -> None:
    ran = run(log, option, "lrr")

    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "no column lrr; did you mean lr? the columns are number, value" in ran.stderr


def test_none_an_empty_text_and_unknown_differ(log: Path, tmp_path: Path) -> None:
    assert [row["params_act"] for row in table(log)] == ["None", "a", "''", "", ""]
    again = tmp_path / "again.csv"
    again.write_text(run(log, "--format", "csv").stdout)
    (study,) = read_trials(again).studies
    assert [trial.params.get("act", "?") for trial in study.rows] == [None, "a", "", "?", "?"]

    for option in ("--columns", "act"), ("--sql", "SELECT params_act FROM trials"), ():
        shown = run(log, "--format", "table", *option).stdout.split("\n")
        cells = [line.split()[-1] if line.split() else "" for line in shown if "act" not in line]
        assert {"None", "a", "''"} <= {*cells}
    text = tmp_path / "text.log"
    text.write_text(LOG.replace("'act': ''", "'act': 'None'"))
    query = "SELECT params_act FROM trials WHERE number < 3"
    assert run(text, "--sql", query).stdout.split("\n")[1:4] == ["None", "a", "'None'"]
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    run(log, "--format", "parquet", "--output", path)
    assert parquet.read_table(path)["params_act"].to_pylist() == [
        "null", '"a"', '""', None, None
    ]  # fmt: skip


def test_trial_files_are_written_and_read_again(log: Path, tmp_path: Path) -> None:
    folder = tmp_path / "trials"

    ran = run(log, "--format", "trial_files", "--output", folder)

    assert ran.exit_code == 0
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"trial_{number:04}.json" for number in range(5)]
    assert json.loads(files[0].read_text())["params"] == TRIALS[0][1]
    (study,) = read_trials(files).studies
    assert [(t.values, t.params) for t in study.rows[:4]] == [((v,), p) for v, p in TRIALS]
    assert run(log, "--format", "trial_files", "--output", folder).exit_code == 2
    assert run(log, "--format", "trial_files", "--output", folder, "--force").exit_code == 0
    assert run(log, "--format", "trial_files").exit_code == 2


def test_budget_horizon_and_task_of_an_experiment_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "old.log"
    path.write_text(f"[1/12] Starting: hpo_2B_h3_threshold_1pct.py\n{STAMP}Trial 0 pruned. \n")

    (row,) = table(path)
    assert (row["budget"], row["horizon"], row["task"]) == ("2B", "3", "threshold_1pct")
