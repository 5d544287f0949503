"""Studies with conflicts are flagged, and never written to a storage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

from recover_samples import (
    LATER_RUN,
    OTHER_STUDY,
    RUN,
    SEARCH_SPACE,
    STUDY,
    SampleLog,
    moment,
    recover,
    time_stamp,
)
from recover_trials import Recovery
from recover_trials.errors import RebuildError
from recover_trials.model import ENDED_TWICE, UNCERTAIN
from recover_trials.output.to_storage import rebuild_all

NARROW = {**SEARCH_SPACE, "dropout": {**SEARCH_SPACE["dropout"], "name": "IntDistribution"}}


def two_runs(one: dict[str, Any], other: dict[str, Any], study: str = STUDY) -> list[str]:
    """Return a log of two runs, a trial each."""
    first, second = SampleLog(), SampleLog(study, LATER_RUN)
    first.open_run(**one)
    first.start(0)
    first.end(0)
    second.open_run(**other)
    second.start(1)
    second.end(1, value=0.75)
    return first.lines + second.lines


def finished(number: int, value: float, best: int, best_value: float, seconds: float) -> str:
    """Return Optuna's line on a finished trial."""
    message = f"Trial {number} finished with value: {value} and parameters: {{'x': {value}}}."
    return f"{stamp(seconds)}{message} Best is trial {best} with value: {best_value}."


def stamp(seconds: float) -> str:
    """Return the beginning of a line."""
    return time_stamp(moment(seconds), "I")


def opened(name: str, seconds: float) -> str:
    """Return Optuna's line on a new study."""
    return f"{stamp(seconds)}A new study created in memory with name: {name}"


def write_back(recovery: Recovery, folder: Path) -> list[str]:
    """Write studies to a new database."""
    return list(map(str, rebuild_all(recovery.studies, f"sqlite:///{folder}/s.db")))


def refusal(recovery: Recovery, folder: Path) -> str:
    """Return the reason why studies are not written; assert that no file is."""
    with pytest.raises(RebuildError) as caught:
        write_back(recovery, folder)
    assert [path for path in folder.iterdir() if path.suffix == ".db"] == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "flag", "difference"),
    [
        (
            {"data_sha256": "a" * 64},
            {"data_sha256": "b" * 64, "script_sha256": "c"},
            "runs with different data",
            f"(data_sha256 {'a' * 12} in run {RUN} and {'b' * 12} in run {LATER_RUN})",
        ),
        (
            {"architectures_sha256": "1" * 64},
            {"architectures_sha256": "2" * 64},
            "runs with different architectures under one arch_idx",
            f"(architectures_sha256 {'1' * 12} in run {RUN} and",
        ),
        (
            {},
            {"search_space": NARROW},
            "runs with different search spaces",
            '(search_space {"dropout": {"attributes": {"high": 0.5, "low": 0.0}, "name": "Float',
        ),
        (
            {"fixed_params": {"epochs": 9, "beta": 1}},
            {"fixed_params": {"epochs": 8, "beta": 1}},
            "runs with different fixed parameters",
            f'(fixed_params {{"epochs": 9}} in run {RUN} and {{"epochs": 8}} in run',
        ),
        (
            {"conditions": {"x": {"loss": ["focal"]}}},
            {"conditions": {}},
            "runs with different conditions of parameters",
            "(conditions ",
        ),
        (
            {"settings_sha256": "3" * 64},
            {"settings_sha256": "4" * 64},
            "runs with different settings",
            f"(settings_sha256 {'3' * 12} in run {RUN} and {'4' * 12} in run {LATER_RUN})",
        ),
        ({}, {"metric": "auc"}, "runs with different metrics", "(metric val_loss in run"),
        ({}, {"direction": "maximize"}, "runs with different directions", "(direction minimize"),
    ],
)
def test_runs_with_different_settings_are_refused_with_the_difference(
    one: dict[str, Any], other: dict[str, Any], flag: str, difference: str, tmp_path: Path
) -> None:
    recovery = recover(two_runs(one, other))

    assert f"hpo_2M_h1: {flag}" in recovery.conflicts
    assert f"  {flag}" in recovery.report()
    reason = refusal(recovery, tmp_path)
    assert reason.startswith(f"study hpo_2M_h1 was not written: {flag} {difference}")
    assert reason.count(flag) == 1
    assert "grep 'run=" in reason


@pytest.mark.parametrize(
    "other",
    [
        {"overrides": {"n_trials": "9"}, "n_trials": 9},
        {"overrides": {"device": "cpu"}, "device": "cpu", "worker": "b:2", "threads": 2},
        {"script_sha256": "c", "spec_sha256": "d"},
        {"search_space": dict(reversed(SEARCH_SPACE.items()))},
    ],
)
def test_runs_with_other_arguments_are_not_in_conflict(
    other: dict[str, Any], tmp_path: Path
) -> None:
    recovery = recover(two_runs({}, other))

    assert recovery.conflicts == []
    assert write_back(recovery, tmp_path) == ["hpo_2M_h1: 2 trials written"]


def test_the_way_out_of_mixed_runs_works(tmp_path: Path) -> None:
    lines = two_runs({"data_sha256": "a"}, {"data_sha256": "b"})
    lines.append(f"{stamp(99)}Trial 0 pruned. ")
    kept = [line for line in lines if f'run="{RUN}"' in line]

    assert "in run 1a2b3c4d" in refusal(recover(lines), tmp_path)
    assert write_back(recover(kept), tmp_path) == ["hpo_2M_h1: 1 trials written"]


def test_two_ends_of_one_trial_are_refused_with_both_values(tmp_path: Path) -> None:
    log = SampleLog()
    log.open_run()
    log.start(0)
    log.end(0, value=0.5)
    other = SampleLog(run=LATER_RUN)
    other.end(0, value=0.25)
    recovery = recover(log.lines + other.lines)

    assert recovery.conflicts == [f"hpo_2M_h1: trial 0: {ENDED_TWICE}"]
    assert f"trial 0: {ENDED_TWICE}: COMPLETE 0.5" in refusal(recovery, tmp_path)


def test_two_studies_of_one_name_are_refused_and_can_be_kept_apart(tmp_path: Path) -> None:
    lines = two_runs({}, {}, OTHER_STUDY)
    recovery = recover(lines)

    reason = refusal(recovery, tmp_path)
    assert "hpo_2M_h1 is the name of two studies" in reason
    assert f"""grep 'study="{STUDY}"' or 'study="{OTHER_STUDY}"' LOG""" in reason
    (remark,) = {line for line in recovery.report() if "another study" in line}
    assert remark == "  another study of these logs has the same name"
    kept = [line for line in lines if f'study="{STUDY}"' in line]
    assert write_back(recover(kept), tmp_path) == ["hpo_2M_h1: 1 trials written"]


def test_a_second_study_that_is_refused_keeps_the_first_from_being_written(
    tmp_path: Path,
) -> None:
    lines = [opened("a", 0), finished(0, 0.5, 0, 0.5, 1), finished(1, 0.25, 1, 0.25, 2)]
    lines += [opened("b", 3), finished(0, 0.5, 0, 0.5, 4)]

    assert refusal(recover(lines), tmp_path).startswith(
        "study b: the log does not show the direction"
    )


def test_writers_that_cannot_be_separated_are_refused(tmp_path: Path) -> None:
    lines = [opened("a", 0), finished(0, 0.5, 0, 0.5, 1), opened("b", 2)]
    lines += [finished(0, 0.5, 0, 0.5, 3), finished(1, 0.7, 0, 0.5, 4)]
    lines += [finished(1, 0.8, 0, 0.5, 5), finished(2, 0.9, 0, 0.5, 6)]
    recovery = recover(lines)

    flagged = {(s.name, t.number) for s in recovery.studies for t in s.rows if t.conflicts}
    assert flagged == {("b", 1), ("a", 2)}
    assert UNCERTAIN in refusal(recovery, tmp_path)


def test_writers_with_different_best_trials_are_separated(tmp_path: Path) -> None:
    lines = [opened("a", 0), finished(0, 0.5, 0, 0.5, 1), opened("b", 2)]
    lines += [finished(0, 0.6, 0, 0.6, 3), finished(1, 0.7, 0, 0.5, 4)]
    lines += [finished(1, 0.8, 0, 0.6, 5), finished(2, 0.9, 0, 0.5, 6)]
    recovery = recover(lines)

    assert recovery.conflicts == []
    written = [line.partition(";")[0] for line in write_back(recovery, tmp_path)]
    assert written == ["a: 3 trials written", "b: 2 trials written"]
    study = optuna.load_study(study_name="a", storage=f"sqlite:///{tmp_path}/s.db")
    assert [trial.value for trial in study.trials] == [0.5, 0.7, 0.9]


def test_a_refusal_has_exit_code_2_and_one_line(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("\n".join(two_runs({"data_sha256": "a"}, {"data_sha256": "b"})))
    command = [sys.executable, "-m", "recover_trials", log.name, "--to-storage"]
    done = subprocess.run(
        [*command, "sqlite:///s.db"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert not (tmp_path / "s.db").exists()
