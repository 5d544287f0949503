"""Journals with damage, read without a repair: a lost line costs one trial, no number moves."""

from __future__ import annotations

import codecs
import io
import random
import re
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage

from recover_trials import Recovery, read_trials

N_TRIALS = 20
CREATION = b'"op_code":4,'


def objective(trial: Any) -> float:
    x: float = trial.suggest_float("x", -1, 1)
    trial.report(x, 0)
    if trial.number % 7 == 3:
        raise optuna.TrialPruned
    return x**2


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Return the lines of a journal of trials that a study asked for."""
    path = tmp_path_factory.mktemp("journal") / "a"
    study = new_study(path)
    study.optimize(objective, n_trials=N_TRIALS)
    return path.read_bytes().splitlines(keepends=True)


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Return the lines of a journal of trials that were added as a whole."""
    path = tmp_path_factory.mktemp("journal") / "b"
    study = new_study(path)
    for value in range(N_TRIALS):
        study.add_trial(optuna.create_trial(value=value))
    return path.read_bytes().splitlines(keepends=True)


def new_study(path: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(path)))
    sampler = optuna.samplers.RandomSampler(seed=0)
    return optuna.create_study(study_name="js", storage=storage, sampler=sampler)


def read(lines: list[bytes]) -> Recovery:
    return read_trials([io.BytesIO(b"".join(lines))])


def rows_of(recovery: Recovery) -> dict[int, tuple[Any, ...]]:
    """Return the rows of all studies by number, without the times."""
    return {
        trial.number: (trial.state, trial.values, trial.params, trial.intermediate_values)
        for study in recovery.studies
        for trial in study.rows
    }


def test_a_torn_creation_costs_nothing_but_the_start(asked: list[bytes]) -> None:
    whole = rows_of(read(asked))
    for index, line in enumerate(asked):
        if CREATION in line:
            torn = [*asked[:index], line[:70] + b"\n", *asked[index + 1 :]]

            recovery = read(torn)

            assert rows_of(recovery) == whole
            assert recovery.damaged == 1
            assert any("--repair" in problem for problem in recovery.problems)


def test_a_torn_line_of_an_added_trial_costs_that_trial(added: list[bytes]) -> None:
    whole = rows_of(read(added))
    for number in range(N_TRIALS):
        torn = [*added[: number + 1], added[number + 1][:90] + b"\n", *added[number + 2 :]]

        recovery = read(torn)

        assert rows_of(recovery) == {n: row for n, row in whole.items() if n != number}


@pytest.mark.parametrize("hole", [b"\0" * 40, b"\xff" * 9 + b"\n", b"\0\n\0"])
def test_a_hole_moves_no_number(asked: list[bytes], hole: bytes) -> None:
    whole = rows_of(read(asked))
    for index in range(1, len(asked)):
        recovery = read([*asked[:index], hole, *asked[index + 1 :]])

        rows = rows_of(recovery)
        changed = [number for number, row in rows.items() if row != whole[number]]
        assert len(changed) <= 1
        assert len(rows) >= N_TRIALS - 1


def test_a_hole_before_added_trials_makes_their_numbers_uncertain(added: list[bytes]) -> None:
    recovery = read([*added[:5], b"\0" * 40 + b"\n", *added[6:]])

    flags = {trial.number: trial.flags for trial in recovery.studies[0].rows}
    assert all(bool(flags[number]) == (number >= 4) for number in flags)


@pytest.mark.parametrize(
    "start", [codecs.BOM_UTF8, b"\0" * 10, b"\n\n", b"x\n" * 5, b'"js","directions":[1]}\n']
)
def test_what_precedes_the_first_line_does_not_matter(asked: list[bytes], start: bytes) -> None:
    recovery = read([start, *asked])

    assert rows_of(recovery) == rows_of(read(asked))


def test_a_torn_first_line_costs_the_name_at_most(asked: list[bytes]) -> None:
    line = asked[0]
    for size in (30, line.index(b"study_name") + 20, len(line) - 5):
        recovery = read([line[:size] + b"\n", *asked[1:]])
        assert rows_of(recovery) == rows_of(read(asked))

        again = read([line[:size] + b"\n", *asked[1:], line])
        assert [study.name for study in again.studies] == ["js"]

    headless = read([line[-20:], *asked[1:]])
    assert rows_of(headless) == rows_of(read(asked))


@pytest.mark.parametrize(
    "text",
    [b'"\x8a\xdd"directions": [1]', b'"s\\x", "directions": [1, ,]', b'"study_id":' + b"9" * 5000],
)
def test_a_study_line_that_is_no_json_costs_the_name_at_most(
    asked: list[bytes], text: bytes
) -> None:
    damaged = b'{"op_code":0,"worker_id":"w","study_name":' + text + b"}\n"

    assert rows_of(read([damaged, *asked[1:]])) == rows_of(read(asked))


def test_any_damage_moves_no_number(asked: list[bytes], added: list[bytes]) -> None:
    chance = random.Random(3)  # noqa: S311
    for lines in (asked, added):
        whole = rows_of(read(lines))
        for _ in range(400):
            damaged = list(lines)
            index = chance.randrange(len(lines))
            line = bytearray(damaged[index])
            begin = chance.randrange(len(line))
            size = chance.choice([1, 8, len(line)])
            line[begin : begin + size] = chance.choice([b"", b"\0" * size, b"x" * size])
            damaged[index] = bytes(line)

            recovery = read(damaged)

            certain = {t.number for s in recovery.studies for t in s.rows if not t.flags}
            rows = rows_of(recovery)
            changed = [number for number in certain if rows[number] != whole.get(number)]
            assert len(changed) <= 1, (index, bytes(line), changed)


def test_a_missing_creation_costs_the_start_at_most(asked: list[bytes]) -> None:
    whole = rows_of(read(asked))
    for index, line in enumerate(asked):
        if CREATION in line:
            recovery = read([*asked[:index], *asked[index + 1 :]])

            assert rows_of(recovery) == whole
            assert any("lines that create trials are missing: 1" in p for p in recovery.problems)


def test_records_of_trials_that_a_batch_asked_for_wait_for_the_lost_one(tmp_path: Path) -> None:
    study = new_study(tmp_path / "a")
    trials = [study.ask() for _ in range(6)]
    for trial in trials:
        trial.suggest_float("x", 0, 1)
    for trial in trials:
        study.tell(trial, trial.number)
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    whole = rows_of(read(lines))

    for index in range(1, 7):
        assert rows_of(read([*lines[:index], b"#" * 40 + b"\n", *lines[index + 1 :]])) == whole


def test_added_trials_before_a_missing_creation_are_uncertain(tmp_path: Path) -> None:
    study = new_study(tmp_path / "a")
    for value in range(5):
        study.add_trial(optuna.create_trial(value=value))
    study.optimize(objective, n_trials=3)
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    whole = rows_of(read(lines))

    recovery = read([*lines[:3], *lines[4:]])

    rows = recovery.studies[0].rows
    certain = {trial.number for trial in rows if not trial.flags}
    assert certain == {5, 6, 7}
    assert all(rows_of(recovery)[number] == whole[number] for number in certain)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Return the lines of a journal of two studies, whose trials alternate."""
    path = tmp_path_factory.mktemp("journal") / "c"
    storage = JournalStorage(JournalFileBackend(str(path)))
    studies = [optuna.create_study(study_name=name, storage=storage) for name in "ab"]
    for _ in range(4):
        for study in studies:
            study.optimize(objective, n_trials=1)
    return path.read_bytes().splitlines(keepends=True)


def values_of(recovery: Recovery) -> dict[tuple[str, int], Any]:
    """Return the values of the trials whose study and number are certain."""
    return {
        (study.name, trial.number): trial.values
        for study in recovery.studies
        for trial in study.rows
        if not trial.flags and not study.flags
    }


def test_a_lost_study_line_gives_its_trials_to_no_other_study(two: list[bytes]) -> None:
    whole = values_of(read(two))
    for lost in ([], [b"#" * 40 + b"\n"], [two[1][:60] + b"\n"]):
        recovery = read([two[0], *lost, *two[2:]])

        values = {s.name: [t.values for t in s.rows] for s in recovery.studies}
        assert values["a"] == [whole["a", number] for number in range(4)]
        (other,) = values.keys() - {"a"}
        assert values[other] == [whole["b", number] for number in range(4)]
        assert any("creates a study is damaged" in text for text in recovery.conflicts)


def test_a_trial_whose_study_is_lost_is_left_out(two: list[bytes]) -> None:
    whole = values_of(read(two))
    for index, line in enumerate(two):
        if CREATION in line:
            recovery = read([*two[:index], line[:30] + b"\n", *two[index + 1 :]])

            assert values_of(recovery).items() <= whole.items()
            assert sum(len(study.rows) for study in recovery.studies) == len(whole) - 1
            assert any("their study is unknown: 1" in text for text in recovery.problems)


def test_a_finished_trial_without_a_value_is_flagged(added: list[bytes]) -> None:
    damaged = added[3].replace(b'"value"', b'"vblue"')

    recovery = read([*added[:3], damaged, *added[4:]])

    assert recovery.conflicts == ["js: trial 2: finished, but its value is missing"]


def test_records_of_a_trial_with_a_huge_number_create_no_trials(asked: list[bytes]) -> None:
    ends = [line for line in asked if b'"op_code":6,' in line][:2]
    huge = [re.sub(rb'"trial_id":\d+', b'"trial_id":999999999', line) for line in ends]

    recovery = read([*asked, *huge])

    assert rows_of(recovery) == rows_of(read(asked))
    assert recovery.damaged == len(huge)
