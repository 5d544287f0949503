"""Workers that share a log: many at once, one that is suspended, one that lost its trial."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from faults.harness import (
    SMALL,
    Place,
    Run,
    Tables,
    add_lines,
    differences,
    inexact,
    make_place,
    record,
    wait_for,
)
from hpo_script.machinery.log_file import ROUND_BYTE
from hpo_script.machinery.log_lines import ARCHITECTURE
from scripts import changed
from warm import Warm

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]
WORKERS = 12
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "5"))
LONG = changed(SMALL, study={"n_trials": 6}, fixed={"epochs": 12, "patience": 12})


def test_twelve_workers_at_once_run_the_exact_total(shelf: Path, server: Warm) -> None:
    config = changed(SMALL, study={"n_trials": 24}, fixed={"epochs": 1})
    base = make_place(shelf, server, "base", config)
    found, well = [], 0
    for number in range(ROUNDS):
        place = base.copy(f"round{number}")
        runs = [place.start() for _ in range(WORKERS)]
        codes = [run.wait().code for run in runs]
        found += [f"round {number}: exit {r.code}: {r.said[-300:]}" for r in runs if r.code != 0]
        found += [f"round {number}: {line}" for line in inexact(place, 24)]
        well += codes.count(0)
        place.remove()
    counts = {"workers": ROUNDS * WORKERS, "ended_well": well, "complaints": len(found)}
    record("12 workers at once", f"24 trials, {ROUNDS} rounds", **counts)
    assert not found, "\n".join(found)


def holds_round(run: Run) -> bool:
    """Return whether a process holds the lock of the log, which all others wait for."""
    locks = Path("/proc/locks").read_text()
    return bool(re.search(rf"POSIX  ADVISORY  WRITE {run.pid} \S+ {ROUND_BYTE} ", locks))


def suspend(run: Run) -> None:
    """Suspend a process outside of its rounds."""
    while True:
        run.signal(signal.SIGSTOP).wait_stopped()
        if not holds_round(run):
            return
        run.signal(signal.SIGCONT)
        time.sleep(0.01)


def test_a_suspended_worker_keeps_its_trial(shelf: Path, server: Warm) -> None:
    place = make_place(shelf, server, "suspended", LONG)
    first = place.start()
    wait_for(lambda: "Trial 0 epoch 3:" in place.text, first)
    suspend(first)
    reached = place.text.count("Trial 0 epoch ")
    second = place.run()
    states = {number: trial.state for number, trial in place.study.trials.items()}
    found = [] if second.code == 0 else [f"exit {second.code}: {second.said[-300:]}"]
    if states != {number: "COMPLETE" if number else "RUNNING" for number in range(6)}:
        found.append(f"while it was suspended: {states}")
    first.signal(signal.SIGCONT)
    found += [] if first.wait().code == 0 else [f"exit {first.code}: {first.said[-300:]}"]
    found += inexact(place, 6)
    counts = {"trials_of_the_other": len(states) - 1, "complaints": len(found)}
    record("SIGSTOP in a trial, then SIGCONT", "2 workers, 6 trials", **counts)
    assert reached < 12
    assert "resumed:" not in place.text
    assert not found, "\n".join(found)


def claim(place: Place, number: int, run: str) -> None:
    """Resume a trial in the name of another run."""
    known = place.study.trials[number]
    fields = {name: known.attributes[name] for name in ARCHITECTURE}
    fields |= {"learning_curve": [], "system_attrs": known.start_attrs}
    add_lines(
        place,
        run,
        ("trial_resumed", {"trial": number, **fields, "epoch": 0}),
    )


def test_a_worker_that_lost_its_trial_discards_its_result(shelf: Path, server: Warm) -> None:
    place = make_place(shelf, server, "lost", LONG)
    whole = place.copy("whole")
    whole.finish()
    tables: Tables = whole.tables()
    run = place.start()
    wait_for(lambda: "Trial 1 epoch 3:" in place.text, run)
    suspend(run)  # an end line would come between the look and the claim
    claim(place, 1, "0123abcd")
    run.signal(signal.SIGCONT)
    assert run.wait().code == 0, run.said
    discarded = run.said.count("trial 1 was claimed by run 0123abcd; this result is discarded")
    found = [*inexact(place, 6), *differences(tables, place.tables())]
    record("a trial claimed by another run", "1 worker", discarded=discarded, wrong=len(found))
    assert discarded == 1
    assert place.text.count("Trial 1 ended:") == 1
    assert not found, "\n".join(found)
