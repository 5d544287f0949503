"""Stops: a run that must end finishes its batch, and the next run continues from there."""

from __future__ import annotations

import random
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from faults.harness import SMALL, Place, Run, Tables, make_place, wait_for
from faults.write_points import losses
from scripts import changed, edit
from warm import Warm

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
# Nothing but the stop itself writes a checkpoint.
SELDOM = ("--checkpoint-minutes", "600")
EPOCHS = 40
SIGNALS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGUSR1": 138}
CONFIG = changed(SMALL, study={"n_trials": 2}, fixed={"epochs": EPOCHS, "patience": EPOCHS})


@pytest.fixture
def base(shelf: Path, server: Warm) -> Place:
    """Return a study of two trials that take a second each."""
    place = make_place(shelf, server, "base", CONFIG)
    place.always = SELDOM
    return place


def ends(place: Place) -> list[str]:
    """Return the reason of each run's end."""
    return re.findall(r'Run \w+ ended: reason="([^"]*)"', place.text)


def checkpoint(place: Place, number: int = 1) -> Path:
    """Return the checkpoint of a trial."""
    return place.out / "checkpoints" / f"trial_{number:04d}.pt"


def within_second(place: Place) -> Run:
    """Start a run; return it once it is within its second trial."""
    run = place.start()
    wait_for(lambda: "Trial 1 epoch 4:" in place.text, run)
    return run


def continued(place: Place, whole: Tables) -> list[str]:
    """Continue after a stop within the second trial; return what was trained twice or differs."""
    found = [] if checkpoint(place).exists() else ["there is no checkpoint"]
    found += losses(place, whole)
    points = Counter(re.findall(r"(Trial \d+ epoch \d+):", place.text))
    found += [f"{name} was trained {n} times" for name, n in points.items() if n > 1]
    found += [] if "Trial 1 resumed:" in place.text else ["the trial was not resumed"]
    return found + [f"{path} is left" for path in place.out.glob("checkpoints/*")]


def stopped_early(place: Place) -> bool:
    """Return whether the second trial was not trained to its end."""
    return f"Trial 1 epoch {EPOCHS}:" not in place.text


@pytest.mark.parametrize(("name", "code"), SIGNALS.items())
def test_the_first_signal_keeps_the_trial_and_the_next_run_continues_it(
    name: str, code: int, base: Place, whole: Tables
) -> None:
    run = within_second(base).signal(getattr(signal, name)).wait()
    assert (run.code, ends(base)) == (code, [name]), run.said
    assert stopped_early(base)
    assert not continued(base, whole)


def test_a_file_named_stop_ends_every_run_until_it_is_removed(base: Place, whole: Tables) -> None:
    run, stop = within_second(base), base.out / "STOP"
    stop.touch()
    assert run.wait().code == 75, run.said
    assert base.run().code == 75
    assert ends(base) == ["STOP", "STOP"]
    assert stopped_early(base)
    stop.unlink()
    assert not continued(base, whole)


def test_a_second_signal_ends_the_run_at_once(base: Place, whole: Tables) -> None:
    run = within_second(base)
    # Both wait for it when it goes on: no batch ends between them.
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        run.signal(number)
    assert run.wait().code == -signal.SIGTERM, run.said  # a shell says 143
    assert ends(base) == []  # as after kill -9
    assert not checkpoint(base).exists()
    assert not losses(base, whole)


def test_signals_at_any_moment_leave_the_table_of_an_uninterrupted_run(
    base: Place, whole: Tables
) -> None:
    chance = random.Random(1)  # noqa: S311
    for name in (*SIGNALS, *SIGNALS):
        run, size = base.start(), chance.randrange(len(whole["log"]) * 4000)
        while run.code is None and len(base.text) < size:
            time.sleep(0.001)
        run.signal(getattr(signal, name)).wait()
        # Before it has taken the signals over, they kill it as they would any program.
        assert run.code in (SIGNALS[name], -getattr(signal, name), 0), run.said
    assert not losses(base, whole)


def test_a_timeout_ends_a_run_within_a_trial(base: Place, whole: Tables) -> None:
    script = base.script.read_text()
    edit(base.script, ("TIMEOUT_HOURS: float | None = None", "TIMEOUT_HOURS = 5 / 3600"))
    run = base.start()
    while run.code is None and "Trial 1 epoch 4:" not in base.text:
        time.sleep(0.002)
    run.signal(signal.SIGSTOP)
    time.sleep(5)
    assert run.signal(signal.SIGCONT).wait().code == 75, run.said
    assert ends(base) == ["timeout"]
    base.script.write_text(script)
    assert not losses(base, whole)
    points = Counter(re.findall(r"(Trial \d+ epoch \d+):", base.text))
    assert set(points.values()) == {1}
