"""SIGKILL at random moments: one worker, then six, hit while they train."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from faults.harness import (
    SMALL,
    Place,
    Run,
    differences,
    inexact,
    lost,
    make_place,
    record,
    wait_for,
)
from scripts import changed
from warm import Warm

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]
KILLS = int(os.environ.get("FAULT_KILLS", "30"))
SEED = int(os.environ.get("FAULT_SEED", "1"))
WORKERS, HITS, TRIALS, EPOCHS = 6, 20, 24, 30


def progress(place: Place) -> int:
    """Return how many evaluations the log has, each once."""
    return len(set(re.findall(r"Trial (\d+) epoch (\d+):", place.text)))


def test_random_kills_leave_the_table_of_an_uninterrupted_run(shelf: Path, server: Warm) -> None:
    chance = random.Random(SEED)  # noqa: S311
    longer = changed(SMALL, study={"n_trials": 20}, fixed={"epochs": 4})
    place = make_place(shelf, server, "killed", longer)
    whole = place.copy("whole")
    whole.finish()
    killed, ended = 0, {}
    for moment in sorted(chance.randrange(progress(whole) * 9 // 10) for _ in range(KILLS)):
        run = place.start()
        if chance.random() < 0.75:  # the others are killed while they start
            wait_for(lambda moment=moment: progress(place) >= moment, run)
        time.sleep(chance.uniform(0.0, 0.1))
        killed += run.kill().code == -9
        ended |= place.ended()
    place.finish()
    found = [*lost(ended, place), *inexact(place, 20)]
    found += differences(whole.tables(), place.tables())
    record("SIGKILL at random moments", "one worker", kills=killed, differences=len(found))
    assert killed == KILLS
    assert not found, "\n".join(found)


def in_training(place: Place, workers: Mapping[int, Run]) -> list[tuple[int, Run]]:
    """Return the trials that their living worker has evaluated and not ended, and that worker."""
    study, text = place.study, place.text
    found = []
    for trial in study.trials.values():
        run = trial.claims[-1] if trial.claims and not trial.finished else None
        # Ten workers in a row that end at one place make a trial fail: each gets further.
        if run and re.search(rf'Trial {trial.number} epoch [^\n]*run="{run}"', text):
            pid = int(study.runs[run]["worker"]["process"])
            if pid in workers and workers[pid].code is None:
                found.append((trial.number, workers[pid]))
    return found


def test_six_workers_killed_in_training_run_the_exact_total(shelf: Path, server: Warm) -> None:
    chance = random.Random(SEED)  # noqa: S311
    long = changed(SMALL, study={"n_trials": TRIALS}, fixed={"epochs": EPOCHS, "patience": EPOCHS})
    place = make_place(shelf, server, "workers", long)
    workers = {run.pid: run for run in (place.start() for _ in range(WORKERS))}
    hits, ended = 0, {}
    while hits < HITS and any(run.code is None for run in workers.values()):
        if not (victims := in_training(place, workers)):
            time.sleep(0.01)
            continue
        number, victim = chance.choice(victims)
        victim.signal(signal.SIGKILL).wait()
        del workers[victim.pid]
        ended |= place.ended()
        hits += number not in ended
        new = place.start()
        workers[new.pid] = new
    found = [f"exit {run.code}: {run.said[-500:]}" for run in workers.values() if run.wait().code]
    place.finish()
    found += [*lost(ended, place), *inexact(place, TRIALS)]
    for number in range(0, TRIALS, 6):
        run = place.run("--repeat", str(number))
        found += [f"trial {number} is not repeated: {run.said[-300:]}"] * bool(run.code)
    resumed = len(re.findall(r"Trial \d+ resumed:", place.text))
    counts = {"kills_in_training": hits, "resumed_lines": resumed, "complaints": len(found)}
    record("SIGKILL in training", f"{WORKERS} workers, {TRIALS} trials", **counts)
    assert hits == HITS <= resumed
    assert not found, "\n".join(found)
