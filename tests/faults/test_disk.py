"""Full disks and folders that cannot be written: said honestly, survived, and nothing lost."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.harness import Place, Tables, Trace, differences, lost, record, twice, wait_for
from faults.repairs import heal
from faults.write_points import Point, losses, trace
from scripts import edit

pytestmark = [pytest.mark.faults, pytest.mark.timeout(6 * 3600)]
POINTS = os.environ.get("FAULT_POINTS", "24")
WRITERS = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "openat", "rename", "mkdir")


def mount(*arguments: str) -> bool:
    """Mount something, where this user may."""
    done = subprocess.run(["mount", *arguments], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def base(base: Place) -> Place:
    """Return the study with a script that does not wait seven minutes for room."""
    edit(base.script, ("(1, 4, 15, 60, 120, 240)", "(0.1, 0.2)"))
    return base


@pytest.fixture
def small_disk(base: Place) -> Iterator[Place]:
    """Return the study on a disk of its own, of 2 MiB."""
    place = base.copy("disk")
    kept = base.folder
    if not mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place.folder)):
        pytest.skip("this user may not mount a tmpfs")
    shutil.copytree(kept, place.folder, dirs_exist_ok=True)
    yield place
    subprocess.run(["umount", "-l", str(place.folder)], check=True)


def fill(place: Place, left: int) -> Path:
    """Fill the disk up to some bytes."""
    free = shutil.disk_usage(place.folder).free
    path = place.folder / "filling"
    path.write_bytes(bytes(max(free - left, 0)))
    return path


def honest(said: str, *words: str) -> list[str]:
    """Return what is wrong with a message: a traceback, or none of some words."""
    wrong = ["a traceback"] if "Traceback" in said else []
    if not any(word in said.lower() for word in words):
        wrong.append(f"none of {words}")
    return [f"{problem}: {said[-600:]!r}" for problem in wrong]


@pytest.mark.parametrize("left", [0, 16, 64, 160, 200, 240, 280])
def test_a_full_disk_is_said_and_the_rerun_completes(
    left: int, small_disk: Place, whole: Tables
) -> None:
    filling = fill(small_disk, left * 1024)
    run = small_disk.run()
    found = honest(run.said, "no space left", "disk is full", "full") if run.code else []
    filling.unlink()
    found += losses(small_disk, whole)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("left", [16, 40, 64, 88])
def test_a_journal_on_a_full_disk_is_not_ruined(
    left: int, small_disk: Place, whole: Tables
) -> None:
    small_disk.storage = "journal://study.journal"
    filling = fill(small_disk, left * 1024)
    run = small_disk.run()
    assert run.code == 2, run.said
    found = honest(run.said, "no space left")
    filling.unlink()
    before = small_disk.reported()
    found += heal(small_disk) or lost(before, small_disk) + twice(small_disk)
    found += differences(whole, small_disk.tables())
    assert not found, "\n".join(found)


def test_room_that_is_made_in_time_ends_the_wait(small_disk: Place, whole: Tables) -> None:
    edit(small_disk.script, ("(0.1, 0.2)", "(0.5,) * 100"))
    filling = fill(small_disk, 200 * 1024)
    run = small_disk.start()
    wait_for(lambda: "disk is full; trying again" in run.said, run)
    filling.unlink()
    assert run.wait().code == 0, run.said
    assert not losses(small_disk, whole)


@pytest.mark.parametrize("begun", [False, True])
def test_a_read_only_folder_is_said_and_the_rerun_completes(
    begun: bool, small_disk: Place, whole: Tables
) -> None:
    if begun:
        small_disk.finish("--n-trials", "1")
    assert mount("-o", "remount,ro", str(small_disk.folder))
    run = small_disk.run()
    assert mount("-o", "remount,rw", str(small_disk.folder))
    assert run.code == 2, run.said
    found = honest(run.said, "read-only", "readonly", "cannot be written", "not writable")
    found += losses(small_disk, whole)
    assert not found, "\n".join(found)


def told(point: Point) -> bool:
    """Tell whether a failure of a call is told as what it is.

    When the sync of its folder fails, SQLite has committed and says that it has not. Optuna then
    makes the new trial a second time, within its own storage, where no script can prevent it.
    """
    return not (point.call == "fdatasync" and re.search(r"/outputs/\w+>\)", point.line))


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from-then-on"])
def test_no_space_in_any_writer_loses_nothing(lasting: bool, base: Place, whole: Tables) -> None:
    counted = base.copy("counted")
    points = [point for point in trace(counted) if point.call in WRITERS and told(point)]
    step = 1 if POINTS == "all" else max(len(points) // int(POINTS), 1)
    found, failed = [], 0
    for point in points[::step]:
        place = base.copy("starved")
        run = place.start(held=True)
        when = f"{point.n}+" if lasting else str(point.n)
        inject = f"inject={point.call}:error=ENOSPC:when={when}"
        Trace(run, "-e", f"trace={point.call}", "-e", inject).lines()
        wrong = honest(run.said, "no space", "disk", "full") if run.wait().code else []
        wrong += losses(place, whole)
        failed += bool(wrong)
        found += [f"{point.line[:120]}  [{point.call} {point.n}]: {line}" for line in wrong[:2]]
        place.remove()
    counts = {"calls": len(points), "starved": len(points[::step]), "with_losses": failed}
    record("no space", "from then on" if lasting else "once", **counts)
    assert not found, "\n".join(found[:40])
