"""Rows of trials: duplicate, conflicting and missing lines."""

from __future__ import annotations

from typing import Any

import pytest

from recover_samples import (
    LATER_RUN,
    OTHER_STUDY,
    STAMP,
    STUDY,
    SampleLog,
    moment,
    recover,
    recover_one,
)
from recover_trials import Recovery, Study, Trial


@pytest.fixture
def log() -> SampleLog:
    """Return a log of a run that has just begun."""
    log = SampleLog()
    log.open_run()
    return log


def test_a_duplicate_end_line_is_one_end(log: SampleLog) -> None:
    log.start(0)
    log.end(0, value=float("nan"))
    log.identity["run"] = LATER_RUN
    log.end(0, value=float("nan"))

    assert [row.flags for row in recover_one(log.lines).rows] == [[]]


@pytest.mark.parametrize("other", [{"value": 0.25}, {"state": "FAIL"}, {"dropout": 0.2}])
def test_another_end_of_a_trial_is_kept_and_flagged(log: SampleLog, other: dict[str, Any]) -> None:
    log.start(0)
    first, second = log.end(0), log.end(0, **other)

    rows = recover_one([*log.lines, first, second]).rows

    assert [row.flags for row in rows] == [[], ["two end lines differ"]]
    assert [(rows[0].state, rows[0].value, rows[0].params["dropout"])] == [("COMPLETE", 0.5, 0.1)]
    assert rows[1].params["dropout"] == other.get("dropout", 0.1)


def test_a_number_started_again_is_another_trial(log: SampleLog) -> None:
    log.start(0)
    log.evaluate(0, 1, val_loss=0.75)
    log.end(0)
    log.identity["run"] = LATER_RUN
    again = {"datetime_start": str(moment(600)), "dropout": 0.2}
    log.start(0, **again)
    log.evaluate(0, 1, val_loss=0.25)
    log.end(0, value=0.25, **again)

    rows = recover_one(log.lines, log.lines).rows

    assert [(row.params["dropout"], row.value, row.intermediate_values) for row in rows] == [
        (0.1, 0.5, {1: 0.75}),
        (0.2, 0.25, {1: 0.25}),
    ]
    assert [row.flags for row in rows] == [[], ["number started twice"]]


def test_a_duplicate_start_line_after_the_end_is_ignored(log: SampleLog) -> None:
    start = log.start(0)
    log.end(0)

    (trial,) = recover_one([*log.lines, start]).rows

    assert (trial.state, trial.value, trial.flags) == ("COMPLETE", 0.5, [])


def test_a_trial_without_a_start_line_comes_from_its_end_line(log: SampleLog) -> None:
    log.end(0)

    (trial,) = recover_one(log.lines).rows

    assert (trial.datetime_start, trial.params["dropout"]) == (moment(0), 0.1)


def test_a_trial_without_start_and_end_comes_from_its_evaluations(log: SampleLog) -> None:
    log.evaluate(3, 1, val_loss=0.75)

    (trial,) = recover_one(log.lines).rows

    assert (trial.number, trial.state, trial.intermediate_values) == (3, "RUNNING", {1: 0.75})


def test_a_curve_begun_anew_replaces_the_old_one(log: SampleLog) -> None:
    log.start(0)
    for epoch, loss in [(1, 0.9), (2, 0.8), (3, 0.7), (1, 0.6), (2, 0.5)]:
        log.evaluate(0, epoch, val_loss=loss)
    log.end(0)

    (trial,) = recover_one(log.lines).rows

    curve = [(point["epoch"], point["val_loss"]) for point in trial.user_attrs["learning_curve"]]
    assert curve == [(1, 0.6), (2, 0.5)]


def test_the_last_value_of_a_step_counts_as_in_the_study(log: SampleLog) -> None:
    log.start(0)
    log.evaluate(0, 1, val_loss=0.9)
    log.evaluate(0, 1, val_loss=0.6)

    assert recover_one(log.lines).rows[0].intermediate_values == {1: 0.6}


def test_only_the_metric_of_the_study_is_an_intermediate_value(log: SampleLog) -> None:
    log.evaluate(0, 1, train_loss=0.1)

    assert recover_one(log.lines).rows[0].intermediate_values == {}


def test_an_unknown_field_is_an_attribute(log: SampleLog) -> None:
    log.end(0, invented={"later": [1, None]})

    assert recover_one(log.lines).rows[0].user_attrs["invented"] == {"later": [1, None]}


def test_the_short_names_of_the_log_are_the_long_ones_of_the_study(log: SampleLog) -> None:
    log.end(0)

    (trial,) = recover_one(log.lines).rows

    assert trial.params["learning_rate"] == 0.00012520653814659472
    assert trial.user_attrs["param_count"] == 2_414_273
    assert not {"lr", "params"} & {*trial.params, *trial.user_attrs}


@pytest.mark.parametrize(
    ("field", "value"),
    [("datetime_start", "None"), ("datetime_complete", None), ("value", "high"), ("state", 7)],
)
def test_an_end_line_with_invalid_fields_ends_the_trial(
    log: SampleLog, field: str, value: object
) -> None:
    log.end(0, **{field: value})

    (trial,) = recover_one(log.lines).rows

    assert trial.state == ("FAIL" if field == "state" else "COMPLETE")
    assert trial.values == (() if field in ("value", "state") else (0.5,))


def test_gaps_are_reported_as_spans(log: SampleLog) -> None:
    for number in (1, 2, 5, 9):
        log.start(number)

    report = recover(log.lines).report()

    assert report == ["hpo_2M_h1 (stream): 4 RUNNING", "  no line about trials 0, 3-4, 6-8"]


def test_a_huge_number_is_one_gap() -> None:
    (study,) = recover([f"{STAMP}Trial {number} pruned. " for number in (0, 999_999_999)]).studies

    assert study.gaps() == [range(1, 999_999_999)]


def test_numbers_before_the_first_one_of_a_log_are_not_a_gap() -> None:
    recovery = recover(f"{STAMP}Trial 220 pruned. ")

    assert (recovery.studies[0].starts_at, recovery.studies[0].gaps()) == (220, [])
    assert "  starts at trial 220: no log holds the earlier trials" in recovery.report()


def test_a_complete_log_has_no_gaps(log: SampleLog) -> None:
    log.start(0)
    log.start(1)

    assert recover_one(log.lines).gaps() == []


def test_the_report_counts_states_and_names_the_best(log: SampleLog) -> None:
    for number, value in enumerate([0.5, 0.25, 0.75]):
        log.end(number, value=value)
    log.end(3, "FAIL", None)

    assert recover(log.lines).report() == [
        "hpo_2M_h1 (stream): 3 COMPLETE, 1 FAIL; best trial 1: 0.25"
    ]


def test_the_report_has_all_flags(log: SampleLog) -> None:
    log.end(0)
    log.end(0, value=0.25)

    assert "  trial 0: two end lines differ" in recover(log.lines).report()


@pytest.mark.parametrize(("direction", "best"), [("minimize", 1), ("maximize", 2)])
def test_the_best_follows_the_direction(direction: str, best: int) -> None:
    log = SampleLog()
    log.open_run(direction=direction)
    for number, value in enumerate([0.5, -float("inf"), float("inf")]):
        log.end(number, value=value)

    best_trial = recover_one(log.lines).best

    assert best_trial is not None
    assert best_trial.number == best


def test_a_pruned_trial_is_never_the_best(log: SampleLog) -> None:
    log.end(0, "PRUNED", -1.0)
    log.end(1, value=0.5)

    best = recover_one(log.lines).best

    assert best is not None
    assert best.number == 1


def test_without_a_finished_trial_there_is_no_best(log: SampleLog) -> None:
    log.end(0, "FAIL", None)

    assert recover_one(log.lines).best is None


def test_a_line_of_optuna_adds_nothing_to_a_line_of_hpogen(log: SampleLog) -> None:
    log.end(0)
    log.plain("Trial 0 finished with value: 0.5 and parameters: {'dropout': 0.1}.")

    (trial,) = recover_one(log.lines).rows

    assert (trial.value, trial.params["dropout"], trial.flags) == (0.5, 0.1, [])


@pytest.mark.parametrize("other", ["0.75 and parameters: {}", "0.5 and parameters: {'x': 1}"])
def test_a_line_of_optuna_in_conflict_is_of_another_study(log: SampleLog, other: str) -> None:
    log.end(0)
    log.plain(f"Trial 0 finished with value: {other}.")

    first, second = recover(log.lines).studies

    assert [(row.value, row.flags) for row in first.rows] == [(0.5, [])]
    assert [(row.number, row.flags) for row in second.rows] == [(0, [])]


def test_a_line_of_hpogen_replaces_a_line_of_optuna(log: SampleLog) -> None:
    log.start(0)
    log.plain("Trial 0 pruned. ")
    log.end(0, "PRUNED", 0.75)

    assert [(row.value, row.flags) for row in recover_one(log.lines).rows] == [(0.75, [])]


def test_in_a_log_of_several_studies_optunas_lines_belong_to_none(log: SampleLog) -> None:
    other = SampleLog(OTHER_STUDY)
    other.open_run()
    other.start(0)
    log.start(0)

    studies = recover([*log.lines, *other.lines, f"{STAMP}Trial 0 pruned. "]).studies

    assert [row.state for study in studies for row in study.rows] == ["RUNNING", "RUNNING"]


def test_a_value_is_none_where_there_are_several() -> None:
    assert Trial(0, values=(0.5, 1.0)).value is None


def test_an_empty_recovery_reports_nothing() -> None:
    assert Recovery().report() == []
    assert Study("a", "a", "a").gaps() == []


def test_a_study_without_its_run_line_is_named_by_its_id() -> None:
    log = SampleLog()
    log.end(0)

    assert recover_one(log.lines).name == STUDY
