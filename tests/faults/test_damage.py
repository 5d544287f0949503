"""Torn and flipped files: the script goes on, or names a command that makes it go on."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.harness import (
    SMALL,
    Nursery,
    Place,
    Tables,
    differences,
    lost,
    make_place,
    record,
    twice,
)
from faults.repairs import heal
from scripts import changed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(24 * 3600)]
CUTS = os.environ.get("FAULT_CUTS", "5")  # how many of the last 4096 bytes, or "all"
SEED = int(os.environ.get("FAULT_SEED", "1"))
TAIL = 4096
TOTAL = {"study": {"n_trials": 3}, "fixed": {"epochs": 8}}


@pytest.fixture(params=["sqlite", "journal", "checkpoint"])
def torn(request: pytest.FixtureRequest, shelf: Path, nursery: Nursery) -> tuple[Place, str]:
    """Return a study that was killed within its second trial, and what is to be damaged."""
    place = make_place(shelf, nursery, "base", changed(SMALL, **TOTAL))
    if request.param == "journal":
        place.storage = "journal://study.journal"
    return place, request.param


def damaged_file(place: Place, kind: str) -> Path:
    """Return the file of a kind, the newest where there are several."""
    if kind == "journal":
        return place.folder / "study.journal"
    if kind == "sqlite":
        return place.out / "study.db"
    files = [p for p in place.folder.rglob("*") if p.suffix in (".pt", ".ckpt", ".pth")]
    assert files, "a trial that runs has no checkpoint file (*.pt, *.ckpt, *.pth)"
    return max(files, key=lambda path: path.stat().st_mtime_ns)


def damages(size: int) -> Iterator[tuple[str, int, int]]:
    """Give cuts (length that is left) and flips (place, bit) in the last 4 KiB of a file."""
    chance = random.Random(SEED)  # noqa: S311
    tail = range(max(size - TAIL, 0), size)
    some = tail if CUTS == "all" else chance.sample(tail, min(int(CUTS), len(tail)))
    for at in sorted(some):
        yield "cut", at, 0
    for at in sorted(some):
        yield "flipped", at, chance.randrange(8)


def damage(path: Path, how: str, at: int, bit: int) -> None:
    """Cut a file, or flip a bit of it."""
    data = bytearray(path.read_bytes())
    if how == "cut":
        del data[at:]
    else:
        data[at] ^= 1 << bit
    path.write_bytes(data)


def in_second_trial(place: Place) -> Place:
    """Run until the second trial is half done, and kill the run there."""
    run = place.start()
    while run.code is None:
        text = place.log.read_text() if place.log.exists() else ""
        if "Trial 1 epoch 4:" in text:
            break
    assert run.kill().code == -9
    return place


def test_a_damaged_file_is_survived_or_the_named_command_completes(
    torn: tuple[Place, str],
) -> None:
    base, kind = torn
    whole_place = base.copy("whole")
    whole_place.finish()
    whole: Tables = whole_place.tables()
    killed = in_second_trial(base.copy("killed"))
    path = damaged_file(killed, kind)
    found, tried = [], 0
    for how, at, bit in damages(path.stat().st_size):
        place = killed.copy("damaged")
        damage(place.folder / path.relative_to(killed.folder), how, at, bit)
        before, tried = place.reported(), tried + 1
        wrong = heal(place)
        if not wrong:
            wrong = [*lost(before, place), *twice(place), *differences(whole, place.tables(), 2)]
        found += [f"{path.name} {how} at {at} of {path.stat().st_size}: {line}" for line in wrong]
        place.remove()
    failed = len({line.split(": ")[0] for line in found})
    record("damaged files", kind, damages=tried, not_survived=failed)
    assert not found, "\n".join(found[:40])
