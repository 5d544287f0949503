"""Optuna reads a repaired journal, with every trial whose lines were whole.

REPAIR_FLIPS=4096 python -m pytest tests/recover/test_repair.py changes each byte once.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalFileSymlinkLock
from optuna.trial import TrialState

from recover_trials.cli import main
from recover_trials.errors import RepairError
from recover_trials.files.remove_damaged_lines import repair

LAST = 4096
FLIPS = int(os.environ.get("REPAIR_FLIPS", "128"))
STEP = max(1, LAST // (4 * FLIPS))  # between two cuts
CREATION = b'{"op_code":4,'


def objective(trial: optuna.Trial) -> float:
    """Return a value, fail or prune; set an attribute that looks like a line of a journal."""
    x = trial.suggest_float("x", 0.0, 1.0)
    kind = trial.suggest_categorical("kind", ["a", "b", None])
    trial.set_user_attr("text", f'{{"op_code":4,"study_id":0,"datetime_start":{kind}}}\n')
    for step in range(2):
        trial.report(x / (step + 1), step)
    if trial.number % 5 == 3:
        raise optuna.TrialPruned
    if trial.number % 5 == 4:
        raise ValueError(x)
    return x


def open_study(path: Path) -> optuna.Study:
    """Create a study in a journal, or resume it."""
    return optuna.create_study(
        study_name="s",
        storage=JournalStorage(JournalFileBackend(str(path))),
        sampler=optuna.samplers.RandomSampler(seed=1),
        load_if_exists=True,
    )


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a journal of two runs: queued, added, finished, pruned and failed trials."""
    path = tmp_path_factory.mktemp("journal") / "s.journal"
    for _ in range(2):
        study = open_study(path)
        study.enqueue_trial({"x": 0.5})
        study.optimize(objective, n_trials=4, catch=ValueError)
        study.add_trial(study.trials[0])
    study.ask()
    return path.read_bytes()


def load(content: bytes, path: Path) -> list[optuna.trial.FrozenTrial]:
    """Return the trials of a journal, as Optuna reads them."""
    path.write_bytes(content)
    storage = JournalStorage(JournalFileBackend(str(path)))
    (study,) = storage.get_all_studies()
    return storage.get_all_trials(study._study_id)


def numbers_at(journal: bytes, position: int) -> set[int]:
    """Return the trial that the line at a position is about; several if it ends there."""
    begin = journal.rfind(b"\n", 0, position) + 1
    end = journal.find(b"\n", position + 1)
    numbers = set()
    for line in journal[begin:end].splitlines():
        if trial_id := re.search(rb'"trial_id":(\d+)', line):
            numbers.add(int(trial_id[1]))
        elif line.startswith(CREATION):
            numbers.add(journal[:begin].count(CREATION))
    return numbers


def test_an_intact_journal_is_unchanged(journal: bytes) -> None:
    done = repair(journal)
    assert (done.text, done.dropped) == (journal, {})


def test_a_journal_that_was_cut_keeps_every_whole_line(journal: bytes, tmp_path: Path) -> None:
    for size in range(len(journal) - LAST, len(journal) + 1, STEP):
        whole = journal[:size].rpartition(b"\n")[0] + b"\n"
        rest = journal[len(whole) : size]
        done = repair(journal[:size])
        if size + 1 <= len(journal) and journal[size : size + 1] == b"\n":
            whole, rest = whole + rest + b"\n", b""  # only the line end is lost
        assert done.text == whole
        assert b"".join(done.dropped.values()) == rest
        assert done.tail is bool(rest)
    assert load(repair(journal[:-100]).text, tmp_path / "s") != load(journal, tmp_path / "s")


def test_a_changed_byte_leaves_all_other_trials_unchanged(journal: bytes, tmp_path: Path) -> None:
    chance, original, silent = random.Random(7), load(journal, tmp_path / "s"), 0  # noqa: S311
    for position in sorted(chance.sample(range(len(journal) - LAST, len(journal)), FLIPS)):
        changed = bytearray(journal)
        changed[position] ^= 1 << chance.randrange(8)
        done = repair(bytes(changed))
        assert repair(done.text).text == done.text
        silent += not done.dropped
        repaired = load(done.text, tmp_path / "s")
        touched = numbers_at(journal, position)
        for ours, theirs in zip(repaired, original, strict=False):
            if ours.number not in touched:
                assert ours == theirs, (position, done.dropped)
        last = {original[-1].number, original[-2].number}
        lost = len(original) - len(repaired)
        assert lost == 0 or (touched & last and lost <= 2)
    assert silent < FLIPS / 2


def test_a_repaired_journal_is_readable_after_any_damage(journal: bytes, tmp_path: Path) -> None:
    chance = random.Random(11)  # noqa: S311
    original = {repr(trial.values) for trial in load(journal, tmp_path / "s")}
    for _ in range(FLIPS // 4):
        damaged = bytearray(journal)
        for _ in range(chance.randint(1, 3)):
            place, size = chance.randrange(200, len(damaged)), chance.randint(1, 300)
            new = chance.choice((b"", b"\0" * size, chance.randbytes(9), b"\n"))
            damaged[place : place + size * chance.randint(0, 1)] = new
        try:
            done = repair(bytes(damaged))
        except RepairError:
            continue
        assert repair(done.text).text == done.text
        original |= {repr(None)}
        values = {repr(trial.values) for trial in load(done.text, tmp_path / "s")}
        assert len(values - original) <= 2  # a changed digit cannot be recognised


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        (b"\0" * 300, 0),
        (b"Killed\n[I 2026-11-21 10:15:00,123] Trial 3 pruned. \n", 0),
        (b'null\n5\n[]\n{}\n{"op_code":"x"}\n{"op_code":99,"worker_id":"w"}\n', 0),
        (b"\xff\xfe\n\n\n", 0),
        (b'{"op_code":6,"worker_id":"w","trial_id":1,"sta', 1),
        (b'{"op_code":4,"worker_id":"w","stu', 1),
    ],
)
def test_damage_between_whole_lines_is_dropped_and_they_are_kept(
    journal: bytes, tmp_path: Path, damage: bytes, kept: int
) -> None:
    for place in (journal.find(b"\n", 1000) + 1, len(journal)):
        done = repair(journal[:place] + damage + journal[place:])
        assert done.text == journal
        assert b"".join(done.dropped.values()) == damage.replace(b"\n", b"")
        assert len(done.kept) == (kept or damage.startswith(b"\0")) * (place < len(journal))
        assert done.tail is (place == len(journal))
        assert done.replaced == []


def lines_of(journal: bytes, beginning: bytes) -> Iterator[tuple[int, int]]:
    """Yield where lines with a beginning start and end."""
    for match in re.finditer(rb"^" + re.escape(beginning) + rb".*$", journal, re.MULTILINE):
        yield match.span()


def test_a_lost_creation_does_not_shift_numbers(journal: bytes, tmp_path: Path) -> None:
    original = load(journal, tmp_path / "s")
    for number, (begin, end) in enumerate(lines_of(journal, CREATION)):
        if b"system_attr" in journal[begin:end]:
            continue  # the line of an added or queued trial has fields that are lost
        done = repair(journal[: begin + 3] + b"###" + journal[begin + 6 :])
        repaired = load(done.text, tmp_path / "s")
        assert repaired == original
        assert len(done.replaced) == 1
        assert number < len(original)


def results(trials: list[optuna.trial.FrozenTrial]) -> list[Any]:
    return [(t.number, t.state, t.values, t.params, t.intermediate_values) for t in trials]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_creation_that_is_missing_without_a_trace_is_replaced(
    tmp_path: Path, workers: int
) -> None:
    path = tmp_path / "s.journal"
    studies = [open_study(path) for _ in range(workers)]
    for _ in range(3):
        trials = [study.ask() for study in studies]
        values = [trial.suggest_float("x", 0.0, 1.0) for trial in trials]
        for study, trial, value in zip(studies, trials, values, strict=True):
            study.tell(trial, value)
    lines = path.read_bytes().splitlines(keepends=True)
    whole = results(load(b"".join(lines), tmp_path / "whole"))
    creations = [index for index, line in enumerate(lines) if line.startswith(CREATION)]

    for first, second in itertools.product(creations, repeat=2):
        left = b"".join(line for i, line in enumerate(lines) if i not in (first, second))
        done = repair(left)
        assert (done.missing, done.dropped) == (len({first, second}), {})
        assert results(load(done.text, tmp_path / "repaired")) == whole


def test_a_missing_creation_before_an_added_trial_is_replaced_or_refused(
    journal: bytes, tmp_path: Path
) -> None:
    lines = journal.splitlines(keepends=True)
    whole = results(load(journal, tmp_path / "whole"))

    for index, line in enumerate(lines):
        if line.startswith(CREATION):
            try:
                done = repair(b"".join([*lines[:index], *lines[index + 1 :]]))
            except RepairError:
                continue
            if done.missing:
                repaired = results(load(done.text, tmp_path / "repaired"))
                assert [r for r in repaired if r[1] != TrialState.RUNNING] == [
                    r for r in whole if r[1] != TrialState.RUNNING
                ]


def test_a_damaged_added_trial_becomes_a_lost_one(journal: bytes, tmp_path: Path) -> None:
    original = load(journal, tmp_path / "s")
    *_, (begin, end) = (s for s in lines_of(journal, CREATION) if b'"text"' in journal[slice(*s)])
    done = repair(journal[: end - 9] + b"#" + journal[end - 8 :])
    repaired = load(done.text, tmp_path / "s")
    number = journal[:begin].count(CREATION)
    assert repaired[:number] == original[:number]
    assert repaired[number + 1 :] == original[number + 1 :]
    assert repaired[number].state == TrialState.FAIL
    assert repaired[number].user_attrs["fail_reason"] == "lost"


def test_the_creation_of_a_study_is_taken_from_a_run_that_resumed_it(
    journal: bytes, tmp_path: Path
) -> None:
    original = load(journal, tmp_path / "s")
    for place in (journal.index(b'study_name"'), journal.index(b'":"s"'), journal.index(b'":[1')):
        done = repair(journal[:place] + b"\xce" + journal[place + 1 :])
        assert (done.replaced, list(done.dropped)) == ([1], [1])
        assert load(done.text, tmp_path / "s") == original


def test_trials_in_a_hole_of_zeros_are_ambiguous(journal: bytes) -> None:
    first, second = list(lines_of(journal, CREATION))[1:3]
    for size in (30, second[0] - first[1] + 30):
        hole = journal[: first[1] - 9] + b"\0" * size
        with pytest.raises(RepairError, match=r"line \d+ may have created a trial, and line "):
            repair(hole + journal[len(hole) :])


def test_an_ambiguous_journal_is_refused(journal: bytes) -> None:
    begin, end = list(lines_of(journal, CREATION))[1]
    with pytest.raises(RepairError, match=r"line \d+ may have created a trial, and line "):
        repair(journal[:begin] + b"\0" * (end - begin) + journal[end:])


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_a_text_is_not_a_journal(text: bytes) -> None:
    with pytest.raises(RepairError, match="no line is a record of an Optuna journal"):
        repair(text)


def call(*names: object) -> Result:
    """Call the command."""
    return CliRunner().invoke(main, ["--repair", *map(str, names)])


def test_the_file_is_backed_up_and_the_study_can_be_resumed(
    journal: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "s.journal"
    for number in range(3):
        path.write_bytes(journal[: -40 - number])
        path.chmod(0o640)
        done = call(path)
        backup = Path(f"{path}.bak" + (f".{number}" if number else ""))
        assert backup.read_bytes() == journal[: -40 - number]
        assert (done.exit_code, done.stderr) == (0, "")
        first, second, last = done.stdout.splitlines()
        assert first == f"{path}: 1 damaged lines removed, at its end"
        assert re.fullmatch(r"  line \d+: \d+ bytes, '\{\"op_code\":.*'", second)
        assert last == f"{path}: backup: {backup}"
        assert path.stat().st_mode & 0o777 == 0o640
    study = open_study(path)
    before = len(study.trials)
    study.optimize(objective, n_trials=2, catch=ValueError)
    assert len(study.trials) > before
    again = call(path)
    assert (again.exit_code, again.stdout) == (0, f"{path}: nothing to repair\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("s.journal", "s.journal.bak", "s.journal.bak.1", "s.journal.bak.2")
    ]


@pytest.mark.parametrize("lock", [JournalFileSymlinkLock, JournalFileOpenLock])
def test_a_locked_journal_is_unchanged(journal: bytes, tmp_path: Path, lock: type[Any]) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(journal[:-40])
    held = lock(str(path))
    held.acquire()
    old = time.time() - 90
    os.utime(f"{path}.lock", (old, old), follow_symlinks=False)
    done = call(path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert re.search(r"s\.journal\.lock exists, 9\d seconds old: ", done.stderr)
    assert done.stderr.endswith(f"rm {path}.lock\n")
    assert path.read_bytes() == journal[:-40]
    held.release()
    assert call(path).exit_code == 0
    assert not Path(f"{path}.lock").is_symlink()


def test_repair_refuses_other_options(journal: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(journal[:-40])
    for option in (["--format", "csv"], ["--output", "x.csv"], ["--to-storage", "sqlite:///x.db"]):
        done = call(*option, path)
        assert done.exit_code == 2
        assert "--repair changes the journals in place" in done.stderr
    assert path.read_bytes() == journal[:-40]


def test_a_file_that_is_not_a_journal_is_unchanged(journal: bytes, tmp_path: Path) -> None:
    text, whole, damaged = tmp_path / "x.log", tmp_path / "s.db", tmp_path / "d.db"
    text.write_text("[I 2026-11-21 10:15:00,123] Trial 3 pruned. \n")
    optuna.create_study(study_name="s", storage=f"sqlite:///{whole}")
    damaged.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    before = {path: path.read_bytes() for path in (text, whole, damaged)}
    done = call(text, whole, damaged, tmp_path / "none")
    assert done.exit_code == 2
    assert done.stdout == f"{whole}: SQLite file without damage: nothing to repair\n"
    errors = done.stderr.splitlines()
    assert "no line is a record of an Optuna journal. The file was not changed" in errors[0]
    assert f"{damaged}: damaged SQLite file: " in errors[1]
    assert "recover-trials LOG --to-storage sqlite:///NEW.db" in errors[1]
    assert errors[2] == f"error: {tmp_path / 'none'}: No such file or directory"
    assert {path: path.read_bytes() for path in before} == before
    assert sorted(tmp_path.iterdir()) == sorted(before)
