"""Parquet, all_trials.json and best_config.py of recovered trials, and all formats compared."""

from __future__ import annotations

import csv
import io
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from recover_samples import (
    HOSTILE_TEXTS,
    OTHER_STUDY,
    STAMP,
    SampleLog,
    as_bytes,
    moment,
    recover,
    sample_log,
)
from recover_trials import Recovery, Study, Trial
from recover_trials.cli import main
from recover_trials.errors import MissingPackageError, NoBestError, SeveralStudiesError
from recover_trials.output import (
    to_all_trials,
    to_best_config,
    to_csv,
    to_json,
    to_jsonl,
    to_parquet,
    to_table,
)

INF, NAN = float("inf"), float("nan")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(HOSTILE_TEXTS)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def recovery_of(*trials: Trial, **about: Any) -> Recovery:
    """Return a study of trials."""
    study = Study("a", "a", "a.log", {"direction": "minimize", **about})
    for trial in trials:
        study.trials.setdefault(trial.number, []).append(trial)
    return Recovery([study])


def complete(number: int, value: float = 0.5, **fields: Any) -> Trial:
    """Return a finished trial."""
    return Trial(number, "COMPLETE", (value,), **fields)


def parquet_table(recovery: Recovery) -> pa.Table:
    """Return the Parquet of a recovery."""
    return pq.read_table(io.BytesIO(to_parquet(recovery)))


def parquet_cells(recovery: Recovery, name: str) -> list[Any]:
    """Return a column, JSON decoded."""
    table = parquet_table(recovery)
    metadata = table.schema.field(name).metadata or {}
    cells = table.column(name).to_pylist()
    if metadata.get(b"encoding") == b"json":
        return [cell if cell is None else json.loads(cell) for cell in cells]
    return list(cells)


def settings_of(recovery: Recovery, folder: Path) -> dict[str, Any]:
    """Return the names that a best_config.py defines."""
    path = folder / "best_config.py"
    path.write_text(to_best_config(recovery), encoding="ascii")
    names = runpy.run_path(str(path))
    return {name: value for name, value in names.items() if not name.startswith("__")}


def test_no_depth_of_a_value_is_a_crash(tmp_path: Path) -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    recovery = recovery_of(complete(0, params={"a": deep, "b": 1}))

    assert settings_of(recovery, tmp_path)["b"] == 1
    for write in (to_csv, to_json, to_jsonl, to_parquet, to_all_trials, to_table):
        assert write(recovery)


# --- Parquet -------------------------------------------------------------------------------------


def test_parquet_keeps_the_types_of_a_study() -> None:
    schema = parquet_table(recover(sample_log().lines)).schema

    types = {name: str(schema.field(name).type) for name in schema.names}
    assert types["number"] == types["user_attrs_d_model"] == "int64"
    assert types["value"] == types["params_dropout"] == "double"
    assert types["datetime_start"] == "timestamp[us]"
    assert types["duration"] == "duration[us]"
    assert types["state"] == "string"


def test_parquet_has_the_columns_of_the_csv_and_the_curves() -> None:
    recovery = recover(sample_log().lines, sample_log(OTHER_STUDY).lines)

    names = parquet_table(recovery).schema.names

    head = to_csv(recovery).splitlines()[0].split(",")
    assert [name for name in names if name != "user_attrs_learning_curve"] == head
    assert parquet_cells(recovery, "user_attrs_learning_curve")[0][1] == {
        "epoch": 2,
        "val_loss": 0.5,
    }


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([1, 2.5, None], [1, 2.5, None]),  # in JSON, where None is null
        ([1, "a", None], [1, "a", None]),
        ([True, 1], [True, 1]),
        ([2**70, 1], [2**70, 1]),
        ([2**60 + 1, 0.5], [2**60 + 1, 0.5]),
        ([[1, (2,)], {"a": None}], [[1, [2]], {"a": None}]),
        ([INF, -INF], [INF, -INF]),
        ([INF, "x"], ["inf", "x"]),
        ([None, None], [None, None]),
        (["caf\udce9", "[1]"], ["caf\\udce9", "[1]"]),
    ],
)
def test_parquet_loses_no_value_of_a_mixed_column(cells: list[Any], expected: list[Any]) -> None:
    trials = [complete(number, params={"a": cell}) for number, cell in enumerate(cells)]

    stored = parquet_cells(recovery_of(*trials), "params_a")

    assert list(map(repr, stored)) == list(map(repr, expected))


@given(st.lists(st.dictionaries(st.text(), VALUES, max_size=3), min_size=1, max_size=4))
def test_every_format_can_hold_any_parameters(params: list[dict[str, Any]]) -> None:
    recovery = recovery_of(*(complete(n, params=values) for n, values in enumerate(params)))

    assert parquet_table(recovery).num_rows == len(params)
    assert len(to_jsonl(recovery).splitlines()) == len(params)
    assert len(json.loads(to_all_trials(recovery))["trials"]) == len(params)
    assert "Trial 0" in to_best_config(recovery)


def test_parquet_without_its_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingPackageError, match="pip install pyarrow"):
        to_parquet(recover(sample_log().lines))


def mixed_log() -> SampleLog:
    """Return a log with every state, infinity and times."""
    log = sample_log()
    log.end(3, value=INF)
    log.end(4, "FAIL", None, error="x,y\n'z'")
    log.end(5, value=-0.0)
    return log


def test_all_formats_of_one_recovery_agree() -> None:
    recovery = recover(mixed_log().lines)
    table = parquet_table(recovery)
    rows = list(csv.DictReader(io.StringIO(to_csv(recovery), newline="")))
    lines = [json.loads(line) for line in to_jsonl(recovery).splitlines()]
    (document,) = json.loads(to_json(recovery))["studies"]
    (study,) = recovery.studies

    assert document["trials"] == lines
    numbers = [trial.number for trial in study.rows]
    assert [line["trial_number"] for line in lines] == numbers
    assert [int(row["number"]) for row in rows] == table["number"].to_pylist() == numbers
    states = [trial.state for trial in study.rows]
    assert [line["state"] for line in lines] == states
    assert [row["state"] for row in rows] == table["state"].to_pylist() == states
    values = [repr(trial.value) for trial in study.rows]
    from_json = [line["value"] for line in lines]
    assert [repr(v if v is None else float(v)) for v in from_json] == values
    assert [repr(float(row["value"]) if row["value"] else None) for row in rows] == values
    assert list(map(repr, table["value"].to_pylist())) == values
    for name in ("learning_rate", "dropout", "shape_idx"):
        expected = [trial.params.get(name) for trial in study.rows]
        assert [line["params"].get(name) for line in lines] == expected
        assert table[f"params_{name}"].to_pylist() == expected
        assert [row[f"params_{name}"] for row in rows] == list(map(str, expected))
    starts = [str(trial.datetime_start) for trial in study.rows]
    assert [line["datetime_start"] for line in lines] == starts
    assert list(map(str, table["datetime_start"].to_pylist())) == starts
    assert [row["datetime_start"] for row in rows] == starts


# --- all_trials.json -----------------------------------------------------------------------------


def test_all_trials_has_the_names_that_earlier_tools_read() -> None:
    document = json.loads(to_all_trials(recover(sample_log().lines)))

    assert (document["experiment"], document["n_trials"]) == ("hpo_2M_h1", 3)
    assert document["generated_from"] == "log_recovery"
    first = document["trials"][0]
    assert {*first} == {
        *("start_time", "arch_idx", "d_model", "n_layers", "n_heads", "param_count", "lr"),
        *("epochs", "batch_size", "trial_number", "end_time", "val_loss", "params", "state"),
    }
    assert (first["lr"], first["param_count"], first["val_loss"], first["epochs"]) == (
        *(0.00012520653814659472, 2_414_273, 0.5, 50),
    )
    assert (first["start_time"], first["end_time"]) == (str(moment(0)), str(moment(30)))


def test_all_trials_makes_no_value_up() -> None:
    line = f"{STAMP}Trial 3 finished with value: 0.5 and parameters: {{'arch_idx': 7}}."

    document = json.loads(to_all_trials(recover(line)))

    (trial,) = document["trials"]
    expected = {name: value for name, value in trial.items() if value is not None}
    assert {*expected} == {"arch_idx", "trial_number", "end_time", "val_loss", "params", "state"}
    assert document["budget"] is None


def test_only_a_finished_trial_has_a_loss_in_all_trials() -> None:
    trials = json.loads(to_all_trials(recover(sample_log().lines)))["trials"]

    assert [(t["state"], t["val_loss"]) for t in trials] == [
        ("COMPLETE", 0.5),
        ("PRUNED", None),
        ("RUNNING", None),
    ]


def test_the_budget_comes_from_the_name_of_an_old_experiment() -> None:
    text = (
        "[3/12] Starting: hpo_2B_h3_threshold_1pct.py\n"
        f"{STAMP}Trial 0 finished with value: 0.5 and parameters: {{'a': 1}}."
        " Best is trial 0 with value: 0.5.\n"
    )

    assert json.loads(to_all_trials(recover(text)))["budget"] == "2B"


@pytest.mark.parametrize("write", [to_all_trials, to_best_config])
def test_a_file_of_one_study_is_refused_for_two(write: Any) -> None:
    recovery = recover(sample_log().lines, sample_log(OTHER_STUDY).lines)

    with pytest.raises(SeveralStudiesError, match="hpo_2M_h1"):
        write(recovery)


# --- best_config.py ------------------------------------------------------------------------------


def test_a_best_config_is_python_with_the_parameters_of_the_best_trial(tmp_path: Path) -> None:
    log = SampleLog()
    log.open_run(fixed_params={"patience": 4, "weight_decay": 0.01})
    log.end(0, value=0.5)
    log.end(1, value=0.25, dropout=0.3)

    recovery = recover(log.lines)
    values = settings_of(recovery, tmp_path)

    assert (values["dropout"], values["learning_rate"]) == (0.3, 0.00012520653814659472)
    assert (values["patience"], values["weight_decay"]) == (4, 0.01)
    assert (values["d_model"], values["n_layers"], values["n_heads"]) == (64, 48, 8)
    lines = to_best_config(recovery).splitlines()
    assert lines[:2] == ["# Best HPO Configuration - Trial 1", "# val_loss: 0.25"]
    assert [line for line in lines[3:] if line.startswith("#")] == [
        *("# Model", "# Training", "# Early stopping", "# Other parameters"),
    ]


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ([complete(0, INF)], "the best value, of trial 0, is inf"),
        ([Trial(0)], "no trial has finished"),
        ([Trial(0, "COMPLETE", (0.5, 0.25))], "several values"),
    ],
)
def test_best_config_is_refused_without_a_finite_best_value(
    trials: list[Trial], reason: str
) -> None:
    with pytest.raises(NoBestError, match=reason):
        to_best_config(recovery_of(*trials))


def test_best_config_is_refused_where_the_line_of_the_best_trial_is_lost() -> None:
    line = (
        f"{STAMP}Trial 5 finished with value: 0.5 and parameters: {{'a': 1}}."
        " Best is trial 3 with value: 0.25."
    )

    with pytest.raises(NoBestError, match="the end line of the best trial, 3, is missing"):
        to_best_config(recover(line))


EVIL_NAMES = (
    *HOSTILE_TEXTS,
    *("a\nimport os", "a = 1; b", "class", "None", "__builtins__", "OTHER_NAMES", "", "a.b"),
    *("\ufb01", "x\u202e", "a#", "\u00e9", "a\n"),
)


def test_hostile_names_and_values_remain_data(tmp_path: Path) -> None:
    params = {**dict.fromkeys(EVIL_NAMES, 1), "text": "".join(EVIL_NAMES), "f": [NAN, (INF,), {}]}
    recovery = recovery_of(
        complete(0, params=params, flags=["flag\nimport os"]), metric="val\nimport os"
    )
    recovery.studies[0].name = "study\nimport os\u2028"

    values = settings_of(recovery, tmp_path)

    assert {*values} == {"text", "f", "OTHER_NAMES"}
    assert values["text"] == params["text"]
    assert repr(values["f"]) == repr(params["f"])
    assert values["OTHER_NAMES"] == dict.fromkeys(EVIL_NAMES, 1)


@given(st.dictionaries(st.text() | st.sampled_from(EVIL_NAMES), VALUES))
def test_a_best_config_has_the_values_of_the_trial(params: dict[str, Any]) -> None:
    text = to_best_config(recovery_of(complete(0, params=params)))

    names: dict[str, Any] = {}
    exec(compile(text, "best_config.py", "exec"), names)  # noqa: S102
    names = {**names, **names.pop("OTHER_NAMES", {})}
    assert {name: repr(names[name]) for name in params} == {n: repr(v) for n, v in params.items()}


# --- On the command line -------------------------------------------------------------------------


def test_every_format_is_written_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(as_bytes(sample_log().lines))
    for format_ in ("parquet", "all_trials", "best_config"):
        out = tmp_path / f"out.{format_}"
        arguments = [str(tmp_path / "a.log"), "--format", format_]
        assert CliRunner().invoke(main, [*arguments, "--output", str(out)]).exit_code == 0
        if format_ != "all_trials":  # it contains the current time
            assert CliRunner().invoke(main, arguments).stdout_bytes == out.read_bytes()
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 3


@pytest.mark.parametrize(
    ("format_", "logs", "code"),
    [("best_config", "none", 1), ("all_trials", "two", 2), ("parquet", "package", 3)],
)
def test_a_format_that_cannot_be_written_has_an_exit_code(
    tmp_path: Path, format_: str, logs: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SampleLog()
    log.open_run()
    log.start(0)
    samples = {"none": [log], "two": [sample_log(), sample_log(OTHER_STUDY)], "package": [log]}
    for number, one in enumerate(samples[logs]):
        (tmp_path / f"{number}.log").write_bytes(as_bytes(one.lines))
    if logs == "package":
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    names = sorted(map(str, tmp_path.glob("*.log")))

    ran = CliRunner().invoke(
        main, [*names, "--format", format_, "--output", str(tmp_path / "out")]
    )

    assert (ran.exit_code, "error: " in ran.stderr) == (code, True)
    assert not (tmp_path / "out").exists()


def test_a_metric_with_the_name_of_a_setting_is_left_out(tmp_path: Path) -> None:
    measured = {"precision": 0.25, "learning_curve": [{"epoch": 1, "precision": 0.25}]}
    recovery = recovery_of(complete(0, params={"a": 1}, user_attrs={"dropout": 0.5, **measured}))

    assert settings_of(recovery, tmp_path) == {"a": 1, "dropout": 0.5}
