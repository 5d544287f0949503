"""Locks of workers show which of them run, also after their runner was killed."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from children import child
from hpogen.run import worker_lock
from hpogen.run.script_order import COPIES, LOGS
from hpogen.run.stop_and_pause import Heat
from hpogen.run.worker import LOST, free_lock, is_held, output_of, start, survivor, survivors


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    COPIES.mkdir(parents=True)


WAIT = "import os, time\nwhile not os.path.exists('end'): time.sleep(0.01)"


def command(code: str) -> list[str]:
    """Return a command of Python that ends with the tests."""
    return child(sys.executable, "-I", "-S", "-c", code)


def wait_until_held(lock: Path) -> None:
    while not (is_held(lock) and lock.read_bytes()):
        time.sleep(0.01)


def test_a_lock_lasts_as_long_as_its_process_and_names_it() -> None:
    lock = free_lock("hpo_1.5B_h1", [])
    assert not is_held(lock)
    worker = start(lock, "cuda:1", command(WAIT), "banner", {})
    wait_until_held(lock)
    assert worker.process
    (found,) = survivors()
    assert (found.script, found.slot, found.group) == ("hpo_1.5B_h1", "cuda:1", worker.process.pid)
    assert os.getpgid(worker.process.pid) == worker.process.pid
    assert free_lock("hpo_1.5B_h1", [found]) == COPIES / "hpo_1.5B_h1.1.lock"
    assert found.poll() is None
    second = start(lock, "cuda:1", command("1/0"), "banner", {})
    assert second.process
    assert second.process.wait() == worker_lock.BUSY
    Path("end").touch()
    assert worker.process.wait() == 0
    assert found.poll() == LOST
    assert survivors() == []


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", json.dumps({"process": os.getpid(), "host": platform.node()})],
    ids=["empty", "no JSON", "this process"],
)
def test_a_file_that_names_a_process_is_believed_only_while_it_is_locked(text: str) -> None:
    lock = free_lock("hpo_2K_h1", [])
    lock.write_text(text)
    assert survivors() == []


def test_a_worker_of_another_machine_is_not_signalled() -> None:
    lock = free_lock("hpo_2K_h1", [])
    worker = start(lock, "cpu", command(WAIT), "banner", {})
    wait_until_held(lock)
    found = survivor(lock)
    lock.write_text(json.dumps({"process": os.getpid(), "host": "elsewhere", "slot": "cpu"}))
    assert found.group is None
    Path("end").touch()
    assert worker.process
    worker.process.wait()


def test_heat_pauses_until_it_is_ten_degrees_cooler() -> None:
    readings = iter([(79.0, "GPU 0"), (81.0, "GPU 0"), (71.0, "GPU 0"), (69.0, "GPU 0"), None])
    heat = Heat(80.0, lambda: next(readings), seconds=0)
    reasons = [heat.reason() for _ in range(5)]
    assert reasons == ["", *(f"temperature {n} °C (GPU 0)" for n in (81, 71)), "", ""]
    assert Heat(None, lambda: (200.0, "GPU 0")).reason() == ""


def test_each_worker_of_a_script_has_its_own_output() -> None:
    names = [output_of(COPIES / f"hpo_2K_h1.{number}.lock") for number in (0, 1)]
    assert names == [LOGS / "hpo_2K_h1.out", LOGS / "hpo_2K_h1.1.out"]


def test_help_does_not_load_the_runner() -> None:
    code = "import sys, hpogen.cli; sys.exit('hpogen.run' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
