"""Logs of version 2: the script's own meaning of lines, from any number of files."""

from __future__ import annotations

import itertools
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recover_samples import (
    ARCHITECTURE,
    LATER_RUN,
    OTHER_STUDY,
    PARAMS,
    RUN,
    STAMP,
    SampleLog2,
    as_bytes,
    contents_of,
    moment,
    recover,
    recover_one,
    sample_log,
)
from recover_trials import Recovery, Trial
from recover_trials.hpogen_log.trials_version2 import UNKNOWN_FIELDS
from recover_trials.model import ENDED_TWICE, STARTED_TWICE
from recover_trials.output import WRITERS
from version1 import checksum_suffix

CURVE = [{"epoch": 1, "val_loss": 0.75}, {"epoch": 2, "val_loss": 0.5}]
FINISHED = (
    "[I 2026-11-21 10:16:00,123] Trial 0 finished with value: 0.25 and parameters: {'a': 1}."
    " Best is trial 0 with value: 0.25."
)


def first_run(*, ends: bool = True) -> SampleLog2:
    """Return the log of a run: two trials ended, the third one is at its second epoch."""
    log = SampleLog2()
    log.open_run(n_trials=4)
    for trial, state in enumerate(("COMPLETE", "PRUNED") if ends else ()):
        log.start(trial)
        log.evaluate(trial, 1, val_loss=0.75, text='a="b", [I 2026')
        log.end(trial, state, 0.75)
    evaluate_twice(log)
    return log


def evaluate_twice(log: SampleLog2, trial: int = 2) -> None:
    """Start a trial and evaluate it twice."""
    log.start(trial)
    for point in CURVE:
        log.evaluate(trial, point["epoch"], val_loss=point["val_loss"])


def later_run(end: float | None = 0.25, run: str = LATER_RUN) -> SampleLog2:
    """Return the lines of a run that continues trial 2 after its first epoch."""
    log = SampleLog2(run=run, since=3600)
    log.open_run(n_trials=4)
    log.resume(2, 1, CURVE[:1])
    log.evaluate(2, 2, val_loss=0.625)
    if end is not None:
        log.evaluate(2, 3, val_loss=end)
        log.end(2, value=end)
    return log


def only(log: list[str], number: int) -> Trial:
    """Return the only row of a number."""
    (trial,) = recover_one(log).trials[number]
    return trial


def states(recovery: Recovery) -> list[tuple[int, str, Any, list[str]]]:
    """Return number, state, value and flags of each row."""
    (study,) = recovery.studies
    return [(t.number, t.state, t.value, t.flags) for t in study.rows]


# --- Meaning of lines ----------------------------------------------------------------------------


def test_an_end_line_alone_has_everything() -> None:
    lines = first_run().lines

    whole, alone = only(lines, 0), only([line for line in lines if "ended" in line], 0)

    assert (alone.state, alone.values) == ("COMPLETE", (0.75,))
    assert whole.params == {
        "shape_idx": 3,
        "learning_rate": PARAMS["learning_rate"],
        "dropout": 0.1,
    }
    assert {**alone.params, **alone.user_attrs} == {**whole.params, **whole.user_attrs}
    assert whole.user_attrs["learning_curve"] == [
        {"epoch": 1, "val_loss": 0.75, "text": 'a="b", [I 2026'}
    ]
    assert whole.intermediate_values == {1: 0.75}
    assert (whole.datetime_start, whole.datetime_complete) == (moment(0), moment(30))


def test_a_running_trial_has_its_evaluations() -> None:
    trial = only(first_run().lines, 2)

    assert (trial.state, trial.run, trial.value) == ("RUNNING", RUN, None)
    assert [*trial.curve.values()] == CURVE
    assert trial.intermediate_values == {1: 0.75, 2: 0.5}
    assert "learning_curve" not in trial.user_attrs


def test_a_resumed_trial_continues_with_the_curve_of_its_line() -> None:
    lines = first_run().lines + later_run(None).lines

    for kept in (lines, [line for line in lines if "epoch 1" not in line]):
        trial = only(kept, 2)
        assert (trial.state, trial.run) == ("RUNNING", LATER_RUN)
        assert trial.intermediate_values == {1: 0.75, 2: 0.625}


def test_lines_of_a_run_that_lost_its_claim_do_not_count() -> None:
    log = first_run()
    log.lines += later_run(None).lines
    log.evaluate(2, 3, val_loss=0.1)
    log.end(2, value=0.1)

    assert only(log.lines, 2).intermediate_values == {1: 0.75, 2: 0.625}
    assert recover(log.lines + later_run().lines[-2:]).conflicts == []
    assert only(log.lines + later_run().lines[-2:], 2).value == 0.25


def test_a_retry_begins_the_curve_anew() -> None:
    log = first_run()
    retry = log.resume(2, 0, [], micro_batch=8)
    log.evaluate(2, 1, val_loss=0.875)

    trial = only(log.lines, 2)
    assert (trial.intermediate_values, trial.user_attrs["micro_batch"]) == ({1: 0.875}, 8)
    alone = only([retry], 2)
    assert (alone.user_attrs["micro_batch"], alone.user_attrs["d_model"]) == (8, 64)


def test_a_trial_whose_start_line_is_lost_has_its_architecture() -> None:
    lines = [line for line in first_run().lines if "Trial 2: " not in line]

    trial = only(lines, 2)
    assert (trial.state, [*trial.curve.values()]) == ("RUNNING", CURVE)
    assert trial.user_attrs["param_count"] == ARCHITECTURE["param_count"]


def test_a_trial_whose_end_line_is_lost_runs_again_under_its_number() -> None:
    first = first_run()
    damaged = [line[:-1] + "x" if "Trial 1 ended" in line else line for line in first.lines]
    later = SampleLog2(run=LATER_RUN)
    later.open_run()
    later.resume(1, 0, [])
    later.end(1, value=0.5)

    assert (only(damaged, 1).state, only(damaged + later.lines, 1).value) == ("RUNNING", 0.5)


def test_a_condition_decides_which_parameters_were_searched() -> None:
    log = SampleLog2()
    log.open_run(conditions={"dropout": {"shape_idx": [1, 2]}})
    log.start(0)
    log.end(0)

    trial = only(log.lines, 0)
    assert [*trial.params] == ["shape_idx", "learning_rate"]
    assert trial.user_attrs["dropout"] == 0.1


def test_a_run_line_that_is_lost_leaves_all_trials() -> None:
    lines = first_run().lines[1:]

    rows = recover_one(lines).rows
    assert [(trial.state, trial.value) for trial in rows] == [
        ("COMPLETE", 0.75), ("PRUNED", 0.75), ("RUNNING", None),
    ]  # fmt: skip
    assert rows[0].user_attrs["learning_rate"] == PARAMS["learning_rate"]
    assert recover_one([*lines, *later_run().lines]).trials[0][0].params["dropout"] == 0.1


def test_a_row_has_budget_horizon_and_task_of_its_study() -> None:
    recovery = recover(first_run().lines)

    head, row, *_ = WRITERS["csv"](recovery).splitlines()
    assert (head.split(",")[-4:], row.split(",")[-4:]) == (
        ["budget", "horizon", "task", "state"],
        ["2000000", "1", "threshold_1pct", "COMPLETE"],
    )
    first = json.loads(WRITERS["jsonl"](recovery).splitlines()[0])
    assert (first["budget"], first["horizon"], first["task"]) == (2_000_000, 1, "threshold_1pct")
    for format_ in ("csv", "jsonl"):
        (again,) = recover(WRITERS[format_](recovery)).studies
        assert (again.about["budget"], again.about["task"]) == (2_000_000, "threshold_1pct")
        assert "budget" not in again.rows[0].user_attrs


# --- Many files ----------------------------------------------------------------------------------


def test_copies_in_any_order_are_one_study() -> None:
    whole = first_run().lines + later_run().lines
    older = whole[: len(first_run().lines) - 1]
    expected = contents_of(recover(whole))

    for logs in itertools.permutations([whole, older, whole]):
        recovery = recover(*logs)
        assert contents_of(recovery) == expected
        assert recovery.conflicts == []
    assert contents_of(recover(whole + older + whole)) == expected
    running = first_run().lines
    assert contents_of(recover(running, older)) == contents_of(recover(running))


def test_a_log_in_two_files_is_one_study() -> None:
    lines = first_run().lines + later_run().lines
    expected = contents_of(recover(lines))

    for cut in range(1, len(lines)):
        assert contents_of(recover(lines[:cut], lines[cut:])) == expected


def test_two_ends_of_copies_that_were_continued_are_two_rows_with_a_flag() -> None:
    first = first_run().lines
    one, other = later_run(0.25).lines, later_run(0.125, "ab" * 4).lines

    for logs in ([first + one, first + other], [first + one + first + other]):
        recovery = recover(*logs)
        assert states(recovery)[2:] == [
            (2, "COMPLETE", 0.25, []),
            (2, "COMPLETE", 0.125, [ENDED_TWICE]),
        ]
        assert len(recovery.conflicts) == 1
        assert contents_of(recover(*logs, *logs)) == contents_of(recovery)


@pytest.mark.parametrize("ends", [False, True])
def test_two_starts_of_copies_that_were_continued_are_two_rows_with_a_flag(ends: bool) -> None:
    first = first_run().lines
    logs = []
    for run, since in (("ab" * 4, 3600), ("cd" * 4, 7200)):
        log = SampleLog2(run=run, since=since)
        log.open_run()
        log.start(3, datetime_start=str(moment(since)))
        log.evaluate(3, 1, val_loss=since)
        if ends and run == "ab" * 4:
            log.end(3, datetime_start=str(moment(since)))
        logs.append(first + log.lines)

    rows = recover_one(*logs).trials[3]

    assert [row.flags for row in rows] == [[], [STARTED_TWICE]]
    assert [row.state for row in rows] == ["COMPLETE" if ends else "RUNNING", "RUNNING"]
    assert [[*row.intermediate_values.values()] for row in rows] == [[3600], [7200]]


def test_two_ends_that_differ_in_their_curve_alone_are_two_rows_with_a_flag() -> None:
    first, other = first_run().lines, later_run(None)
    other.end(2, value=0.25)

    assert states(recover(first + later_run(0.25).lines, first + other.lines))[2:] == [
        (2, "COMPLETE", 0.25, []),
        (2, "COMPLETE", 0.25, [ENDED_TWICE]),
    ]


def test_runs_of_an_edited_experiment_are_flagged() -> None:
    logs = [first_run().lines, later_run().lines]
    edited = SampleLog2(run=LATER_RUN)
    edited.open_run(code_sha256="b")
    before = SampleLog2()
    before.open_run(code_sha256="a")

    assert recover(before.lines + logs[0][1:], edited.lines).conflicts == [
        "hpo_2M_h1: runs with different code of the experiment"
    ]


def test_logs_of_both_versions_and_of_optuna_can_be_concatenated() -> None:
    optuna = ["[I 2026-11-21 10:15:00,123] A new study created in memory with name: x", FINISHED]
    parts = [first_run().lines, optuna, sample_log(OTHER_STUDY).lines]
    expected = {name: rows for part in parts for name, rows in contents_of(recover(part)).items()}

    for order in itertools.permutations(parts):
        recovery = recover([*itertools.chain(*order)])
        rows = contents_of(recovery)
        assert sorted(map(repr, rows.values())) == sorted(map(repr, expected.values()))
        assert recovery.conflicts == []


# --- Damage --------------------------------------------------------------------------------------


@cache
def damaged_log() -> bytes:
    """Return a log of two runs whose text is hostile."""
    log = first_run()
    hostile = {"text": f"{FINISHED}\n{STAMP}Trial 1 pruned. "}
    log.add("enqueued", {"enqueued_id": "c12-0", "trial_params": hostile})
    log.end(3, "FAIL", None, error=f"x{STAMP}Trial 7 pruned. \n{FINISHED}", fail_reason="error")
    return as_bytes(log.lines + later_run().lines)


@cache
def truths() -> set[str]:
    """Return every row that some beginning of the log may show, lines left out or not."""
    lines = damaged_log().decode().splitlines()
    rows = set()
    for lost in [None, *range(len(lines))]:
        kept = [line for index, line in enumerate(lines) if index != lost]
        for length in range(len(kept) + 1):
            rows |= rows_of(recover(kept[:length]))
    return rows


def rows_of(recovery: Recovery) -> set[str]:
    """Return the rows of a recovery, comparable."""
    return {repr((key, row)) for key, rows in contents_of(recovery).items() for row in rows}


@settings(max_examples=700)
@given(st.data())
def test_a_log_cut_at_any_byte_has_no_false_row_and_reports_damage(data: st.DataObject) -> None:
    whole = damaged_log()
    cut = data.draw(st.integers(0, len(whole)))

    recovery = recover(whole[:cut])

    assert rows_of(recovery) <= truths()
    number, rest = whole[:cut].count(b"\n") + 1, whole[:cut].rpartition(b"\n")[2]
    complete = not rest or whole[cut : cut + 1] == b"\n"
    if b"log_version=" in whole[:cut]:
        (file,) = recovery.files.values()
        assert file.refused == ([] if complete else [number])
        message = f"damaged lines left out: 1 (line {number})"
        assert complete or any(message in problem for problem in recovery.problems)


@settings(max_examples=700)
@given(st.data())
def test_a_log_with_any_byte_changed_has_no_false_row_and_reports_damage(
    data: st.DataObject,
) -> None:
    whole = damaged_log()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    changed = whole[:place] + bytes([byte]) + whole[place + 1 :]

    recovery = recover(changed)

    assert rows_of(recovery) <= truths()
    (file,) = recovery.files.values()
    number = whole[:place].count(b"\n") + 1
    glued = whole[place : place + 1] == b"\n"  # two whole lines on one physical line
    if byte == ord("\n"):
        assert {*file.refused} <= {number, number + 1}
        assert file.refused or whole[place + 1 : place + 2] == b"\n"
    else:
        assert file.refused == ([] if glued else [number]), (place, byte)


@settings(max_examples=300)
@given(st.data())
def test_a_log_that_begins_anywhere_has_no_false_row(data: st.DataObject) -> None:
    whole = damaged_log()
    begin = data.draw(st.integers(0, len(whole)))

    recovery = recover(whole[begin:])

    values = {(number, value) for number, _, value, _ in states(recover(whole))}
    for study in recovery.studies:
        assert all((row.number, row.value) in values or row.value is None for row in study.rows)


def test_lines_with_a_checksum_and_other_fields_are_flagged_and_left_out() -> None:
    log = first_run()
    for text in (
        "Trial 2 ended: learning_curve=[{}], state=1",
        "Trial 2 ended: arch_idx=1",
        "Trial 2 retried: arch_idx=1, micro_batch=8",  # of version 1 only
    ):
        line = f'{STAMP}{text}, study="0123456789ab", run="{RUN}"'
        log.lines.append(line + checksum_suffix(line))

    (study,) = recover(log.lines).studies
    assert study.flags == [UNKNOWN_FIELDS]
    assert [trial.state for trial in study.rows] == ["COMPLETE", "PRUNED", "RUNNING"]


def test_a_hole_and_empty_lines_are_no_damage() -> None:
    lines = first_run().lines
    text = as_bytes(lines[:3]) + b"\n" + b"\0" * 5000 + b"\n\r\n" + as_bytes(lines[3:])

    recovery = recover(text)
    assert (recovery.conflicts, contents_of(recovery)) == ([], contents_of(recover(lines)))
