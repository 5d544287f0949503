"""Power loss at any moment: what was never synced is gone, what was reported finished is not."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from faults.harness import Ends, Place, Tables, Trace, differences, ends_in, lost, record, twice
from faults.power import CALLS, NAMES, replay, texts

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.timeout(6 * 3600),
]
MOMENTS = int(os.environ.get("FAULT_MOMENTS", "6"))
SEED = int(os.environ.get("FAULT_SEED", "1"))


def traced(place: Place) -> list[str]:
    """Run to the end; return every call that changed a file, with all that was written."""
    run = place.start(held=True)
    tracing = ["-s", "4000000", "-xx", "-e", f"trace={','.join(CALLS)}"]
    lines = Trace(run, *tracing).lines()
    assert run.wait().code == 0, run.said
    return lines


def rebuild(place: Place, left: dict[str, bytes], origin: Path) -> None:
    """Put the files that were left into a folder."""
    for path, data in left.items():
        target = place.folder / Path(path).relative_to(origin)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def moments(
    lines: list[str], origin: Path, names: str
) -> list[tuple[int, dict[str, bytes], Ends]]:
    """Return, for some moments, what is left and what had been reported before."""
    chance = random.Random(SEED)  # noqa: S311
    states = list(enumerate(replay(lines, origin, names)))
    wanted = set(chance.sample(range(len(states)), min(MOMENTS, len(states))))
    found, ends = [], {}
    for number, (call, rest, disk) in enumerate(replay(lines, origin, names)):
        if call == "write" and (said := ends_in(b"".join(texts(rest)))):
            ends |= said
            wanted.add(number)  # the moment of the report is the hardest
        if number in wanted:
            found.append((number, disk.left(), dict(ends)))
    return found


def test_the_replay_of_a_trace_ends_with_the_files_themselves(base: Place) -> None:
    lines = traced(base)
    *_, (_, _, disk) = replay(lines, base.folder, "at once")
    files = [p for p in base.folder.rglob("*") if p.is_file()]
    own = {str(p): p.read_bytes() for p in files if p.parent != base.folder}
    assert {path: bytes(file.written) for path, file in disk.seen.items()} == own


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_what_was_reported_finished_outlives_a_power_loss(
    kind: str, names: str, base: Place, whole: Tables
) -> None:
    origin = base.copy("origin")
    if kind == "journal":
        base.storage = origin.storage = "journal://outputs/study.journal"
        (base.folder / "outputs").mkdir()
        (origin.folder / "outputs").mkdir()
    found, tried = [], 0
    for number, left, ends in moments(traced(origin), origin.folder, names):
        place, tried = base.copy("lost"), tried + 1
        rebuild(place, left, origin.folder)
        about = f"call {number}, {len(ends)} reported"
        run = place.run()
        if run.code != 0:
            found.append(f"{about}: the rerun ended with {run.code}: {run.said[-300:]!r}")
        else:
            found += [f"{about}: {x}" for x in lost(ends, place)]
            found += [f"{about}: {x}" for x in twice(place)]
            found += [f"{about}: {x}" for x in differences(whole, place.tables(), 3)]
        place.remove()
    failed = len({line.partition(",")[0] for line in found})
    record("power loss", f"{kind}, names {names}", moments=tried, with_losses=failed)
    assert not found, "\n".join(found)
