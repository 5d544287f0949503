"""Stops: a run that is asked to end finishes its batch, and the next one goes on after it."""

from __future__ import annotations

import random
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from faults.harness import SMALL, Nursery, Place, Run, Tables, make_place, wait_for
from faults.write_points import losses
from scripts import changed, edit

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
# Nothing but the stop itself writes a checkpoint.
SELDOM = ("--checkpoint-minutes", "600")
EPOCHS = 40
SIGNALS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGUSR1": 138}
CONFIG = changed(SMALL, study={"n_trials": 2}, fixed={"epochs": EPOCHS, "patience": EPOCHS})


@pytest.fixture
def base(shelf: Path, nursery: Nursery) -> Place:
    """Return a study of two trials that take a second each."""
    place = make_place(shelf, nursery, "base", CONFIG)
    place.always = SELDOM
    return place


def ends(place: Place) -> list[str]:
    """Return why each run ended."""
    return re.findall(r'Run \w+ ended: reason="([^"]*)"', place.text)


def checkpoint(place: Place, number: int = 1) -> Path:
    """Return where the checkpoint of a trial is kept."""
    return place.out / "checkpoints" / f"trial_{number:04d}.pt"


def within_second(place: Place) -> Run:
    """Start a run; return it once it is within its second trial."""
    run = place.start()
    wait_for(lambda: "Trial 1 epoch 4:" in place.text, run)
    return run


def went_on(place: Place, whole: Tables) -> list[str]:
    """Run on after a stop within the second trial; return what was trained twice or differs."""
    found = [] if checkpoint(place).exists() else ["there is no checkpoint"]
    found += losses(place, whole)
    points = Counter(re.findall(r"(Trial \d+ epoch \d+):", place.text))
    found += [f"{name} was trained {n} times" for name, n in points.items() if n > 1]
    found += [] if "Trial 1 resumed:" in place.text else ["the trial was not taken up"]
    return found + [f"{path} is left" for path in place.out.glob("checkpoints/*")]


def stopped_early(place: Place) -> bool:
    """Tell whether the second trial was not trained to its end."""
    return f"Trial 1 epoch {EPOCHS}:" not in place.text


@pytest.mark.parametrize(("name", "code"), SIGNALS.items())
def test_the_first_signal_keeps_the_trial_and_the_next_run_goes_on(
    name: str, code: int, base: Place, whole: Tables
) -> None:
    run = within_second(base).signal(getattr(signal, name)).wait()
    assert (run.code, ends(base)) == (code, [name]), run.said
    assert stopped_early(base)
    assert not went_on(base, whole)


def test_a_file_named_stop_ends_every_run_until_it_is_removed(base: Place, whole: Tables) -> None:
    run, stop = within_second(base), base.out / "STOP"
    stop.touch()
    assert run.wait().code == 0, run.said
    assert base.run().code == 0
    assert ends(base) == ["STOP", "STOP"]
    assert stopped_early(base)
    stop.unlink()
    assert not went_on(base, whole)


def test_a_second_signal_ends_the_run_at_once(base: Place, whole: Tables) -> None:
    run = within_second(base)
    # Both wait for it when it goes on: no batch ends between them.
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        run.signal(number)
    assert run.wait().code == 143, run.said
    assert ends(base) == ["SIGTERM"]
    assert not checkpoint(base).exists()
    assert not losses(base, whole)


def test_signals_at_any_moment_leave_the_table_of_an_uninterrupted_run(
    base: Place, whole: Tables
) -> None:
    chance, codes = random.Random(1), []  # noqa: S311
    for name in (*SIGNALS, *SIGNALS):
        run = base.start()
        time.sleep(chance.uniform(0.0, 0.6))
        run.signal(getattr(signal, name)).wait()
        codes.append(run.code)
        # Before it has taken the signals over, they kill it as they would any program.
        assert run.code in (SIGNALS[name], -getattr(signal, name)), run.said
    assert sum(code > 0 for code in codes) > len(codes) / 2
    assert not losses(base, whole)


def test_a_timeout_ends_a_run_within_a_trial(shelf: Path, nursery: Nursery) -> None:
    epochs = 300
    longer = changed(SMALL, study={"n_trials": 1}, fixed={"epochs": epochs, "patience": epochs})
    place = make_place(shelf, nursery, "long", longer)
    place.always = SELDOM
    whole = place.copy("whole")
    whole.finish()
    before = place.script.read_text()
    edit(place.script, ("TIMEOUT_HOURS = None", "TIMEOUT_HOURS = 0.5 / 3600"))
    for number in range(3):  # each gets further
        run = place.run()
        assert (run.code, ends(place)) == (0, ["timeout"] * (number + 1)), run.said
        assert checkpoint(place, 0).exists()
    assert f"Trial 0 epoch {epochs}:" not in place.text
    place.script.write_text(before)
    assert not losses(place, whole.tables())
    points = Counter(re.findall(r"(Trial \d+ epoch \d+):", place.text))
    assert set(points.values()) == {1}


def test_the_end_of_a_slurm_job_ends_the_run_before(shelf: Path, nursery: Nursery) -> None:
    margin, epochs = 120, 90_000
    long = changed(SMALL, study={"n_trials": 1}, fixed={"epochs": epochs, "patience": epochs})
    place = make_place(shelf, nursery, "slurm", long)
    environment = {"SLURM_JOB_END_TIME": str(int(time.time()) + margin + 8)}
    since = time.time()
    run = place.run(environment=environment)
    assert (run.code, ends(place)) == (0, ["timeout"]), run.said
    assert time.time() - since < margin / 2
    assert checkpoint(place, 0).exists()
