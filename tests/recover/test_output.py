"""Tables, CSV and JSON of recovered trials."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import optuna
import pytest

from recover_samples import (
    HOSTILE_TEXTS,
    OTHER_STUDY,
    STAMP,
    SampleLog,
    moment,
    recover,
    sample_log,
)
from recover_trials import Recovery, Study, Trial
from recover_trials.output import to_csv, to_json, to_jsonl, to_table

EVIL = "\x1b[31m\x1b]0;title\x07[bold]\r\n\x9b2J\u202eend\0"


def rows_of(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV."""
    return list(csv.DictReader(io.StringIO(text)))


def recovery_of(*trials: Trial, direction: str = "minimize") -> Recovery:
    """Return a study of trials."""
    study = Study("a", "a", "a.log", {"direction": direction})
    for trial in trials:
        study.trials.setdefault(trial.number, []).append(trial)
    return Recovery([study])


def test_a_csv_has_a_row_for_each_started_trial() -> None:
    rows = rows_of(to_csv(recover(sample_log().lines)))

    assert [(row["number"], row["value"], row["state"]) for row in rows] == [
        ("0", "0.5", "COMPLETE"),
        ("1", "0.875", "PRUNED"),
        ("2", "", "RUNNING"),
    ]


def test_a_csv_has_the_columns_of_optunas_dataframe() -> None:
    study = optuna.create_study()
    distribution = optuna.distributions.FloatDistribution(0, 1)
    trial = optuna.create_trial(
        value=0.5,
        params={"b": 0.5, "a": 0.25},
        distributions={"b": distribution, "a": distribution},
        user_attrs={"y": 1, "x": 2},
    )
    study.add_trial(trial)
    fields: dict[str, Any] = {"params": trial.params, "user_attrs": trial.user_attrs}

    text = to_csv(recovery_of(Trial(0, "COMPLETE", (0.5,), **fields)))

    assert text.splitlines()[0].split(",") == list(study.trials_dataframe().columns)


def test_a_csv_of_several_objectives_has_the_columns_of_optunas_dataframe() -> None:
    study = optuna.create_study(directions=["minimize"] * 12)
    study.add_trial(optuna.create_trial(values=[0.5] * 12))
    trials = [Trial(0, "COMPLETE", (0.5,) * 12), Trial(1, "FAIL")]

    text = to_csv(recovery_of(*trials))

    assert text.splitlines()[0].split(",") == list(study.trials_dataframe().columns)
    assert rows_of(text)[1]["values_11"] == ""


def test_a_duration_is_the_time_from_start_to_end() -> None:
    trial = Trial(0, datetime_start=moment(0), datetime_complete=moment(90))

    (row,) = rows_of(to_csv(recovery_of(trial)))

    assert row["duration"] == str(timedelta(seconds=90))


def test_a_csv_names_the_study_only_if_there_are_several() -> None:
    one, other = sample_log().lines, sample_log(OTHER_STUDY).lines

    assert "study" not in rows_of(to_csv(recover(one)))[0]
    assert [row["study"] for row in rows_of(to_csv(recover(one, other)))] == ["hpo_2M_h1"] * 6


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_a_csv_keeps_text_as_it_is(text: str) -> None:
    trial = Trial(0, params={"text": text, text: 1})

    rows = list(csv.reader(io.StringIO(to_csv(recovery_of(trial)), newline="")))

    assert text in rows[1]
    assert f"params_{text}" in rows[0]


def test_a_csv_keeps_floats_to_the_last_digit() -> None:
    values = [0.00012520653814659472, 5e-324, -0.0, 1e22, float("inf"), float("nan")]
    trials = [Trial(number, "COMPLETE", (value,)) for number, value in enumerate(values)]

    rows = rows_of(to_csv(recovery_of(*trials)))

    assert [repr(float(row["value"])) for row in rows] == list(map(repr, values))


def test_lone_surrogates_can_be_written_as_csv() -> None:
    log = SampleLog()
    log.end(0, error="no such file: caf\udce9.csv")

    text = to_csv(recover(log.lines))

    assert b"caf\\udce9.csv" in text.encode()


def test_a_csv_has_lists_but_not_the_learning_curve() -> None:
    log = SampleLog()
    log.evaluate(0, 1, val_loss=0.5)
    log.end(0, extreme=["smallest", "deepest"])

    (row,) = rows_of(to_csv(recover(log.lines)))

    assert row["user_attrs_extreme"] == "['smallest', 'deepest']"
    assert "user_attrs_learning_curve" not in row


def test_json_has_every_field_of_a_trial() -> None:
    document = json.loads(to_json(recover(sample_log().lines)))

    assert document["generated_from"] == "log_recovery"
    (study,) = document["studies"]
    assert (study["study"], study["best_trial"], study["about"]["metric"]) == (
        "hpo_2M_h1",
        0,
        "val_loss",
    )
    trial = study["trials"][0]
    assert (trial["trial_number"], trial["state"], trial["value"]) == (0, "COMPLETE", 0.5)
    assert trial["datetime_start"] == str(moment(0))
    assert trial["params"]["dropout"] == 0.1
    assert trial["user_attrs"]["learning_curve"][1] == {"epoch": 2, "val_loss": 0.5}
    assert trial["intermediate_values"] == {"1": 0.75, "2": 0.5}


def test_json_lines_are_the_trials_of_the_json() -> None:
    recovery = recover(sample_log().lines, sample_log(OTHER_STUDY).lines)

    lines = [json.loads(line) for line in to_jsonl(recovery).splitlines()]

    studies = json.loads(to_json(recovery))["studies"]
    assert lines == [trial for study in studies for trial in study["trials"]]


@pytest.mark.parametrize(
    ("value", "stored"), [(float("nan"), None), (float("inf"), "inf"), (-float("inf"), "-inf")]
)
def test_strict_json_has_null_for_nan_and_text_for_infinity(value: float, stored: object) -> None:
    trial = Trial(0, "COMPLETE", (value,), params={"a": [value]}, intermediate_values={1: value})

    document = json.loads(to_jsonl(recovery_of(trial)), parse_constant=pytest.fail)

    assert (document["value"], document["values"]) == (stored, [stored])
    assert document["state"] == "COMPLETE"
    assert document["params"] == {"a": [stored]}
    assert document["intermediate_values"] == {"1": stored}


def test_json_keeps_text_as_it_is() -> None:
    log = SampleLog()
    log.end(0, texts=list(HOSTILE_TEXTS))

    (trial,) = map(json.loads, to_jsonl(recover(log.lines)).splitlines())

    assert trial["user_attrs"]["texts"] == list(HOSTILE_TEXTS)


def test_a_table_has_a_line_for_each_started_trial() -> None:
    title, head, *lines = to_table(recover(sample_log().lines)).splitlines()

    assert title == "hpo_2M_h1"
    assert head.split()[:3] == ["number", "state", "value"]
    assert [line.split()[:3] for line in lines] == [
        ["*", "0", "COMPLETE"],
        ["1", "PRUNED", "0.875"],
        ["2", "RUNNING", "57"],
    ]


@pytest.mark.parametrize(("direction", "best"), [("minimize", "0"), ("maximize", "1")])
def test_a_table_marks_the_best(direction: str, best: str) -> None:
    trials = [Trial(0, "COMPLETE", (0.25,)), Trial(1, "COMPLETE", (0.5,)), Trial(2, "FAIL")]

    lines = to_table(recovery_of(*trials, direction=direction)).splitlines()

    assert [line.split()[1] for line in lines if line.startswith("*")] == [best]


def test_a_table_shows_the_architecture_instead_of_its_indices() -> None:
    head = to_table(recover(sample_log().lines)).splitlines()[1].split()

    assert head[3:] == [
        *("arch_idx", "d_model", "n_layers", "n_heads", "d_ff", "param_count"),
        *("learning_rate", "dropout", "kind"),
    ]


def test_a_table_without_architectures_shows_every_parameter() -> None:
    head = to_table(
        recover(f"{STAMP}Trial 0 finished with value: 1.0 and parameters: {{'a_idx': 3}}.")
    )

    assert "a_idx" in head


def test_a_table_shows_several_objectives() -> None:
    table = to_table(recovery_of(Trial(0, "COMPLETE", (0.5, 2.0))))

    assert "[0.5, 2.0]" in table


@pytest.mark.parametrize(
    "recovery",
    [
        pytest.param(recovery_of(Trial(0, params={"text": EVIL})), id="value"),
        pytest.param(recovery_of(Trial(0, params={EVIL: 1})), id="parameter"),
        pytest.param(recovery_of(Trial(0, state=EVIL)), id="state"),
        pytest.param(recovery_of(Trial(0, user_attrs={"kind": [EVIL]})), id="attribute"),
        pytest.param(Recovery([Study("a", EVIL, EVIL, trials={0: [Trial(0)]})]), id="study"),
    ],
)
def test_text_in_a_table_cannot_control_the_terminal(
    recovery: Recovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")

    table = to_table(recovery)

    assert all(line.isprintable() for line in table.split("\n"))
    assert len(table.splitlines()) == 3


def test_text_in_a_table_is_not_markup() -> None:
    table = to_table(recovery_of(Trial(0, params={"text": "[bold]x[/bold] :smile:"})))

    assert "[bold]x[/bold] :smile:" in table


def test_a_table_is_not_wrapped() -> None:
    params = {f"parameter_{index}": "x" * 50 for index in range(30)}

    table = to_table(recovery_of(Trial(0, params=params)))

    assert table.splitlines()[2].count("x" * 50) == 30
