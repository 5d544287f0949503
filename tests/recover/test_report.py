"""The integrity report: missing lines, damage and conflicts."""

from __future__ import annotations

from typing import Any

import pytest

from recover_samples import LATER_RUN, STAMP, SampleLog, recover, recover_one


def line(number: int, value: float, best: int, best_value: float) -> str:
    """Return Optuna's line on a finished trial."""
    message = f"Trial {number} finished with value: {value} and parameters: {{'x': {number}}}."
    return f"{STAMP}{message} Best is trial {best} with value: {best_value}."


@pytest.mark.parametrize(
    ("lines", "direction"),
    [
        ([line(0, 0.5, 0, 0.5)], None),
        ([line(0, 0.5, 0, 0.5), line(1, 0.75, 0, 0.5)], "minimize"),
        ([line(0, 0.5, 0, 0.5), line(1, 0.25, 0, 0.5)], "maximize"),
        ([line(0, 0.5, 0, 0.5), line(1, 0.25, 1, 0.25)], "minimize"),
        ([line(220, 0.5, 181, 0.25)], "minimize"),
    ],
)
def test_the_direction_is_inferred_from_the_best_that_lines_name(
    lines: list[str], direction: str | None
) -> None:
    study = recover_one(lines)

    assert (study.direction, study.direction_inferred) == (direction, direction is not None)


def test_a_best_trial_without_an_end_line_is_reported() -> None:
    recovery = recover([line(0, 0.5, 0, 0.5), line(9, 0.75, 7, 0.25)])

    (study,) = recovery.studies
    assert (study.best, study.named_best) == (None, (7, 0.25))
    assert "best trial 7: 0.25, named by other lines" in recovery.report()[0]


def test_lines_that_imply_both_directions_are_flagged() -> None:
    study = recover_one([line(0, 0.5, 0, 0.5), line(1, 0.75, 0, 0.5), line(2, 0.25, 0, 0.5)])

    assert study.direction is None
    assert len(study.flags) == 1


def test_a_best_that_has_another_value_is_flagged() -> None:
    study = recover_one([line(0, 0.5, 0, 0.5), line(1, 0.75, 0, 0.25)])

    assert study.flags == [
        "best trial 0: 0.5 in its end line, 0.25 in a line that names it as the best"
    ]


def test_the_best_that_the_end_of_a_run_names_is_compared() -> None:
    log = SampleLog()
    log.open_run()
    log.end(0, value=0.5)
    log.end(1, value=0.25)
    end: dict[str, Any] = dict.fromkeys(("reason", "complete", "pruned", "failed", "running"))

    log.add("run_end", {**end, "best_trial": 1, "best_value": 0.25})
    assert recover_one(log.lines).flags == []
    log.add("run_end", {**end, "best_trial": 0, "best_value": 0.5})
    assert recover_one(log.lines[:-2] + log.lines[-1:]).flags == [
        "lines name trial 0 with 0.5 as the best, but trial 1 has 0.25"
    ]


@pytest.mark.parametrize("digest", ["data_sha256", "architectures_sha256"])
def test_runs_with_other_data_or_architectures_are_flagged(digest: str) -> None:
    log = SampleLog()
    log.open_run(**{digest: "a"})
    log.start(0)
    log.identity["run"] = LATER_RUN
    log.open_run(**{digest: "b"})

    assert len(recover_one(log.lines).flags) == 1


def test_a_script_that_was_rendered_again_is_a_remark() -> None:
    log = SampleLog()
    log.open_run(script_sha256="a")
    log.start(0)
    log.open_run(script_sha256="b")

    recovery = recover(log.lines)

    assert recovery.conflicts == []
    assert recovery.studies[0].remarks == ["runs of different scripts"]


def test_a_log_of_a_resumed_study_may_begin_later() -> None:
    log = SampleLog()
    log.open_run()
    log.add("study_resumed", {"complete": 5, "pruned": 0, "failed": 0, "running": 0})
    log.start(5)

    study = recover_one(log.lines)

    assert (study.starts_at, study.gaps()) == (5, [])


def test_lines_in_an_unknown_form_are_counted_with_a_sample() -> None:
    recovery = recover([line(0, 0.5, 0, 0.5), "Trial 1 \x07 went well", "Trial 2 went on"])

    assert recovery.unmatched == 2
    assert recovery.conflicts == []
    assert recovery.report()[-1] == (
        "stream: lines about trials in an unknown form: 2, such as 'Trial 1 \\x07 went well'"
    )


def test_flags_of_many_trials_are_one_line() -> None:
    recovery = recover([f"Trial {n}: arch_idx=1, d_model=64 (of 3)" for n in (0, 1, 2, 5)])

    assert recovery.report()[-1] == "  trials 0-2, 5: start line cut short"
