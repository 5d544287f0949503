"""A trial of a killed run that another run resumed is one trial."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recover_samples import (
    ARCHITECTURE,
    LATER_RUN,
    OTHER_STUDY,
    PARAMS,
    STUDY,
    SampleLog,
    as_bytes,
    moment,
    recover,
    recover_one,
    sample_log,
)
from recover_trials import Recovery, Trial, read_trials
from recover_trials.model import STARTED_TWICE

LOSSES = {1: 0.75, 2: 0.625, 3: 0.5625, 4: 0.5, 5: 0.53125}
CURVE = [{"epoch": epoch, "val_loss": loss} for epoch, loss in LOSSES.items()]


def first_run(epochs: int = 3, trial: int = 0) -> SampleLog:
    """Return the log of a run that was killed within a trial, after some epochs."""
    log = SampleLog()
    log.open_run()
    log.start(trial)
    for epoch in range(1, epochs + 1):
        log.evaluate(trial, epoch, val_loss=LOSSES[epoch])
    return log


def later_run(
    reached: int, trial: int = 0, run: str = LATER_RUN, end: bool = True, since: float = 0
) -> SampleLog:
    """Return the log of a run that resumed the trial after an epoch and ended it."""
    log = SampleLog(run=run, since=since)
    log.open_run()
    log.add("study_resumed", {"complete": 0, "pruned": 0, "failed": 0, "running": 1})
    resume(log, reached, trial)
    for epoch in range(reached + 1, 6):
        log.evaluate(trial, epoch, val_loss=LOSSES[epoch])
    if end:
        log.end(trial, value=0.5)
    return log


def resume(log: SampleLog, reached: int, trial: int = 0) -> str:
    """Append the line of a resumed trial."""
    return log.add(
        "trial_resumed", {"trial": trial, **ARCHITECTURE, "d_ff": 256, "epoch": reached}
    )


def fields_of(trial: Trial) -> dict[str, Any]:
    """Return the fields of a trial without its run."""
    return {
        name: getattr(trial, name)
        for name in (
            *("number", "state", "values", "datetime_start", "datetime_complete", "params"),
            *("user_attrs", "intermediate_values", "flags"),
        )
    }


def uninterrupted() -> dict[str, Any]:
    """Return the fields of the trial of a run that was not killed."""
    log = first_run(5)
    log.end(0, value=0.5)
    (trial,) = recover_one(log.lines).rows
    return fields_of(trial)


def whole(recovery: Recovery) -> bool:
    """Return whether a recovery is the trial of `uninterrupted`, without conflicts."""
    (study,) = recovery.studies
    return list(map(fields_of, study.rows)) == [uninterrupted()] and not recovery.conflicts


@pytest.mark.parametrize("reached", [0, 1, 2, 3])
def test_a_resumed_trial_is_one_row_with_a_whole_curve(reached: int) -> None:
    assert whole(recover(first_run(3).lines + later_run(reached).lines))


def test_the_curve_of_a_resumed_trial_has_each_epoch_once() -> None:
    (trial,) = recover_one(first_run(3).lines + later_run(1).lines).rows

    assert trial.user_attrs["learning_curve"] == CURVE
    assert trial.intermediate_values == LOSSES


def test_a_trial_may_be_resumed_many_times() -> None:
    lines = first_run(1).lines
    for reached, run in ((1, "5e6f7a8b"), (0, "6e6f7a8b"), (1, "7e6f7a8b")):
        lines += later_run(reached, run=run, end=False).lines[: 4 + reached]

    assert whole(recover(lines + later_run(2).lines))


def test_a_resumed_trial_without_an_end_line_is_running() -> None:
    (trial,) = recover_one(first_run(2).lines + later_run(1, end=False).lines).rows

    assert (trial.state, trial.run) == ("RUNNING", LATER_RUN)
    assert [*trial.curve] == [1, 2, 3, 4, 5]


def test_a_trial_may_be_resumed_in_another_file() -> None:
    assert whole(recover(first_run(3).lines, later_run(2).lines))


def test_the_order_of_two_files_does_not_matter_if_one_repeats_the_start() -> None:
    """The script writes the start and the curve again where its log does not have them."""
    later = SampleLog(run=LATER_RUN)
    later.open_run()
    later.start(0)
    for epoch in (1, 2):
        later.evaluate(0, epoch, val_loss=LOSSES[epoch])
    later.lines += later_run(2).lines[2:]

    assert whole(recover(first_run(3).lines, later.lines))


def test_a_trial_without_a_start_line_has_the_fields_of_its_other_lines() -> None:
    (trial,) = recover_one(later_run(2).lines).rows

    assert (trial.number, trial.state, trial.value) == (0, "COMPLETE", 0.5)
    assert trial.params["learning_rate"] == PARAMS["learning_rate"]
    assert trial.user_attrs["param_count"] == ARCHITECTURE["param_count"]
    assert [*trial.intermediate_values] == [3, 4, 5]


def test_a_resume_line_without_other_lines_is_a_trial() -> None:
    log = SampleLog()
    log.open_run()
    resume(log, 3, trial=4)

    (trial,) = recover_one(log.lines).rows
    assert (trial.number, trial.state) == (4, "RUNNING")
    assert trial.user_attrs == {
        "arch_idx": 57, "d_model": 64, "n_layers": 48, "n_heads": 8, "param_count": 2_414_273,
        "d_ff": 256,
    }  # fmt: skip


def test_other_trials_are_not_resumed_with_it() -> None:
    log = first_run(5)
    log.end(0, value=0.5)
    log.start(1)
    log.evaluate(1, 1, val_loss=0.9)

    first, second = recover_one(log.lines + later_run(1, trial=1).lines).rows

    assert fields_of(first) == uninterrupted()
    assert (second.number, second.state) == (1, "COMPLETE")
    assert second.intermediate_values == {**LOSSES, 1: 0.9}


@settings(max_examples=60)
@given(st.data())
def test_a_first_run_cut_anywhere_can_be_resumed(data: st.DataObject) -> None:
    log = first_run(3)
    begin = len("\n".join(log.lines[:2])) + 1  # the start is synced before the trial is trained
    text = "\n".join([*log.lines, ""])
    cut = data.draw(st.integers(begin, len(text)))
    evaluated = text[:cut].count(" ;") - 2
    reached = data.draw(st.integers(0, min(evaluated, text[:cut].count("\n") - 2)))

    (trial,) = recover_one([text[:cut], *later_run(reached).lines]).rows

    assert {**fields_of(trial), "flags": []} == uninterrupted()


@settings(max_examples=60)
@given(st.integers(0, 10), st.integers(0, 3))
@example(0, 0)
def test_lines_that_are_lost_make_no_second_trial(lost: int, reached: int) -> None:
    lines = first_run(3).lines + later_run(reached).lines
    lost %= len(lines)
    del lines[lost]

    (trial,) = recover_one(lines).rows
    assert trial.number == 0
    assert trial.flags == []
    assert {**trial.intermediate_values, **LOSSES} == LOSSES


def without_resumed(log: SampleLog) -> list[str]:
    """Return the lines of a log without the line of the resumed trial."""
    return [line for line in log.lines if "Trial 0 resumed" not in line]


def test_lines_of_two_runs_without_a_conflict_are_one_trial() -> None:
    for reached in range(4):
        lines = first_run(3).lines + without_resumed(later_run(reached))

        assert whole(recover(lines))
        assert whole(recover(lines, lines))


def test_an_unfinished_resumed_trial_is_one_row_without_its_resume_line() -> None:
    lines = first_run(3).lines + without_resumed(later_run(2, end=False))

    (trial,) = recover_one(lines).rows
    assert (trial.state, trial.run, trial.flags) == ("RUNNING", LATER_RUN, [])
    assert [*trial.curve.values()] == CURVE


def contradicting(**more: Any) -> list[str]:
    """Return the lines of a later run that conflict with the first run."""
    log = SampleLog(run=LATER_RUN)
    log.open_run()
    for epoch in (3, 4):
        log.evaluate(0, epoch, val_loss=0.125, **more)
    return log.lines


OTHER_END = SampleLog(run=LATER_RUN).end(0, datetime_start=str(moment(99)))


@pytest.mark.parametrize(
    "lines",
    [
        [*first_run(3).lines, *contradicting(d_model=128)],
        [*first_run(3).lines, *contradicting(), OTHER_END],
        [*first_run(3).lines[:-1], *contradicting(), first_run(3).lines[-1]],
        [*first_run(3).lines, SampleLog().end(0), *contradicting()],
        [*first_run(3).lines, *later_run(3).lines[:3], first_run(4).lines[-1]],
    ],
    ids=["architecture", "start", "by-turns", "after-its-end", "left-to-another"],
)
def test_runs_in_conflict_about_a_number_are_two_rows_with_a_flag(
    lines: list[str],
) -> None:
    first, second = recover_one(lines).rows

    assert (first.flags, second.flags) == ([], [STARTED_TWICE])
    assert [*first.intermediate_values] == [1, 2, 3]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 2))
def test_a_duplicate_run_adds_nothing(times: int, again: int, all_of_it: int) -> None:
    first, later = first_run(3).lines, later_run(2).lines

    assert whole(recover((first * times + later * again) * all_of_it))


def test_files_in_the_order_of_their_runs_need_no_clock(
    tmp_path: Path,
) -> None:
    logs = [first_run(), later_run(3, since=-3000)]  # the second machine has another time zone
    paths = [tmp_path / "a.log", tmp_path / "b.log"]
    for path, log in zip(paths, logs, strict=True):
        path.write_bytes(as_bytes(log.lines))
    assert whole(read_trials(paths))


@pytest.mark.parametrize("zipped", [False, True])
def test_files_of_one_study_may_be_given_in_any_order(zipped: bool, tmp_path: Path) -> None:
    logs = [first_run(), later_run(3, end=False, run="c" * 8, since=60), later_run(4, since=3600)]
    paths = [tmp_path / f"hpo.log.{3 - place}" for place in range(3)]
    for path, log in zip(paths, logs, strict=True):
        text = as_bytes(log.lines)
        path.write_bytes(gzip.compress(text) if zipped else text)
    (other := tmp_path / "a.log").write_bytes(as_bytes(sample_log(OTHER_STUDY).lines))
    missing = tmp_path / "missing.log"
    expected = {STUDY: fields_of(recover_one(*(log.lines for log in logs)).trials[0][0])}
    for order in itertools.permutations([*paths, other, missing]):
        unreadable: dict[str, OSError] = {}
        recovery = read_trials(order, unreadable)
        studies = {study.key: study for study in recovery.studies}
        assert len(studies[OTHER_STUDY].rows) == 3
        (trial,) = studies[STUDY].rows
        assert {STUDY: fields_of(trial)} == expected
        assert trial.user_attrs["learning_curve"] == CURVE
        assert not recovery.conflicts
        assert [*unreadable] == [f"{missing}"]
