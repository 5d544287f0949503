"""Full or broken disks and read-only folders: reported, survived, and nothing lost."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.harness import Place, Run, Tables, Trace, differences, record, twice, wait_for
from faults.write_points import Point, losses, spread, trace
from scripts import edit

pytestmark = [pytest.mark.faults, pytest.mark.timeout(6 * 3600)]
WRITERS = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "openat", "rename", "mkdir")


def mount(*arguments: str) -> bool:
    """Mount something, where this user may."""
    done = subprocess.run(["mount", *arguments], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def base(base: Place) -> Place:
    """Return the study with a script that looks for space more often than every 5 seconds."""
    edit(base.script, ("time.sleep(5)", "time.sleep(0.05)"))
    return base


@pytest.fixture
def small_disk(base: Place) -> Iterator[Place]:
    """Return the study on a disk of its own, of 2 MiB."""
    place = base.copy("disk")
    if not mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place.folder)):
        pytest.skip("this user may not mount a tmpfs")
    shutil.copytree(base.folder, place.folder, dirs_exist_ok=True)
    yield place
    subprocess.run(["umount", "-l", str(place.folder)], check=True)


def fill(place: Place, left: int) -> Path:
    """Fill the disk up to some bytes."""
    free = shutil.disk_usage(place.folder).free
    path = place.folder / "filling"
    path.write_bytes(bytes(max(free - left, 0)))
    return path


def waits(run: Run) -> bool:
    """Return whether a run waits for space, or has ended."""
    return run.code is not None or run.said.count("this run waits until it can write") > 2


@pytest.mark.parametrize("left", [0, 4, 16, 64])
def test_a_run_on_a_full_disk_waits_and_continues_when_there_is_space(
    left: int, small_disk: Place, whole: Tables
) -> None:
    filling = fill(small_disk, left * 1024)
    run = small_disk.start()
    while not waits(run):
        time.sleep(0.01)
    filling.unlink()
    run.wait()
    if run.code != 0:  # where not even the empty log could be created
        assert "No space left" in run.said
        assert "Traceback" not in run.said
    assert not losses(small_disk, whole)


def test_a_run_that_waits_for_space_obeys_a_signal(small_disk: Place, whole: Tables) -> None:
    filling = fill(small_disk, 16 * 1024)
    run = small_disk.start()
    wait_for(lambda: "this run waits until it can write its lines" in run.said, run)
    assert run.signal(signal.SIGTERM).wait().code == 143, run.said
    filling.unlink()
    assert not losses(small_disk, whole)


@pytest.mark.parametrize("begun", [False, True])
def test_a_read_only_folder_is_reported_and_the_rerun_completes(
    begun: bool, small_disk: Place, whole: Tables
) -> None:
    if begun:
        small_disk.finish("--n-trials", "1")
    assert mount("-o", "remount,ro", str(small_disk.folder))
    run = small_disk.run()
    assert mount("-o", "remount,rw", str(small_disk.folder))
    assert run.code == 2, run.said
    assert "Read-only file system" in run.said
    assert "Traceback" not in run.said
    assert not losses(small_disk, whole)


def fail(place: Place, point: Point, error: str, lasting: bool) -> Run:
    """Run with a call that fails, and all later ones until the run waits or ends."""
    run = place.start(held=True)
    when = f"{point.n}+" if lasting else str(point.n)
    inject = f"inject={point.call}:error={error}:when={when}"
    tracer = Trace(run, "-e", f"trace={point.call}", "-e", inject)
    if lasting:
        log = f"{place.log.name}>"
        while run.code is None and tracer.count(f"{log}.*INJECTED") < 3:
            time.sleep(0.01)
        tracer.process.terminate()
    tracer.lines()
    return run.wait()


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize(
    ("error", "lasting"), [("ENOSPC", False), ("ENOSPC", True), ("EIO", False)]
)
def test_a_call_that_fails_loses_nothing(
    error: str, lasting: bool, base: Place, whole: Tables
) -> None:
    counted = base.copy("counted")
    points = [point for point in trace(counted) if point.call in WRITERS]
    tried, found, ended = spread(points), [], [0, 0]
    for point in tried:
        place = base.copy("starved")
        run = fail(place, point, error, lasting)
        about = f"{point.line[:120]}  [{point.call} {point.n}]"
        if run.code not in (0, 2) or "Traceback" in run.said:
            found.append(f"{about}: exit {run.code}: {run.said[-600:]!r}")
        elif run.code == 0:  # it waited for space, or did without a derived file
            wrong = [*twice(place), *differences(whole, place.logged())]
            found += [f"{about}, same run: {line}" for line in wrong[:2]]
        ended[run.code != 0] += 1
        found += [f"{about}: {line}" for line in losses(place, whole)[:2]]
        place.remove()
    counts = {"completed_at_once": ended[0], "after_a_rerun": ended[1], "complaints": len(found)}
    what = f"{error}, {'lasting' if lasting else 'once'}"
    record("a call that fails", what, calls=len(points), tried=len(tried), **counts)
    assert not found, "\n".join(found[:40])
