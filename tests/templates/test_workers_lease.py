"""Workers on several machines: one at a time in a round, one owner per trial, whoever dies."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState

from hpo_script.experiment import UnusableError
from hpo_script.stops import Interrupted
from hpo_script.storage import connect
from hpo_script.workers_lease import LeasedWorkers
from servers import grpc_proxy, new_database

LEASE = 4.0
# A process on a machine of its own, which enters a number of rounds; in each it adds one to what
# it found, slowly, so that two at once would lose one.
WORKER = """\
import sys, time
from pathlib import Path
import optuna
import hpo_script.workers
from hpo_script.storage import open_storage
from hpo_script.workers_lease import LeasedWorkers

url, machine, locks, rounds, lease, hold = sys.argv[1:]
hpo_script.workers.platform.node = lambda: machine
hpo_script.workers.read_id = lambda _path: machine
hpo_script.workers.lock_folder = lambda _url: Path(locks)
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = open_storage(url)


def say(what):
    with open("said", "a") as file:
        file.write(f"{what} {machine}\\n")


workers = LeasedWorkers(storage, "s", url, take_over=False, lease_seconds=float(lease))
with workers.round():
    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
for number in range(int(rounds)):
    with workers.round():
        count = study.user_attrs.get("count", 0)
        say("in")
        time.sleep(float(hold))
        workers.confirm()
        study.set_user_attr("count", count + 1)
        say("done")
workers.leave()
"""


class Hosts:
    """Worker processes on machines that share nothing but a storage."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.processes: list[subprocess.Popen[str]] = []
        self.storage: list[BaseStorage] = []

    def start(
        self, machine: str, *, rounds: int, lease: float = LEASE, hold: float = 0.01
    ) -> subprocess.Popen[str]:
        """Start a worker."""
        locks = self.folder / machine
        locks.mkdir(exist_ok=True)
        words = [self.url, machine, str(locks), str(rounds), str(lease), str(hold)]
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def said(self, what: str) -> int:
        """Return how often a worker said something."""
        path = self.folder / "said"
        return path.read_text().count(what) if path.exists() else 0

    def wait_for(self, what: str, times: int) -> None:
        """Wait until the workers have said something so often."""
        end = time.monotonic() + 60
        while self.said(what) < times:
            assert time.monotonic() < end, (what, self.said(what), times)
            time.sleep(0.01)

    def study(self, name: str) -> optuna.Study:
        """Return a study."""
        if not self.storage:
            self.storage.append(connect(self.url))
        return optuna.load_study(study_name=name, storage=self.storage[0])

    def close(self) -> None:
        """End all that still runs."""
        for process in self.processes:
            process.kill()
            process.communicate()
        for storage in self.storage:
            if isinstance(storage, RDBStorage):
                storage.engine.dispose()


@pytest.fixture(
    params=[
        "journal",
        pytest.param("grpc", marks=pytest.mark.thorough),
        pytest.param("postgresql", marks=[pytest.mark.thorough, pytest.mark.postgres]),
    ]
)
def hosts(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hosts]:
    with ExitStack() as stack:
        urls: dict[str, Callable[[], str]] = {
            "journal": lambda: f"journal://{tmp_path}/journal.log",
            "grpc": lambda: stack.enter_context(grpc_proxy(tmp_path))[0],
            "postgresql": lambda: stack.enter_context(new_database(monkeypatch)),
        }
        found = Hosts(urls[request.param](), tmp_path)
        yield found
        found.close()


def test_twelve_workers_of_three_machines_have_their_rounds_one_after_another(
    hosts: Hosts,
) -> None:
    # A long lease: twelve processes on two cores may be late.
    for index in range(12):
        hosts.start(f"machine{index % 3}", rounds=3, lease=60.0)
    said = [process.communicate(timeout=120) for process in hosts.processes]
    assert [process.returncode for process in hosts.processes] == [0] * 12, said
    assert hosts.said("done") == hosts.study("s").user_attrs["count"] == 36
    leases = hosts.study("s.workers").trials
    assert {lease.state for lease in leases} == {TrialState.FAIL}
    assert len(leases) == 12 * (1 + 1 + 1 + 3)


def test_no_round_is_lost_and_none_done_twice_when_workers_are_killed(hosts: Hosts) -> None:
    draw, n_kills = random.Random(7), 6  # noqa: S311
    for index in range(4):
        hosts.start(f"machine{index % 2}", rounds=1000)
    for index in range(n_kills):
        hosts.wait_for("in", hosts.said("in") + 3)
        time.sleep(draw.uniform(0, 0.05))
        draw.choice([p for p in hosts.processes if p.poll() is None]).kill()
        hosts.start(f"machine{index % 2}", rounds=1000)
    hosts.wait_for("in", hosts.said("in") + 3)
    for process in hosts.processes:
        process.kill()
        process.wait()
    done, count = hosts.said("done"), hosts.study("s").user_attrs["count"]
    assert 0 <= count - done <= n_kills + 4  # killed after it wrote, before it said so
    assert hosts.start("machine2", rounds=1).wait(60) == 0
    assert hosts.study("s").user_attrs["count"] == count + 1


def test_a_worker_that_was_suspended_in_its_round_does_not_write_in_that_of_another(
    hosts: Hosts,
) -> None:
    first = hosts.start("machine0", rounds=1000, hold=0.5)
    hosts.wait_for("in", 2)
    first.send_signal(signal.SIGSTOP)
    since = time.monotonic()
    second = hosts.start("machine1", rounds=5)
    assert second.wait(60) == 0
    assert hosts.said("done machine1") == 5
    assert time.monotonic() - since >= LEASE
    count = hosts.study("s").user_attrs["count"]
    first.send_signal(signal.SIGCONT)
    _, said = first.communicate(timeout=60)
    assert "Interrupted: the lease" in said
    assert hosts.study("s").user_attrs["count"] == count


def test_a_worker_killed_in_its_round_is_replaced_at_once_on_its_own_machine(hosts: Hosts) -> None:
    first = hosts.start("machine0", rounds=1000, lease=200.0)
    hosts.wait_for("in", 2)
    first.kill()
    assert hosts.start("machine0", rounds=1, lease=200.0).wait(60) == 0


class Machine(LeasedWorkers):
    """A process on a machine of its own, for tests within one process."""

    def __init__(
        self, url: str, folder: Path, name: str, *, take_over: bool = False, lease: float = LEASE
    ) -> None:
        self.name, self.locks = name, folder
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hpo_script.workers.platform.node", lambda: name)
            patch.setattr("hpo_script.workers.read_id", lambda _path: name)
            patch.setattr("hpo_script.workers.lock_folder", lambda _url: folder)
            storage = connect(url)
            super().__init__(storage, "s", url, take_over=take_over, lease_seconds=lease)

    def die(self) -> None:
        """End as a killed process does: nothing is renewed, locks are free."""
        self.left.set()
        self.alive.release()


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return f"journal://{tmp_path}/journal.log"


def test_a_worker_that_only_waits_remains_alive_to_others(journal: str, tmp_path: Path) -> None:
    one, two = (Machine(journal, tmp_path, name, lease=3.0) for name in ("one", "two"))
    time.sleep(3.5)
    one.confirm()
    assert not two.is_free(one.owner())
    one.leave()
    assert two.is_free(one.owner())
    two.leave()


def test_a_dead_worker_is_told_by_its_lease_elsewhere_and_by_its_lock_at_home(
    journal: str, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    dead = Machine(journal, tmp_path, "one")
    same = Machine(journal, tmp_path, "one")
    blind = Machine(journal, tmp_path / "other", "one")  # does not see the locks of this machine
    other = Machine(journal, tmp_path, "two")
    assert not any(worker.is_free(dead.owner()) for worker in (same, blind, other))
    dead.die()
    assert not blind.is_free(dead.owner())
    assert not other.is_free(dead.owner())
    assert same.is_free(dead.owner())
    assert blind.is_free(dead.owner())  # its lease was ended by the one that saw its lock
    assert other.is_free(dead.owner())
    for worker in (same, blind, other):
        worker.leave()


def test_a_lease_that_stood_still_is_ended_and_never_renewed(journal: str, tmp_path: Path) -> None:
    dead, other = Machine(journal, tmp_path, "one"), Machine(journal, tmp_path, "two", lease=1.5)
    dead.die()
    assert not other.is_free(dead.owner())
    time.sleep(1.2)
    assert not other.is_free(dead.owner())
    time.sleep(0.5)
    assert other.is_free(dead.owner())
    dead.renew()
    with pytest.raises(Interrupted, match="not renewed"):
        dead.confirm()
    with pytest.raises(Interrupted, match="ended by another worker"), dead.round():
        pytest.fail("a round of a worker that is dead to others")
    other.leave()


def test_trials_without_a_lease_are_those_of_one_machine(journal: str, tmp_path: Path) -> None:
    workers = Machine(journal, tmp_path, "one")
    assert workers.is_free(None)
    known = {**workers.machine, **workers.here}
    with pytest.raises(UnusableError, match="run 0123abcd on two has a trial of this study"):
        workers.is_free({**known, "host": "two", "boot": "two", "run": "0123abcd"})
    assert workers.is_free({**known, "boot": "before", "run": "0123abcd"})
    assert workers.is_free({**known, "run": "0123abcd"})
    workers.leave()


def test_taking_over_waits_for_the_leases_of_the_dead(journal: str, tmp_path: Path) -> None:
    dead, alive = Machine(journal, tmp_path, "one"), Machine(journal, tmp_path, "two", lease=3.0)
    dead.die()
    since = time.monotonic()
    late = Machine(journal, tmp_path, "three", take_over=True, lease=3.0)
    assert time.monotonic() - since >= 3.0
    assert late.is_free(dead.owner())
    assert not late.is_free(alive.owner())
    alive.leave()
    late.leave()


def test_a_worker_that_cannot_reach_the_storage_stops_before_others_take_it_for_dead(
    tmp_path: Path,
) -> None:
    with grpc_proxy(tmp_path) as (url, server):
        workers = Machine(url, tmp_path, "one", lease=2.0)
        server.kill()
        workers.confirm()
        time.sleep(1.6)
        with pytest.raises(Interrupted, match="the lease was not renewed") as caught:
            workers.confirm()
        assert caught.value.code == 2
        workers.leave()
