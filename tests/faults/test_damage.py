"""Torn and flipped files: the script goes on, or names a command that makes it go on."""

from __future__ import annotations

import os
import random
import re
import shlex
import subprocess
import sys
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


def advised(said: str) -> list[str] | None:
    """Return the recover-trials command that a message names."""
    match = re.search(r"recover-trials [^\n`]*", said)
    return shlex.split(match[0].rstrip(".")) if match else None


def move_away(place: Place, said: str) -> None:
    """Move the database away, where a message asks for that."""
    if match := re.search(r"The database (\S+) is damaged .* Move it away", said, re.IGNORECASE):
        Path(match[1]).rename(place.folder / "moved-away")


def heal(place: Place) -> list[str]:
    """Run on; where that is refused, follow the message once. Return what went wrong."""
    run = place.run()
    if run.code == 0:
        return []
    if "Traceback" in run.said:
        return [f"a traceback: {run.said[-300:]!r}"]
    command = advised(run.said)
    if command is None:
        return [f"exit {run.code} and no recover-trials command: {run.said[-300:]!r}"]
    move_away(place, run.said)
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [program, *command[1:]], cwd=place.folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return [f"{command} ended with {done.returncode}: {done.stderr[-300:]!r}"]
    again = place.run()
    return (
        [] if again.code == 0 else [f"after {command}: exit {again.code}: {again.said[-300:]!r}"]
    )


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
