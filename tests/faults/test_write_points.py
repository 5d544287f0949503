"""A run killed at any of its writes loses nothing: the rerun's tables are those of one run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest

from faults.harness import Place, Tables, differences, record
from faults.write_points import Point, kill_at, losses, trace

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.timeout(6 * 3600),
]
POINTS = os.environ.get("FAULT_POINTS", "24")  # how many, or "all"
# 0/2 and 1/2: every other point each, for two machines or cores.
PART, PARTS = map(int, os.environ.get("FAULT_PART", "0/1").split("/"))


def spread(points: list[Point]) -> list[Point]:
    """Return some of the points: one of each kind of call, the others at equal distances."""
    points = points[PART::PARTS]
    if POINTS == "all" or len(points) <= int(POINTS):
        return points
    first = {point.call: point for point in reversed(points)}
    step = len(points) / max(int(POINTS) - len(first), 1)
    rest = [points[int((i + 0.5) * step)] for i in range(int(POINTS) - len(first))]
    return sorted({*first.values(), *rest}, key=points.index)


def survey(what: str, start: Place, whole: Tables) -> tuple[int, list[str]]:
    """Kill a run at its write points; return how many it was, and what was lost."""
    counted = start.copy("counted")
    points = trace(counted)
    counted.remove()
    for part in ("/checkpoints/", ".log", "study.", "all_trials.json"):
        assert any(part in point.line for point in points), f"{part} is never written"
    tried, missed, found = spread(points), 0, []
    since = time.monotonic()
    for point in tried:
        place = start.copy("killed")
        missed += not kill_at(place, point)
        found += [
            f"{point.line[:120]}  [{point.call} {point.n}]: {x}" for x in losses(place, whole)[:3]
        ]
        place.remove()
    losing = len({line.split("]")[0] for line in found})
    counts = {"points": len(points), "killed": len(tried) - missed, "with_losses": losing}
    record("write points", what, **counts, seconds=round(time.monotonic() - since))
    assert missed <= len(tried) / 20
    return len(points), found


def report(found: list[str]) -> str:
    """Return losses as a message."""
    return f"{len(found)} losses:\n" + "\n".join(found[:30])


def test_a_forked_run_gives_what_a_fresh_process_gives(base: Place, whole: Tables) -> None:
    place = base.copy("fresh")
    command = [sys.executable, "-I", place.script.name]
    subprocess.run(command, cwd=place.folder, check=True, capture_output=True)
    assert not differences(whole, place.tables())


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_run_killed_at_any_write_loses_nothing(kind: str, base: Place, whole: Tables) -> None:
    if kind == "journal":
        base.storage = "journal://study.journal"
    n_points, found = survey(kind, base, whole)
    assert n_points > 200
    assert not found, report(found)


def test_a_run_that_goes_on_and_is_killed_again_loses_nothing(base: Place, whole: Tables) -> None:
    place, counted = base.copy("once"), base.copy("count")
    middle = [p for p in trace(counted) if p.call == "write" and "Trial 1 epoch 2" in p.line]
    assert kill_at(place, middle[0])
    _, found = survey("sqlite, a run that goes on", place, whole)
    assert not found, report(found)
