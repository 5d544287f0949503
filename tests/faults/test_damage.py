"""Torn and flipped files: the script goes on, or names a command that makes it go on."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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
    wait_for,
)
from faults.repairs import heal
from hpo_script.checkpoint import is_sealed
from recover_trials.errors import RepairError
from recover_trials.journal_repair import repair
from scripts import changed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(24 * 3600)]
CUTS = os.environ.get("FAULT_CUTS", "5")  # how many of the last 4096 bytes, or "all"
SEED = int(os.environ.get("FAULT_SEED", "1"))
TAIL = 4096
TOTAL = {"study": {"n_trials": 3}, "fixed": {"epochs": 8}}


class Damage(NamedTuple):
    """A cut (the length that is left) or a flipped bit of a file."""

    how: str
    at: int
    bit: int


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


def damages(size: int) -> Iterator[Damage]:
    """Give every cut and a flip of every byte in the last 4 KiB of a file, or some."""
    chance = random.Random(SEED)  # noqa: S311
    tail = range(max(size - TAIL, 0), size)
    some = tail if CUTS == "all" else chance.sample(tail, min(int(CUTS), len(tail)))
    for at in sorted(some):
        yield Damage("cut", at, 0)
    for at in sorted(some):
        yield Damage("flipped", at, chance.randrange(8))


def damaged(data: bytes, damage: Damage) -> bytes:
    """Return a file cut to a length, or with a bit flipped."""
    if damage.how == "cut":
        return data[: damage.at]
    altered = bytearray(data)
    altered[damage.at] ^= 1 << damage.bit
    return bytes(altered)


def content_of(kind: str, data: bytes, room: Path) -> object:
    """Return what a file says, however its bytes say it: files that say the same fare the same.

    A checkpoint says nothing unless it is whole. A database says its rows, or what SQLite finds
    wrong with it. A journal says its lines, those of a damaged one being the ones that are kept.
    """
    if kind == "checkpoint":
        return is_sealed(io.BytesIO(data))
    if kind == "journal":
        try:
            repaired = repair(data)
        except RepairError as error:
            return str(error)
        return repaired.text, bool(repaired.dropped)
    (room / "probe.db").write_bytes(data)
    try:
        with contextlib.closing(sqlite3.connect(room / "probe.db")) as database:
            found = database.execute("PRAGMA integrity_check").fetchall()
            return found, tuple(database.iterdump())
    except (sqlite3.Error, ValueError) as error:  # UnicodeDecodeError is among these
        return str(error)


def by_content(kind: str, path: Path, room: Path) -> list[list[Damage]]:
    """Return the damages of a file, those together that leave the same content."""
    data, groups = path.read_bytes(), dict[bytes, list[Damage]]()
    for damage in damages(len(data)):
        said = repr(content_of(kind, damaged(data, damage), room)).encode()
        groups.setdefault(hashlib.sha256(said).digest(), []).append(damage)
    return list(groups.values())


ALTERED = {
    "the value of a finished trial": "UPDATE trial_values SET value = value + 1",
    "a parameter of a finished trial": (
        "UPDATE trial_params SET param_value = param_value * 1.01"
        " WHERE param_name = 'learning_rate' AND trial_id = 1"
    ),
    "a metric of a finished trial": (
        "UPDATE trial_user_attributes SET value_json = '0.9' WHERE key = 'auc' AND trial_id = 1"
    ),
    "an evaluation of a finished trial": (
        "UPDATE trial_intermediate_values SET intermediate_value = 0.1"
        " WHERE trial_id = 1 AND step = 2"
    ),
    "a parameter of the trial at work": (
        "UPDATE trial_params SET param_value = param_value * 1.01"
        " WHERE param_name = 'learning_rate' AND trial_id = 2"
    ),
    "the architecture of the trial at work": (
        "UPDATE trial_user_attributes SET value_json = '0' WHERE key = 'arch_idx' AND trial_id = 2"
    ),
}


@pytest.mark.parametrize("what", ALTERED)
def test_an_altered_storage_is_refused_and_the_named_command_completes(
    what: str, base: Place, whole: Tables
) -> None:
    run = base.start()
    wait_for(lambda: "Trial 1 epoch 2:" in base.text, run)
    run.kill()
    with contextlib.closing(sqlite3.connect(base.out / "study.db")) as database, database:
        assert database.execute(ALTERED[what]).rowcount
    refused = base.run()
    assert refused.code == 2
    assert "was altered" in refused.said
    assert not heal(base)
    assert not differences(whole, base.tables())


def test_an_altered_evaluation_of_the_trial_at_work_is_mended(base: Place, whole: Tables) -> None:
    run = base.start()
    wait_for(lambda: "Trial 1 epoch 2:" in base.text, run)
    run.kill()
    alter = "UPDATE trial_intermediate_values SET intermediate_value = 0.1 WHERE trial_id = 2"
    with contextlib.closing(sqlite3.connect(base.out / "study.db")) as database, database:
        assert database.execute(alter).rowcount
    base.finish()
    assert not differences(whole, base.tables())


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
    data, found, tried, healed = path.read_bytes(), [], 0, 0
    since = time.monotonic()
    for alike in by_content(kind, path, base.folder.parent):
        place, chosen = killed.copy("damaged"), random.Random(SEED).choice(alike)  # noqa: S311
        (place.folder / path.relative_to(killed.folder)).write_bytes(damaged(data, chosen))
        before, tried, healed = place.reported(), tried + len(alike), healed + 1
        wrong = heal(place)
        if not wrong:
            wrong = [*lost(before, place), *twice(place), *differences(whole, place.tables(), 2)]
        about = f"{path.name} {chosen.how} at {chosen.at} of {len(data)}, bit {chosen.bit}"
        found += [f"{about} (and {len(alike) - 1} alike): {line}" for line in wrong]
        place.remove()
    failed = len({line.split(": ")[0] for line in found})
    counts = {"damages": tried, "different_contents": healed, "not_survived": failed}
    record("damaged files", kind, **counts, seconds=round(time.monotonic() - since))
    assert not found, f"{len(found)}:\n" + "\n".join(found[:4000])
