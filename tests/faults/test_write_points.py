"""A run killed at any of its writes loses nothing: the rerun gives the table of a whole run."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from faults.harness import Place, Tables, differences, record
from faults.write_points import kill_at, losses, spread, trace

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.timeout(6 * 3600),
]


def survey(what: str, start: Place, whole: Tables) -> None:
    """Kill a run at its write points, one after another, and run again."""
    counted = start.copy("counted")
    points = trace(counted)
    counted.remove()
    tried, missed, found = spread(points), 0, []
    for point in tried:
        place = start.copy("killed")
        missed += not kill_at(place, point)
        about = f"{point.line[:120]}  [{point.call} {point.n}]"
        found += [f"{about}: {line}" for line in losses(place, whole)[:3]]
        place.remove()
    losing = len({line.split("]")[0] for line in found})
    counts = {"points": len(points), "killed": len(tried) - missed, "with_losses": losing}
    record("a write, fsync or rename killed", what, **counts)
    assert missed < len(tried) / 2  # where rounds are slow, evaluations share one: fewer calls
    assert not found, f"{len(found)} losses:\n" + "\n".join(found[:30])


def test_a_forked_run_gives_the_table_of_a_fresh_process(base: Place, whole: Tables) -> None:
    place = base.copy("fresh")
    command = [sys.executable, "-I", place.script.name]
    subprocess.run(command, cwd=place.folder, check=True, capture_output=True)
    assert not differences(whole, place.tables())


def test_a_run_killed_at_any_write_loses_nothing(base: Place, whole: Tables) -> None:
    survey("a whole study", base, whole)


def test_a_continued_run_killed_at_any_write_loses_nothing(base: Place, whole: Tables) -> None:
    place, counted = base.copy("once"), base.copy("count")
    middle = [p for p in trace(counted) if p.call == "write" and "Trial 1 epoch 1:" in p.line]
    assert kill_at(place, middle[0])
    survey("a study that was killed before", place, whole)
