"""A cut or altered log: damaged lines are reported, never misread, and the study ends well."""

from __future__ import annotations

import io
import itertools
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from faults.harness import (
    SMALL,
    Place,
    differences,
    lost,
    make_place,
    record,
    twice,
    wait_for,
)
from hpo_script.machinery.log_file import LogFile
from hpo_script.machinery.log_lines import read_event
from hpo_script.machinery.logged_study import LoggedStudy
from scripts import changed
from warm import Warm

pytestmark = [pytest.mark.faults, pytest.mark.timeout(24 * 3600)]
CUTS = os.environ.get("FAULT_CUTS", "12")  # how many damages the script continues from, or "all"
SEED = int(os.environ.get("FAULT_SEED", "1"))
TAIL = 4096
LONG = changed(SMALL, fixed={"epochs": 16})
Event = tuple[str, dict[str, Any]]


class Damage(NamedTuple):
    """A cut (the length that is left) or a flipped bit of a file."""

    how: str
    at: int
    bit: int

    def of(self, data: bytes) -> bytes:
        """Return damaged data."""
        if self.how == "cut":
            return data[: self.at]
        altered = bytearray(data)
        altered[self.at] ^= 1 << self.bit
        return bytes(altered)


def damages(size: int) -> Iterator[Damage]:
    """Yield every cut, and a flip in every byte, of the last 4 KiB of a file."""
    chance = random.Random(SEED)  # noqa: S311
    for at in range(max(size - TAIL, 0), size):
        yield Damage("cut", at, 0)
        yield Damage("flipped", at, chance.randrange(8))


class Events(LoggedStudy):
    """The events of a log as they are, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def take(self, event: str, fields: dict[str, Any]) -> None:
        """Keep an event."""
        self.events.append((event, fields))


def read(data: bytes) -> tuple[list[Event], list[int]]:
    """Return the events that the script reads from a log, and the lines that it refuses."""
    log = LogFile(Path("study.log"), "")
    log.study = Events()
    log.take(io.BytesIO(data + b"\n"))
    return log.study.events, log.damaged


def expected(data: bytes, damage: Damage) -> tuple[list[Event | None], list[int]]:
    """Return the events of all undamaged lines, and the lines that must be refused."""
    before, after = data.split(b"\n"), damage.of(data).split(b"\n")
    pairs = zip(before, after, strict=False)
    same = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))
    rest = [line for line in before[same:] if line and line in after[same:]]
    refused = [n for n, line in enumerate(after, 1) if n > same and line and line not in before]
    return [read_event(line) for line in [*before[:same], *rest] if line], refused


def killed_in_training(shelf: Path, server: Warm) -> Place:
    """Return a study whose run was killed in its fourth trial."""
    place = make_place(shelf, server, "killed", LONG)
    run = place.start()
    wait_for(lambda: "Trial 3 epoch 4:" in place.text, run)
    assert run.kill().code == -9
    return place


def split(data: bytes) -> tuple[bytes, bytes]:
    """Return a log in two parts: whole lines, and at least the last 4 KiB."""
    start = data.rindex(b"\n", 0, len(data) - TAIL) + 1
    return data[:start], data[start:]


def chosen(tail: bytes) -> list[Damage]:
    """Return damages from which the script shall continue: of those that leave the same, one."""
    groups: dict[str, list[Damage]] = {}
    for damage in damages(len(tail)):
        groups.setdefault(damage.how + repr(read(damage.of(tail))), []).append(damage)
    chance = random.Random(SEED)  # noqa: S311
    found = [chance.choice(alike) for alike in groups.values()]
    return found if CUTS == "all" else chance.sample(found, min(int(CUTS), len(found)))


def test_no_damaged_line_is_misread_or_goes_unreported(shelf: Path, server: Warm) -> None:
    _, tail = split(killed_in_training(shelf, server).log.read_bytes())
    assert read(tail)[1] == []
    tried, misread, unreported = 0, [], []
    for damage in damages(len(tail)):
        tried += 1
        (events, damaged), (good, refused) = read(damage.of(tail)), expected(tail, damage)
        misread += [damage] * (events != good)
        unreported += [damage] * (damaged != refused)
    counts = {"damages": tried, "misread": len(misread), "unreported": len(unreported)}
    record("log cut or bit flipped", "each of the last 4,096 bytes", **counts)
    assert tried == 2 * TAIL
    assert (misread, unreported) == ([], [])


def test_the_script_continues_from_a_damaged_log(shelf: Path, server: Warm) -> None:
    killed = killed_in_training(shelf, server)
    whole = make_place(shelf, server, "whole", LONG)
    whole.finish()
    (head, tail), tables, found, tried = split(killed.log.read_bytes()), whole.tables(), [], 0
    for damage in chosen(tail):
        place = killed.copy("damaged")
        place.log.write_bytes(head + damage.of(tail))
        ended, (_, refused) = place.ended(), read(place.log.read_bytes())
        run, tried = place.run(), tried + 1
        wrong = [f"exit {run.code}: {run.said[-300:]!r}"] if run.code else []
        reported = re.findall(r"damaged lines ([\d, ]+) are ignored", run.said)
        if ", ".join(reported) != ", ".join(map(str, refused)):
            wrong.append(f"lines {refused} were refused, {reported} reported")
        wrong += [] if wrong else differences(tables, place.tables(), 2)
        wrong += [*lost(ended, place), *twice(place)]
        found += [f"{damage}: {line}" for line in wrong]
        place.remove()
    failed = len({line.split(")")[0] for line in found})
    record("script run on a damaged log", "different contents", tried=tried, with_losses=failed)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_a_damaged_checkpoint_is_reported_and_its_trial_starts_again(
    how: str, shelf: Path, server: Warm
) -> None:
    place = killed_in_training(shelf, server)
    whole = place.copy("whole")
    whole.finish()
    (path,) = place.out.glob("checkpoints/trial_*.pt")
    data = path.read_bytes()
    path.write_bytes(Damage(how, len(data) // 2, 3).of(data))
    run = place.finish()
    assert "; its trial starts again" in run.said
    assert not differences(whole.tables(), place.tables())
