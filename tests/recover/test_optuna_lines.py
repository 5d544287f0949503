"""Lines of Optuna's own logger, as a real Optuna writes them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import Trial, TrialState

import recover_trials
from recover_samples import HOSTILE_TEXTS, STAMP, recover, recover_one
from recover_trials.optuna_log.literals import parse_literal
from recover_trials.optuna_log.optuna_lines import Opened, Result, parse_statements


def contents_in(text: str) -> list[Result | Opened]:
    """Return the contents of the statements in a line."""
    return [statement.content for statement in parse_statements(text)]


CHOICES = (*HOSTILE_TEXTS, None, True, False, 3, -0.5, float("inf"), float("nan"), 1e-05)
ENDS = ("value", "pruned", "pruned because", "error", "nan", "inf", "tiny", "nothing", "whole")


def train(trial: Trial) -> float | None:
    """End in the way of the trial's number."""
    trial.suggest_float("lr", 1e-6, 1e-1, log=True)
    trial.suggest_int("a.b c'd", -5, 5)
    trial.suggest_categorical("text", CHOICES)
    trial.suggest_categorical("decay", list(np.logspace(-4, -2, 3)))
    end = ENDS[trial.number % len(ENDS)]
    if end.startswith("pruned"):
        raise optuna.TrialPruned(HOSTILE_TEXTS[2] if end.endswith("because") else "")
    if end == "error":
        raise RuntimeError(HOSTILE_TEXTS[trial.number // len(ENDS)])
    values = {"nan": float("nan"), "inf": float("inf"), "tiny": -1.5e-05, "nothing": None}
    return {**values, "value": 0.1 + trial.number, "whole": 3}[end]


def run_study(
    log: Path,
    objective: Callable[[Trial], object] = train,
    *,
    n_trials: int = 2 * len(CHOICES),
    direction: str = "minimize",
    metrics: tuple[str, ...] = (),
    n_values: int = 1,
) -> optuna.Study:
    """Run a study of random trials, each choice tried; Optuna's logger writes to a file."""
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(
        logging.Formatter("[%(levelname)1.1s %(asctime)s] %(message)s")  # Optuna's own
    )
    logger = logging.getLogger("optuna")
    logger.addHandler(handler)
    optuna.logging.disable_default_handler()
    optuna.logging.set_verbosity(optuna.logging.INFO)  # an earlier command may have silenced it
    try:
        sampler = optuna.samplers.RandomSampler(seed=7)
        study = optuna.create_study(sampler=sampler, directions=[direction] * n_values)
        if metrics:
            study.set_metric_names(list(metrics))
        for choice in CHOICES[:n_trials]:
            study.enqueue_trial({"text": choice})
        study.optimize(objective, n_trials=n_trials, catch=RuntimeError)
    finally:
        optuna.logging.enable_default_handler()
        logger.removeHandler(handler)
        handler.close()
    return study


def assert_same(recovered: recover_trials.Study, study: optuna.Study) -> None:
    """Compare all fields that Optuna logs."""
    assert [row.number for row in recovered.rows] == [trial.number for trial in study.trials]
    for row, trial in zip(recovered.rows, study.trials, strict=True):
        assert row.state == trial.state.name
        if trial.state == TrialState.COMPLETE:
            assert list(row.values) == trial.values
        if trial.state != TrialState.PRUNED:  # Optuna logs only the number of a pruned trial
            assert repr(row.params) == repr(
                {
                    name: float(v) if isinstance(v, np.float64) else v
                    for name, v in trial.params.items()
                }
            )
        assert row.flags == []
        assert row.datetime_complete is not None
        assert trial.datetime_complete is not None
        assert abs(row.datetime_complete - trial.datetime_complete) < timedelta(seconds=5)


def test_a_study_is_recovered_as_it_was(tmp_path: Path) -> None:
    study = run_study(tmp_path / "study.log")

    (recovered,) = recover_trials.read_trials([tmp_path / "study.log"]).studies

    assert_same(recovered, study)
    assert recovered.name == study.study_name
    assert {row.state for row in recovered.rows} == {"COMPLETE", "PRUNED", "FAIL"}


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_best_trial_is_the_one_that_optuna_names(tmp_path: Path, direction: str) -> None:
    study = run_study(
        tmp_path / "study.log",
        lambda trial: float((trial.number - 4) ** 2 % 7),
        direction=direction,
    )

    (recovered,) = recover_trials.read_trials([tmp_path / "study.log"]).studies

    assert recovered.best is not None
    assert recovered.best.number == study.best_trial.number


@pytest.mark.parametrize("metric", ["loss", "it's {a} and parameters: [b"])
def test_a_named_metric_is_a_value(tmp_path: Path, metric: str) -> None:
    study = run_study(tmp_path / "study.log", metrics=(metric,))

    (recovered,) = recover_trials.read_trials([tmp_path / "study.log"]).studies

    assert_same(recovered, study)


@pytest.mark.parametrize("metrics", [(), ("loss", "accuracy")])
def test_several_objectives_are_several_values(tmp_path: Path, metrics: tuple[str, ...]) -> None:
    def objective(trial: Trial) -> tuple[float, float]:
        return trial.suggest_float("x", -1, 1), float("inf") if trial.number == 1 else -0.0

    study = run_study(tmp_path / "study.log", objective, n_trials=4, metrics=metrics, n_values=2)

    (recovered,) = recover_trials.read_trials([tmp_path / "study.log"]).studies

    assert_same(recovered, study)
    assert recovered.best is None


def test_the_error_of_a_failed_trial_is_kept(tmp_path: Path) -> None:
    def objective(trial: Trial) -> float:
        raise RuntimeError("no. because of the following error: }.")

    run_study(tmp_path / "study.log", objective, n_trials=1)

    (recovered,) = recover_trials.read_trials([tmp_path / "study.log"]).studies

    assert recovered.rows[0].user_attrs == {
        "error": "RuntimeError('no. because of the following error: }.')"
    }


def test_colours_do_not_matter() -> None:
    script = (
        "import optuna; study = optuna.create_study(study_name='a b');"
        "study.optimize(lambda t: t.suggest_float('x', 0.5, 0.5), n_trials=2)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "FORCE_COLOR": "1"},
        capture_output=True,
        check=True,
    )

    study = recover_one(ran.stderr)

    assert b"\x1b[32m" in ran.stderr
    assert study.name == "a b"
    assert [(row.number, row.value, row.params) for row in study.rows] == [
        (0, 0.5, {"x": 0.5}),
        (1, 0.5, {"x": 0.5}),
    ]


FINISHED = f"{STAMP}Trial 3 finished with value: 0.25 and parameters: {{'x': 1, 'y': 'a'}}."


@pytest.mark.parametrize(
    "line",
    [
        f"{STAMP}Trial 3 pruned. Trial 9 finished with value: 1.0 and parameters: {{}}.",
        f"{STAMP}Trial 3 failed with parameters: {{'x': 'Trial 9 pruned.'}} because of the"
        " following error: ValueError('Trial 9 pruned.').",
        f"{STAMP}Trial 3 finished with value: 1.0 and parameters: {{'x': 'Trial 9 pruned.'}}.",
        f"{STAMP}Trial 3 finished with value: 1.0 and parameters: {{'x': '{STAMP}Trial 9 pruned.'"
        "}.",
    ],
)
def test_a_line_quoted_within_a_line_is_ignored(line: str) -> None:
    assert [content.number for content in contents_in(line) if isinstance(content, Result)] == [3]


@pytest.mark.parametrize("cut", range(len(STAMP) + len("Trial 3 "), len(FINISHED) - 1))
def test_a_line_cut_short_gives_its_value_whole_or_not_at_all(cut: int) -> None:
    for content in contents_in(FINISHED[:cut]):
        assert isinstance(content, Result)
        assert content.values == (0.25,)
        assert not content.params
        assert not content.params_whole


@pytest.mark.parametrize("cut", range(len(FINISHED) + 1))
def test_a_line_after_a_cut_one_is_read(cut: int) -> None:
    whole = f"{STAMP}Trial 4 finished with value: 0.5 and parameters: {{'x': 2}}."

    last = contents_in(FINISHED[:cut] + whole)[-1]

    assert isinstance(last, Result)
    assert (last.number, last.values, last.params) == (4, (0.5,), {"x": 2})


def test_a_trial_whose_parameters_are_cut_is_flagged() -> None:
    study = recover_one(FINISHED[:-10])

    assert study.rows[0].value == 0.25
    assert study.rows[0].flags == ["parameters cut short"]


def test_a_result_quoted_in_a_traceback_is_ignored() -> None:
    study = recover_one([FINISHED, "RuntimeError: Trial 9 pruned."])

    assert [row.number for row in study.rows] == [3]


def test_a_result_without_a_time_stamp_is_read() -> None:
    assert contents_in(FINISHED.removeprefix(STAMP)) == [
        Result(3, "COMPLETE", None, (0.25,), {"x": 1, "y": "a"})
    ]


def test_an_invalid_time_is_none() -> None:
    (content,) = contents_in("[I 2026-13-41 10:15:00,123] Trial 3 pruned.")

    assert content == Result(3, "PRUNED", None)


@pytest.mark.parametrize(
    "line",
    [
        "Trial 3 finished with value: ",
        "Trial 3 finished with value: 0.1",
        "Trial 3 finished with value: abc and parameters: {}.",
        "Trial 3 finished with value: [0.1, 'a'] and parameters: {}.",
        "Trial 3 finished with value: [0.1 and parameters: {}.",
        f"Trial {'9' * 5000} pruned.",
        "Trial three pruned.",
    ],
)
def test_a_result_that_cannot_be_parsed_is_left_out(line: str) -> None:
    assert contents_in(line) == []


@pytest.mark.parametrize(
    ("message", "opened"),
    [
        ("A new study created in memory with name: a b", Opened("a b", existing=False)),
        ("A new study created in RDB with name: x", Opened("x", existing=False)),
        (
            "Using an existing study with name 'x' instead of creating a new one.",
            Opened("x", existing=True),
        ),
        (
            'Using an existing study with `study_name="it\'s"` instead of creating a new one.',
            Opened("it's", existing=True),
        ),
    ],
)
def test_a_study_is_opened_by_name(message: str, opened: Opened) -> None:
    assert contents_in(STAMP + message) == [opened]


def test_a_study_that_is_created_begins_a_new_table() -> None:
    lines = ["A new study created in memory with name: a", "Trial 0 pruned. "]
    lines += ["A new study created in memory with name: b", "Trial 0 pruned. "]

    studies = recover([STAMP + line for line in lines]).studies

    assert [(study.name, len(study.rows)) for study in studies] == [("a", 1), ("b", 1)]


def test_a_study_that_is_continued_keeps_its_table() -> None:
    first = ["A new study created in RDB with name: a", "Trial 0 pruned. "]
    first += ["A new study created in RDB with name: b", "Trial 0 pruned. "]
    later = ["Using an existing study with name 'a' instead of creating a new one."]
    later += ["Trial 1 pruned. "]

    studies = recover([STAMP + line for line in first], [STAMP + line for line in later]).studies

    assert [(study.name, len(study.rows)) for study in studies] == [("a", 2), ("b", 1)]


def test_a_duplicate_line_is_one_trial() -> None:
    study = recover_one([FINISHED, FINISHED])

    assert [(row.number, row.flags) for row in study.rows] == [(3, [])]


@pytest.mark.parametrize("change", [("0.25", "0.5"), ("'x': 1", "'x': 2"), ("10:15", "10:16")])
def test_two_lines_in_conflict_are_two_rows_with_a_flag(change: tuple[str, str]) -> None:
    study = recover_one([FINISHED, FINISHED.replace(*change), FINISHED])

    assert [row.flags for row in study.rows] == [[], ["two lines about this trial differ"]]


def test_without_a_direction_there_is_no_best() -> None:
    assert recover_one([FINISHED]).best is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("np.float64(0.1)", 0.1),
        ("np.float64(-inf)", float("-inf")),
        ("{'a': {'b': [1, (2,)]}, 'c': None}", {"a": {"b": [1, (2,)]}, "c": None}),
        ("-1e-05", -1e-05),
        ("[True, False]", [True, False]),
    ],
)
def test_a_literal_is_read(text: str, value: object) -> None:
    assert parse_literal(text) == value


def test_nan_is_a_literal() -> None:
    assert str(parse_literal("{'x': nan}")) == "{'x': nan}"


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch evaluated')",
        "np.load('x', 1)",
        "open('evaluated', 'w')",
        "{'a': x}",
        "{**{'a': 1}}",
        "[y for y in (1, 2)]",
        "f'{1}'",
        "1 + 1",
        "-'a'",
        "{[1]: 2}",
        "<object at 0x7f>",
        "nul\0",
        "",
        "(" * 100_000,
        "[" * 90 + "]" * 89,
        "-" * 100_000 + "1",
        "9" * 10_000,
    ],
)
def test_a_text_that_is_not_a_literal_is_none_and_never_evaluated(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert parse_literal(text) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "stamp"),
    [
        ("abc", STAMP),
        ("it's {x}", STAMP),
        ("run 2026-03-01 09:00:00", STAMP),
        ("run 2026-03-01 09:00:00", "2026-03-01 10:00:00,001 INFO "),
        ("abc", "[2026-03-01 10:00:00,001][optuna][INFO] "),
        ("a-b", "2026-03-01T10:00:00.001 - optuna - INFO - "),
        ("abc", ""),
    ],
)
def test_a_line_behind_the_name_of_a_study_is_no_part_of_it(name: str, stamp: str) -> None:
    end = "Trial 0 finished with value: 0.5 and parameters: {'x': 1}."
    line = f"{stamp}A new study created in memory with name: {name}{stamp}{end}"

    study = recover_one([line])

    assert study.name == name
    assert [(trial.number, trial.params) for trial in study.rows] == [(0, {"x": 1})]


def test_a_name_that_may_hold_a_line_is_counted() -> None:
    recovery = recover(["A new study created in memory with name: {'a'} Trial 0 pruned. "])

    assert recovery.unmatched == 1


def test_a_study_line_without_a_name_is_read_once() -> None:
    assert contents_in(f"{STAMP}A new study created. ") == [Opened("", existing=False)]


def test_a_trial_with_another_number_of_values_begins_another_study() -> None:
    lines = [
        f"{STAMP}Finished trial#{number} with values: {values} with parameters: {{'x': 1}}."
        for number, values in ((1, [1.0, 2.0]), (0, [1.0, 2.0, 3.0]), (1, [4.0, 5.0, 6.0]))
    ]

    studies = recover(lines).studies

    assert [[trial.values for trial in study.rows] for study in studies] == [
        [(1.0, 2.0)],
        [(1.0, 2.0, 3.0), (4.0, 5.0, 6.0)],
    ]


PRUNED = "Trial {} pruned. "


def ended(number: int, value: float, best: int, best_value: float) -> str:
    named = f"Best is trial {best} with value: {best_value}."
    return f"Trial {number} finished with value: {value} and parameters: {{'x': {value}}}. {named}"


def stamped(messages: list[str]) -> list[str]:
    """Return lines with a second between two of them."""
    return [f"[I 2026-11-21 10:15:{second:02},123] {m}" for second, m in enumerate(messages)]


def test_trials_of_mixed_studies_are_proven_or_flagged() -> None:
    lines = [f"A new study created in memory with name: {name}" for name in "ab"]
    lines += [PRUNED.format(0), ended(1, 0.25, 1, 0.25), PRUNED.format(0), ended(1, 0.75, 1, 0.75)]
    lines += [ended(2, 1.0, 1, 0.25), ended(2, 2.0, 1, 0.75)]

    studies = recover(stamped(lines)).studies

    flags = [(row.number, row.conflicts) for study in studies for row in study.rows]
    assert len(flags) == 6
    assert all("may belong to" in row[0] for number, row in flags if number < 2)
    assert [row for number, row in flags if number == 2] == [[], []]
    assert all("name of another study" in study.flags[0] for study in studies)


def test_a_trial_before_the_second_of_mixed_studies_is_certain() -> None:
    lines = ["A new study created in memory with name: a", PRUNED.format(0), ended(1, 0.5, 1, 0.5)]
    lines += ["A new study created in memory with name: b", PRUNED.format(0), PRUNED.format(2)]
    lines += [ended(3, 0.75, 1, 0.5)]

    studies = recover([STAMP + line for line in lines]).studies

    assert [[len(row.conflicts) for row in study.rows] for study in studies] == [[0, 0, 0], [0, 1]]
    assert [study.flags for study in studies] == [[], []]


def test_a_copy_of_unnamed_studies_changes_nothing() -> None:
    studies = [
        [ended(0, 0.5, 0, 0.5)],
        [PRUNED.format(0), ended(1, 0.25, 1, 0.25), PRUNED.format(2)],
        [ended(0, 0.75, 0, 0.75), ended(1, 0.125, 1, 0.125), PRUNED.format(2)],
    ]
    messages = [message for study in studies for message in study]
    lines = [
        f"[I 2026-11-21 10:15:{second:02},123] {message}"
        for second, message in enumerate(messages)
    ]
    once = recover(lines).studies

    for size in range(len(lines) + 1):
        copied = recover(lines[:size] + lines).studies
        assert [study.rows for study in copied] == [study.rows for study in once]
