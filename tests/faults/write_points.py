"""Every point at which a run writes: found by strace, and a run killed at one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from faults.harness import Place, Tables, Trace, differences, lost, twice

# Each call that changes a file or a folder. A file is created by openat, of which only those
# with O_CREAT count; no file is mapped into memory for writing.
CALLS = (
    *("write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "ftruncate", "openat"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"),
    *("link", "linkat", "symlink", "symlinkat", "sendfile", "copy_file_range", "fallocate"),
)
ELSEWHERE = re.compile(r"<(pipe|socket|anon_inode|/dev/(null|pts))|\"/(dev|proc|sys)/|\.run\d+>")
POINTS = os.environ.get("FAULT_POINTS", "24")  # how many, or "all"


class Point(NamedTuple):
    """The n-th call of a name, and the line that strace has for it."""

    call: str
    n: int
    line: str


def points_of(lines: list[str], place: Place) -> list[Point]:
    """Return the calls that change something below the study's folder, in their order."""
    seen: dict[str, int] = {}
    found = []
    for line in lines:
        match = re.match(r"\d+ +(\w+)\((.*)", line)
        if not match:
            continue  # the end of a call, a signal, an exit
        call, rest = match.groups()
        seen[call] = seen.get(call, 0) + 1
        creates = call != "openat" or "O_CREAT" in rest
        within = f"{place.folder}/" in rest or not re.search(r'[<"]/', rest)
        if creates and within and not ELSEWHERE.search(rest):
            found.append(Point(call, seen[call], f"{call}({rest}"))
    return found


def trace(place: Place) -> list[Point]:
    """Run to the end under strace; return the write points."""
    run = place.start(held=True)
    lines = Trace(run, "-e", f"trace={','.join(CALLS)}").lines()
    assert run.wait().code == 0, run.said
    points = points_of(lines, place)
    for part in ("/checkpoints/", ".log", "trials.csv", "best_params.json"):
        assert any(part in point.line for point in points), f"{part} is never written"
    return points


def spread(points: Sequence[Point]) -> Sequence[Point]:
    """Return some of the points: one of each kind of call, the others at equal distances."""
    if POINTS == "all" or len(points) <= int(POINTS):
        return points
    first = {point.call: point for point in reversed(points)}
    n_rest = max(int(POINTS) - len(first), 1)
    rest = [points[int((i + 0.5) * len(points) / n_rest)] for i in range(n_rest)]
    return sorted({*first.values(), *rest}, key=points.index)


def kill_at(place: Place, point: Point) -> bool:
    """Run until a write point, which is not carried out; return whether it was reached."""
    run = place.start(held=True)
    inject = f"inject={point.call}:signal=SIGKILL:when={point.n}"
    Trace(run, "-e", f"trace={point.call}", "-e", inject).lines()
    return run.wait().code == -9


def losses(place: Place, whole: Tables) -> list[str]:
    """Run to the end after a fault; return what differs from a study without one."""
    before = place.ended()
    run = place.run()
    if run.code != 0:
        return [f"the rerun ended with {run.code}: {run.said[-300:]!r}"]
    return [*lost(before, place), *twice(place), *differences(whole, place.tables())]
