"""The checkpoint: whole or none, of its own trial, and not too often."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from full_disk import full_disk
from hpo_script.machinery.checkpoint import Checkpoint

STATE: dict[str, Any] = {
    "model": {"weight": torch.arange(6.0).reshape(2, 3)},
    "stream": torch.get_rng_state()[:64],
    "curve": [{"epoch": 1, "val_loss": 0.1 + 0.2, "collapsed": False}],
    "batch": 3,
    "seconds": 1.5,
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """Return a checkpoint that was saved."""
    found = Checkpoint(tmp_path / "checkpoints" / "trial_0003.pt", "study config", minutes=5)
    found.save(STATE)
    return found


def test_what_was_saved_is_loaded_to_the_bit(checkpoint: Checkpoint) -> None:
    state = checkpoint.load()

    assert state is not None
    assert same(state)


def test_a_later_one_takes_the_place_of_an_earlier_one(checkpoint: Checkpoint) -> None:
    checkpoint.save({**STATE, "batch": 4})

    assert (checkpoint.load() or {})["batch"] == 4
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["trial_0003.pt"]


def same(state: dict[str, Any]) -> bool:
    """Return whether a state is the one that was saved."""
    tensors = all(
        torch.equal(found, saved)
        for found, saved in (
            (state["model"]["weight"], STATE["model"]["weight"]),
            (state["stream"], STATE["stream"]),
        )
    )
    others = ("curve", "batch", "seconds")
    return tensors and all(state[name] == STATE[name] for name in others)


def test_one_that_is_cut_anywhere_counts_as_none(
    checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    size = checkpoint.path.stat().st_size
    for length in reversed(range(size)):
        os.truncate(checkpoint.path, length)
        assert checkpoint.load() is None

    said = capsys.readouterr().err.splitlines()
    assert len(said) == size
    assert all(line.startswith(f"{checkpoint.path}: ") for line in said)
    assert all(line.endswith("; its trial starts again") for line in said)


def test_one_with_any_byte_changed_is_what_was_saved_or_none(checkpoint: Checkpoint) -> None:
    data = checkpoint.path.read_bytes()
    with checkpoint.path.open("r+b", buffering=0) as file:
        for index, byte in enumerate(data):
            os.pwrite(file.fileno(), bytes([byte ^ 1 << index % 8]), index)
            state = checkpoint.load()
            assert state is None or same(state), index
            os.pwrite(file.fileno(), bytes([byte]), index)
    assert checkpoint.load() is not None


def test_one_with_a_tensor_marked_as_a_folder_counts_as_none(checkpoint: Checkpoint) -> None:
    data = checkpoint.path.read_bytes()
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"archive/data/1"))
    with checkpoint.path.open("r+b") as file:
        os.pwrite(file.fileno(), b"\x10", entry + 38)  # of MS-DOS: a directory

    assert checkpoint.load() is None


def test_one_of_another_trial_counts_as_none(checkpoint: Checkpoint) -> None:
    other = Checkpoint(checkpoint.path, "study another config", minutes=5)

    assert other.load() is None
    assert checkpoint.load() is not None


def test_none_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = Checkpoint(tmp_path / "none" / "trial_0000.pt", "key", minutes=5)

    assert checkpoint.load() is None
    checkpoint.remove()
    assert capsys.readouterr().err == ""


def test_one_that_was_removed_is_gone_with_its_parts(checkpoint: Checkpoint) -> None:
    checkpoint.path.with_name(f".{checkpoint.path.name}.77.part").write_bytes(b"half")

    checkpoint.remove()

    assert list(checkpoint.path.parent.iterdir()) == []


class Trap:
    """What unpickling would call."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("sprung"),))


def test_a_whole_file_that_would_run_code_does_not(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkpoint.path.parent)
    checkpoint.save({**STATE, "trap": Trap()})

    assert checkpoint.load() is None
    assert "Weights only load failed" in capsys.readouterr().err
    assert not Path("sprung").exists()


@pytest.mark.parametrize(
    ("minutes", "cost", "passed", "due"),
    [
        pytest.param(5, 0.1, 299, False, id="before its time"),
        pytest.param(5, 0.1, 301, True, id="after its time"),
        pytest.param(0.5, 0.1, 31, True, id="other minutes"),
        pytest.param(5, 4, 301, False, id="a slow one, at a hundredth of the time"),
        pytest.param(5, 4, 401, True, id="a slow one, later"),
        pytest.param(0, 60, 0, True, id="after every batch, whatever it takes"),
    ],
)
def test_one_is_due_after_its_minutes_and_a_hundred_times_what_it_takes(
    minutes: float, cost: float, passed: float, *, due: bool, tmp_path: Path
) -> None:
    checkpoint = Checkpoint(tmp_path / "a.pt", "key", minutes=minutes)
    checkpoint.cost, checkpoint.since = cost, time.monotonic() - passed

    assert checkpoint.due() is due


def test_saving_measures_what_it_takes_and_begins_the_wait_anew(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "a.pt", "key", minutes=5)
    checkpoint.since = began = time.monotonic() - 301
    assert checkpoint.due()

    checkpoint.save({"weight": torch.zeros(1_000_000)})

    assert 0 < checkpoint.cost < checkpoint.since - began - 300
    assert not checkpoint.due()


def test_a_full_disk_is_said_and_the_last_one_stays(
    checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    size = checkpoint.path.stat().st_size
    for room in (0, 100, size // 2, size - 1):
        with full_disk(room):
            checkpoint.save({**STATE, "batch": 4})
        assert capsys.readouterr().err.startswith("checkpoint not written: ")
        assert (checkpoint.load() or {})["batch"] == 3
    checkpoint.save({**STATE, "batch": 4})
    assert (checkpoint.load() or {})["batch"] == 4
