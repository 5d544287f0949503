"""A log and a storage of one study, and several storages of one study."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage

from recover_trials import Study, read_trials


def objective(trial: Any) -> float:
    x: float = trial.suggest_float("x", -1, 1)
    trial.suggest_categorical("c", ["a", "b", True, None, 0.5])
    if trial.number % 5 == 3:
        raise optuna.TrialPruned
    if trial.number % 5 == 4:
        raise ValueError(x)
    return x**2


@pytest.fixture(params=["journal", "sqlite"])
def study_files(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """Return a log and a storage of one study."""
    storage_path, log = tmp_path / "s", tmp_path / "s.log"
    storage: Any = f"sqlite:///{storage_path}"
    if request.param == "journal":
        storage = JournalStorage(JournalFileBackend(str(storage_path)))
    handler = logging.FileHandler(log)
    handler.setFormatter(logging.Formatter("[I %(asctime)s] %(message)s"))
    logger = logging.getLogger("optuna")
    logger.addHandler(handler)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        sampler = optuna.samplers.RandomSampler(seed=0)
        study = optuna.create_study(study_name="js", storage=storage, sampler=sampler)
        study.optimize(objective, n_trials=10, catch=(ValueError,))
    finally:
        optuna.logging.set_verbosity(before)
        logger.removeHandler(handler)
        handler.close()
    return log, storage_path


def contents_of(study: Study) -> list[tuple[Any, ...]]:
    return [(t.number, t.state, t.values, t.params, t.flags) for t in study.rows]


def test_a_log_and_a_storage_of_one_study_are_one_study(study_files: tuple[Path, Path]) -> None:
    log, storage = study_files
    (expected,) = read_trials(storage).studies

    for files in ([log, storage], [storage, log], [storage, log, storage]):
        recovery = read_trials(files)

        (study,) = recovery.studies
        assert contents_of(study) == contents_of(expected)
        assert recovery.conflicts == []
        assert {trial.datetime_start for trial in study.rows if trial.datetime_start}


def test_a_trial_that_only_the_log_has_is_added(study_files: tuple[Path, Path]) -> None:
    log, storage = study_files
    line = log.read_text().splitlines()[1]
    log.write_text(log.read_text() + line.replace("Trial 0", "Trial 10") + "\n")

    (study,) = read_trials([log, storage]).studies

    assert [trial.number for trial in study.rows] == [*range(11)]


def test_a_trial_that_differs_is_kept_and_flagged(study_files: tuple[Path, Path]) -> None:
    log, storage = study_files
    text = log.read_text()
    log.write_text(
        text.replace("Trial 1 finished with value: 0.", "Trial 1 finished with value: 1.")
    )

    recovery = read_trials([log, storage])

    (study,) = recovery.studies
    assert [trial.number for trial in study.rows].count(1) == 2
    assert "js: trial 1: two lines about this trial differ" in recovery.conflicts


def test_a_log_of_another_time_zone_is_the_same_study(study_files: tuple[Path, Path]) -> None:
    log, storage = study_files
    (study,) = read_trials(log).studies
    text = log.read_text()
    for trial in study.rows:
        if trial.datetime_complete:
            time = trial.datetime_complete
            moved = time + timedelta(hours=5, minutes=45)
            text = text.replace(f"[I {time:%Y-%m-%d %H:%M:%S}", f"[I {moved:%Y-%m-%d %H:%M:%S}")
    log.write_text(text)

    recovery = read_trials([log, storage])

    assert len(recovery.studies) == 1
    assert recovery.conflicts == []


def test_other_studies_of_one_name_remain_apart(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for seed, path in enumerate(paths):
        sampler = optuna.samplers.RandomSampler(seed=seed)
        study = optuna.create_study(study_name="js", storage=f"sqlite:///{path}", sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)

    recovery = read_trials(paths)

    assert [study.name for study in recovery.studies] == ["js", "js (run 2)"]
    assert [len(study.rows) for study in recovery.studies] == [3, 3]


def test_the_logs_of_several_runs_may_be_in_any_order(study_files: tuple[Path, Path]) -> None:
    log, storage = study_files
    (expected,) = read_trials(storage).studies
    first, *lines = log.read_text().splitlines(keepends=True)
    middle = len(lines) // 2
    resumed = first.replace("A new study created in", "Using an existing study with name 'js' of")
    one, two = log.with_name("one.log"), log.with_name("two.log")
    one.write_text("".join([first, *lines[:middle]]))
    two.write_text("".join([resumed, *lines[middle:]]))

    for files in ([one, two, storage], [two, storage, one], [storage, two, one]):
        recovery = read_trials(files)

        (study,) = recovery.studies
        assert contents_of(study) == contents_of(expected)
        assert recovery.conflicts == []
