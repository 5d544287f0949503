"""Power loss at any moment: only synced data are left; a trial that was shown as ended is kept."""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.harness import Place, Tables, Trace, differences, record, twice
from faults.power import CALLS, NAMES, replay, texts

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.timeout(6 * 3600),
]
MOMENTS = os.environ.get("FAULT_MOMENTS", "6")  # per rule, besides those of an end; or "all"
SEED = int(os.environ.get("FAULT_SEED", "1"))
SHOWN = re.compile(rb"trial (\d+) of \d+ [^\n]* (?:COMPLETE|PRUNED) ")
Left = dict[str, bytes]


def traced(place: Place) -> list[str]:
    """Run to the end; return every call that changed a file, with all that was written."""
    run = place.start(held=True)
    tracing = ["-s", "4000000", "-xx", "-e", f"trace={','.join(CALLS)}"]
    lines = Trace(run, *tracing).lines()
    assert run.wait().code == 0, run.said
    return lines


def rebuild(place: Place, left: Left, origin: Path) -> None:
    """Write the files that were left into a folder."""
    for path, data in left.items():
        target = place.folder / Path(path).relative_to(origin)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def moments(lines: list[str], origin: Path, names: str) -> Iterator[tuple[int, Left, set[int]]]:
    """Yield each moment that leaves other files: call, files, and the trials shown as ended."""
    shown, before = set[int](), (Left(), set[int]())
    for number, (call, rest, disk) in enumerate(replay(lines, origin, names)):
        if call == "write":
            shown |= {int(trial) for trial in SHOWN.findall(b"".join(texts(rest)))}
        if before != (now := (disk.left(), set(shown))):
            before = now
            yield number, *now


def chosen(found: list[tuple[int, Left, set[int]]]) -> list[tuple[int, Left, set[int]]]:
    """Return some moments: those in which a trial is shown as ended, and others."""
    if MOMENTS == "all":
        return found
    ends = [two for one, two in itertools.pairwise(found) if one[2] != two[2]]
    chance = random.Random(SEED)  # noqa: S311
    return ends + chance.sample(found, min(int(MOMENTS), len(found)))


def test_the_replay_of_a_trace_ends_with_the_files_themselves(base: Place) -> None:
    lines = traced(base)
    *_, (_, _, disk) = replay(lines, base.folder, "at once")
    files = [p for p in base.folder.rglob("*") if p.is_file()]
    own = {str(p): p.read_bytes() for p in files if p.parent != base.folder}
    assert {path: bytes(file.written) for path, file in disk.seen.items()} == own


@pytest.mark.parametrize("names", NAMES)
def test_a_trial_that_was_shown_as_ended_outlives_a_power_loss(
    names: str, base: Place, whole: Tables
) -> None:
    origin = base.copy("origin")
    all_moments = list(moments(traced(origin), origin.folder, names))
    tried, found, failed = chosen(all_moments), [], 0
    for number, left, shown in tried:
        place = base.copy("lost")
        rebuild(place, left, origin.folder)
        wrong = [f"trial {n} had ended" for n in shown - place.ended().keys()]
        run = place.run()
        if run.code != 0:
            wrong.append(f"the rerun ended with {run.code}: {run.said[-300:]!r}")
        else:
            wrong += [*twice(place), *differences(whole, place.tables(), 3)]
        failed += bool(wrong)
        found += [f"call {number}, {len(shown)} shown: {line}" for line in wrong]
        place.remove()
    counts = {"moments": len(all_moments), "tried": len(tried), "with_losses": failed}
    record("power loss", f"names reach the disk: {names}", **counts)
    assert all_moments[-1][2] == {0, 1, 2, 3}
    assert not found, "\n".join(found)
