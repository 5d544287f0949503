"""Real studies of workers on several machines: exact totals, each extreme once, one owner."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from hpo_script.storage import connect
from recover_trials import read_trials
from scripts import MARKET, changed, edit, read_json, render_to, run
from servers import grpc_proxy, new_database

pytestmark = pytest.mark.study

# Machines differ in name, boot and locks; nothing but the storage and the results is shared.
MACHINE = (
    ('"host": platform.node()', '"host": os.environ["MACHINE"]'),
    ('"boot": read_id(BOOT_ID)', '"boot": os.environ["MACHINE"]'),
    (
        "        self.folder = lock_folder(url)",
        '        self.folder = Path(os.environ["MACHINE"])',
    ),
)
LEASE = ("LEASE_SECONDS = 120.0", "LEASE_SECONDS = 10.0")


KILLS = int(os.environ.get("KILLS", "3"))
TOTAL = 6 + 2 * KILLS


class Hosts:
    """Processes of one script on simulated machines."""

    def __init__(self, script: Path, url: str) -> None:
        self.script, self.url = script, url
        self.log = script.parent / "logs" / f"{script.stem}.log"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, machine: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a worker."""
        (self.script.parent / machine).mkdir(exist_ok=True)
        with (self.script.parent / "stderr").open("ab") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-I", self.script.name, "--storage", self.url, *arguments],
                cwd=self.script.parent,
                env={**os.environ, "MACHINE": machine},
                stderr=stderr,
            )
        self.processes.append(process)
        return process

    def said(self) -> str:
        """Return what all wrote to stderr."""
        return (self.script.parent / "stderr").read_text()

    def wait_for(self, pattern: str, times: int = 1) -> None:
        """Wait until the log has so many lines of a kind."""
        end = time.monotonic() + 100
        while not self.log.exists() or len(re.findall(pattern, self.log.read_text())) < times:
            assert time.monotonic() < end, (pattern, self.said())
            time.sleep(0.05)

    def count(self, pattern: str) -> int:
        """Return how many lines of a kind the log has."""
        return len(re.findall(pattern, self.log.read_text())) if self.log.exists() else 0


@pytest.fixture(params=["journal", "grpc", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    with ExitStack() as stack:
        urls: dict[str, Callable[[], str]] = {
            "journal": lambda: f"journal://{tmp_path}/journal.log",
            "grpc": lambda: stack.enter_context(grpc_proxy(tmp_path))[0],
            "postgresql": lambda: stack.enter_context(new_database(monkeypatch)),
        }
        yield urls[request.param]()


def new_hosts(url: str, folder: Path, *, leases: bool = True, **study: Any) -> Iterator[Hosts]:
    """Render a small study, for several machines or one; at the end, kill what still runs."""
    config = changed(
        MARKET,
        study=study,
        splits={"train_subset": 0.3},
        fixed={"epochs": 12, "patience": 12},
        pruner={"type": "none"},
        sections=["multi-host"] if leases else [],
    )
    edits = (*MACHINE, LEASE) if leases else MACHINE
    found = Hosts(edit(render_to(folder, config), *edits), url)
    yield found
    for process in found.processes:
        process.kill()
        process.wait()


@pytest.fixture
def hosts(url: str, sp500: Path, tmp_path: Path) -> Iterator[Hosts]:
    yield from new_hosts(url, tmp_path, n_trials=TOTAL)


@pytest.fixture
def two_trials(sp500: Path, tmp_path: Path) -> Iterator[Hosts]:
    yield from new_hosts(f"journal://{tmp_path}/journal.log", tmp_path, n_trials=2)


def trials_of(hosts: Hosts) -> list[optuna.trial.FrozenTrial]:
    """Return the trials of the study."""
    storage = connect(hosts.url)
    study = optuna.load_study(study_name=hosts.script.stem, storage=storage)
    found = [trial for trial in study.trials if trial.state != TrialState.WAITING]
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()
    return found


def assert_one_owner_at_a_time(log: Path) -> None:
    """Once a run has gone on with a trial, no earlier one trains it."""
    lines = re.findall(r'Trial (\d+) epoch .*run="(\w+)"', log.read_text())
    for number in {number for number, _ in lines}:
        runs = [run for run, _ in groupby(run for n, run in lines if n == number)]
        assert len(runs) == len(set(runs)), (number, runs)


@pytest.mark.thorough
@pytest.mark.timeout(1500)
def test_the_total_is_exact_and_no_trial_has_two_owners_whoever_is_killed(hosts: Hosts) -> None:
    draw = random.Random(3)  # noqa: S311
    machines = ["one", "one", "two", "two"]
    workers = [hosts.start(machine) for machine in machines]
    for _ in range(KILLS):
        hosts.wait_for(" epoch ", hosts.count(" epoch ") + 8)
        victim = draw.randrange(4)
        workers[victim].kill()
        workers[victim].wait()
        workers[victim] = hosts.start(machines[victim])
    codes = {worker.wait(600) for worker in workers}
    assert codes <= {0, 2}, hosts.said()  # 2: on a busy machine a lease may be renewed too late
    assert hosts.start("one", "--take-over").wait(200) == 0, hosts.said()
    trials = trials_of(hosts)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * TOTAL
    extremes = [t.user_attrs["extreme"] for t in trials if t.user_attrs["kind"] == "extreme"]
    assert len(extremes) == len(set(extremes)) >= 3
    assert_one_owner_at_a_time(hosts.log)
    recovery = read_trials([hosts.log])
    assert [row.state for row in recovery.studies[0].rows] == ["COMPLETE"] * TOTAL
    for number in draw.sample(range(TOTAL), 2):
        record = hosts.script.parent / "outputs" / hosts.script.stem / "trials"
        path = record / f"trial_{number:04d}.json"
        done = run(hosts.script, "--trial-from", str(path), env={**os.environ, "MACHINE": "one"})
        assert done.returncode == 0, done.stdout
        assert read_json(path)["value"] == trials[number].value


def test_at_the_total_a_worker_names_trials_of_others_and_takes_over_only_those_of_the_dead(
    two_trials: Hosts,
) -> None:
    hosts = two_trials
    dead = hosts.start("one")
    hosts.wait_for("Trial 0 epoch 3:")
    dead.kill()
    dead.wait()
    assert hosts.start("two").wait(60) == 0, hosts.said()
    states = [trial.state for trial in trials_of(hosts)]
    assert states == [TrialState.RUNNING, TrialState.COMPLETE]
    assert "trial 0 is with one, run " in hosts.said()
    assert hosts.start("two", "--take-over").wait(60) == 0, hosts.said()
    assert "waiting 10 s for the leases" in hosts.said()
    trials = trials_of(hosts)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 2
    assert [trial.user_attrs["kind"] for trial in trials] == ["extreme"] * 2
    assert hosts.count("Trial 0 resumed: ") == 1
    assert_one_owner_at_a_time(hosts.log)


def test_a_script_for_one_machine_is_refused_beside_a_trial_that_it_cannot_see(
    sp500: Path, tmp_path: Path
) -> None:
    url = f"journal://{tmp_path}/journal.log"
    for hosts in new_hosts(url, tmp_path, leases=False, n_trials=2):
        first = hosts.start("one")
        hosts.wait_for("Trial 0 epoch 3:")
        for number in (signal.SIGSTOP, signal.SIGKILL):  # alive or dead, it cannot be seen
            first.send_signal(number)
            assert hosts.start("two").wait(60) == 2
            assert "--take-over goes on with the trial" in hosts.said()
            assert hosts.count("Trial 0 resumed: ") == 0
        first.wait()
        assert [trial.state for trial in trials_of(hosts)] == [TrialState.RUNNING]
        assert hosts.start("two", "--take-over").wait(60) == 0, hosts.said()
        assert [trial.state for trial in trials_of(hosts)] == [TrialState.COMPLETE] * 2
        assert hosts.count("Trial 0 resumed: ") == 1
        assert_one_owner_at_a_time(hosts.log)
