"""SIGKILL at random moments: one worker, then four, over each storage."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from faults.harness import SMALL, Nursery, Place, Run, differences, lost, make_place, record, twice
from scripts import changed, load

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]
TRIALS = 40
KILLS = int(os.environ.get("FAULT_KILLS", "8"))  # 30 by option
SEED = int(os.environ.get("FAULT_SEED", "1"))
LONGER = changed(SMALL, study={"n_trials": TRIALS}, fixed={"epochs": 4})

Storage = Callable[[], "str | None"]


def progress(place: Place) -> int:
    """Return how many evaluations the log holds, each once."""
    text = place.log.read_text(errors="replace") if place.log.exists() else ""
    return len(set(re.findall(r"Trial (\d+) epoch (\d+):", text)))


def moments(chance: random.Random, kills: int, total: int) -> list[int]:
    """Return at which progress to kill: over the whole study, a quarter while a run opens."""
    found = sorted(chance.randrange(total) for _ in range(kills))
    return [0 if chance.random() < 0.25 else moment for moment in found]


def kill_once(place: Place, runs: list[Run], moment: int, chance: random.Random) -> bool:
    """Kill one of some runs a little after a moment; tell whether it was still running."""
    victim = chance.choice(runs)
    while progress(place) < moment and any(run.code is None for run in runs):
        time.sleep(0.01)
    time.sleep(chance.uniform(0.0, 0.8 if moment == 0 else 0.1))
    return victim.kill().code == -9


def kind_of(place: Place) -> str:
    """Return the kind of a storage."""
    return re.split(r"[+:]", place.storage)[0] if place.storage else "sqlite"


@pytest.fixture
def longer(shelf: Path, nursery: Nursery) -> Place:
    """Return a study of 40 trials that has not begun."""
    return make_place(shelf, nursery, "longer", LONGER)


def test_random_kills_leave_the_table_of_an_uninterrupted_run(
    storage: Storage, longer: Place
) -> None:
    chance = random.Random(SEED)  # noqa: S311
    whole = longer.copy("whole")
    whole.storage = storage()
    whole.finish()
    place = longer.copy("killed")
    place.storage = storage()
    killed, reported = 0, {}
    for moment in moments(chance, KILLS, progress(whole) * 9 // 10):
        killed += kill_once(place, [place.start()], moment, chance)
        reported |= place.reported()
    place.finish()
    assert killed == KILLS
    found = [*lost(reported, place), *twice(place)]
    found += differences(whole.tables(), place.tables())
    told = {"trials": TRIALS, "kills": killed, "differences": len(found)}
    record("random kills", kind_of(place), **told)
    assert not found, "\n".join(found)


def test_four_workers_and_kills_run_the_exact_total(storage: Storage, longer: Place) -> None:
    chance = random.Random(SEED)  # noqa: S311
    place = longer
    place.storage = storage()
    workers = [place.start() for _ in range(4)]
    killed, reported, crashed = 0, {}, []
    for moment in moments(chance, max(KILLS * 12 // 30, 4), TRIALS * 3):
        killed += kill_once(place, workers, moment, chance)
        reported |= place.reported()
        for i, worker in enumerate(workers):
            if worker.code not in (None, 0, -9):
                crashed.append(worker.said[-500:])
            if worker.code is not None:
                workers[i] = place.start()
    crashed += [worker.said[-500:] for worker in workers if worker.wait().code != 0]
    place.finish()
    trials = place.trials()
    found = [*lost(reported, place), *twice(place), *crashed]
    found += [f"trial {t.number} is {t.state.name}" for t in trials if not t.state.is_finished()]
    told = {"trials": len(trials), "kills": killed, "complaints": len(found)}
    record("random kills, four workers", kind_of(place), **told)
    assert killed
    assert not found, "\n".join(found)
    assert [trial.number for trial in trials] == list(range(TRIALS))
    extremes = [t for t in trials if "extreme" in t.user_attrs]
    assert len(extremes) == len(load(place.script)["EXTREME_INDICES"]) >= 2
    assert not unlike(place, trials[:: max(TRIALS // KILLS, 1)])


def unlike(place: Place, trials: Sequence[object]) -> list[str]:
    """Run trials again from their own records; return those that give another value."""
    found = []
    for trial in trials:
        number = trial.number  # type: ignore[attr-defined]
        record = place.out / "trials" / f"trial_{number:04d}.json"
        known = json.loads(record.read_text())
        run = place.run("--trial-from", str(record))
        value = repr(known["value"])
        if run.code != 0 or value not in run.said:
            found.append(f"trial {number}: {value} is not in: {run.said[-300:]}")
    return found
