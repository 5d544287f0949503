"""Twelve workers that start at once on an empty storage."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.harness import SMALL, Nursery, make_place, record, twice
from scripts import changed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]
WORKERS = 12
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))


def test_twelve_workers_at_once_neither_crash_nor_overshoot(
    storage: Callable[[], str | None], shelf: Path, nursery: Nursery
) -> None:
    config = changed(SMALL, study={"n_trials": 24}, fixed={"epochs": 1})
    base = make_place(shelf, nursery, "base", config)
    found, well = [], 0
    for number in range(ROUNDS):
        place = base.copy(f"round{number}")
        place.storage = storage()
        runs = [place.start() for _ in range(WORKERS)]
        codes = [run.wait(280).code for run in runs]
        found += [f"round {number}: exit {r.code}: {r.said[-300:]}" for r in runs if r.code != 0]
        states = [trial.state.name for trial in place.trials()]
        if states != ["COMPLETE"] * 24:
            found.append(f"round {number}: {len(states)} trials of 24: {states}")
        found += [f"round {number}: {line}" for line in twice(place)]
        found += [f"round {number}: log: {len(place.logged())} rows"] * (
            len(place.logged()) != len(states)
        )
        well += codes.count(0)
        place.remove()
    kind = re.split(r"[+:]", place.storage)[0] if place.storage else "sqlite"
    counts = {"workers_ended_well": well, "of": ROUNDS * WORKERS, "complaints": len(found)}
    record("twelve workers at once", kind, rounds=ROUNDS, **counts)
    assert not found, "\n".join(found)
