"""Workers: who owns a trial, who may go on with it, and what lies about afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hpo_script.experiment import UnusableError
from hpo_script.stops import Interrupted
from hpo_script.storage import FileLock, lock_folder
from hpo_script.workers import BOOT_ID, KEPT_FRESH, Workers, read_id

OTHER = """\
import json, sys
from hpo_script.workers import Workers
workers = Workers(None, "study", sys.argv[1], take_over=False)
print(json.dumps(workers.owner()), flush=True)
{then}
"""
Start = Callable[..., tuple["subprocess.Popen[str]", dict[str, Any]]]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the address of a storage in a folder of its own."""
    return f"sqlite:///{tmp_path}/study.db"


@pytest.fixture
def start(url: str) -> Iterator[Start]:
    """Return a function that starts another worker, and returns it with its mark on trials."""
    started = []

    def begin(then: str = "sys.stdin.read()") -> tuple[subprocess.Popen[str], Any]:
        code = f"import sys; sys.path[:0] = {sys.path!r}\n" + OTHER.format(then=then)
        process = subprocess.Popen(
            [sys.executable, "-c", code, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout
        return process, json.loads(process.stdout.readline())

    yield begin
    for process in started:
        process.kill()
        with process:  # closes its pipes and waits
            pass


def joined(url: str, *, take_over: bool) -> Workers:
    """Return this process as a worker; on one machine no storage is asked."""
    return Workers(None, "study", url, take_over=take_over)  # type: ignore[arg-type]


def locks(url: str) -> set[str]:
    """Return the files beside the storage."""
    return {path.name for path in lock_folder(url).iterdir()}


def test_the_trial_of_a_living_worker_is_its_own_and_of_a_killed_one_anybodys(
    url: str, start: Start
) -> None:
    workers = joined(url, take_over=False)
    other, owner = start()

    assert not workers.is_free(owner)
    assert locks(url) == {"round.lock", f"{workers.run}.lock", f"{owner['run']}.lock"}
    other.kill()
    other.wait()
    assert workers.is_free(owner)
    assert locks(url) == {"round.lock", f"{workers.run}.lock"}
    assert workers.is_free(owner)


def test_a_worker_that_left_owns_nothing_and_leaves_nothing(url: str, start: Start) -> None:
    workers = joined(url, take_over=False)
    other, owner = start("workers.leave(); print('left', flush=True); sys.stdin.read()")
    assert other.stdout
    assert other.stdout.readline() == "left\n"

    assert workers.is_free(owner)
    workers.leave()
    assert locks(url) == {"round.lock"}


def test_what_killed_workers_left_goes_when_another_comes(url: str, start: Start) -> None:
    other, _ = start()
    living, owner = start()
    other.kill()
    other.wait()

    workers = joined(url, take_over=False)

    assert living.poll() is None
    assert locks(url) == {"round.lock", f"{workers.run}.lock", f"{owner['run']}.lock"}


def test_ones_own_trial_is_free_as_it_is_asked_between_two_trials(url: str) -> None:
    workers, other = joined(url, take_over=True), joined(url, take_over=False)

    assert workers.is_free(workers.owner())
    assert not workers.is_free(other.owner())


def test_a_trial_that_nobody_marked_is_free(url: str) -> None:
    assert joined(url, take_over=False).is_free(None)


@pytest.mark.parametrize("take_over", [False, True])
@pytest.mark.parametrize(
    "other",
    [
        {"host": "another"},  # a container, whose locks are not there
        {"host": "another", "boot": "another"},
        {"machine_id": "another", "boot": "another"},  # of the same name
        {"locks": "another"},  # a container, or a job with temporary files of its own
    ],
)
def test_a_trial_of_a_process_that_cannot_be_seen_is_free_only_if_that_is_said(
    other: dict[str, str], url: str, *, take_over: bool
) -> None:
    workers = joined(url, take_over=take_over)
    owner = {**workers.owner(), "run": "a", **other}

    if take_over:
        assert workers.is_free(owner)
    else:
        with pytest.raises(UnusableError, match=r"^run a on .* --take-over .*--with multi-host$"):
            workers.is_free(owner)


def test_locks_of_a_server_are_seen_by_who_has_their_folder_and_of_a_file_by_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks: dict[str, list[dict[str, Any]]] = {}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
        for url in (f"journal://{tmp_path}/journal.log", "postgresql+psycopg://me@host/db"):
            marks.setdefault(url, []).append(joined(url, take_over=False).here)
    (beside, again), (one, two) = marks.values()
    assert beside == again
    assert one != two


@pytest.mark.parametrize("deleted", ["lock", "folder"])
def test_a_worker_whose_lock_is_deleted_ends_before_others_take_its_trial(
    deleted: str, url: str
) -> None:
    workers = joined(url, take_over=False)
    workers.confirm()
    if deleted == "folder":
        shutil.rmtree(workers.folder)
    else:
        (workers.folder / f"{workers.run}.lock").unlink()
    with pytest.raises(Interrupted, match=r"somebody has deleted a lock in .*study\.db\.locks"):
        workers.confirm()


def test_the_lock_of_a_worker_that_lives_never_looks_old(url: str) -> None:
    workers = joined(url, take_over=False)
    lock = workers.folder / f"{workers.run}.lock"
    for age, young in ((KEPT_FRESH / 2, False), (KEPT_FRESH * 2, True)):
        os.utime(lock, (0, time.time() - age))
        workers.confirm()
        assert (time.time() - lock.stat().st_mtime < KEPT_FRESH / 4) is young


def test_a_trial_from_before_this_machine_was_started_is_free(url: str, start: Start) -> None:
    workers = joined(url, take_over=False)
    workers.machine["machine_id"] = "known"
    other, owner = start()
    before = {**owner, "machine_id": "known", "boot": "another"}

    assert not workers.is_free(before)
    other.kill()
    other.wait()
    assert workers.is_free(before)


@pytest.mark.parametrize("machine_id", ["", "known"])
def test_machines_that_have_no_id_are_not_known_by_their_name(machine_id: str, url: str) -> None:
    workers = joined(url, take_over=False)
    workers.machine["machine_id"] = machine_id
    before = {**workers.owner(), "boot": "another", "run": "a"}
    if machine_id:
        assert workers.is_free(before)
    else:
        with pytest.raises(UnusableError):
            workers.is_free(before)


@pytest.mark.parametrize("take_over", [False, True])
def test_a_lock_that_is_held_is_a_life_whatever_the_machine_is_called_now(
    url: str, start: Start, *, take_over: bool
) -> None:
    workers = joined(url, take_over=take_over)
    other, owner = start()
    renamed = {**owner, "host": "another"}
    assert not workers.is_free(renamed)
    assert not workers.is_free({**renamed, "boot": "another"})
    other.kill()
    other.wait()
    assert workers.is_free(renamed)
    assert workers.is_free(renamed)
    another, owner = start()
    another.kill()
    another.wait()
    assert joined(url, take_over=take_over).is_free({**owner, "host": "another"})


@pytest.mark.parametrize("run", ["../victim", "/{}/victim", "victim", "round", ""])
def test_what_a_storage_says_of_an_owner_leads_to_no_other_file(
    run: str, url: str, tmp_path: Path
) -> None:
    workers = joined(url, take_over=False)
    victims = [tmp_path / "victim.lock", workers.folder / "victim.lock"]
    for victim in victims:
        victim.touch()
    with pytest.raises(UnusableError):
        workers.is_free({"run": run.format(tmp_path), "boot": "another"})
    assert all(victim.exists() for victim in victims)
    assert (workers.folder / "round.lock").exists()


def test_a_database_has_one_lock_by_whatever_link_it_is_reached(
    tmp_path: Path, start: Start
) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "study.db")
    _, owner = start()
    assert not joined(f"sqlite:///{tmp_path}/link.db", take_over=False).is_free(owner)


def test_the_start_of_a_machine_has_a_name_of_its_own() -> None:
    if BOOT_ID.exists():
        assert len(read_id(BOOT_ID)) == 12
    assert read_id(BOOT_ID) == read_id(BOOT_ID)
    assert read_id(Path("nothing")) == ""


@pytest.mark.parametrize("content", ["", "\n", "uninitialized\n"])
def test_an_image_that_was_never_started_has_no_id(content: str, tmp_path: Path) -> None:
    (tmp_path / "machine-id").write_text(content)
    assert read_id(tmp_path / "machine-id") == ""


def test_a_round_keeps_the_others_waiting(url: str, start: Start) -> None:
    workers = joined(url, take_over=False)
    inside = "\nwith workers.round():\n    print('inside', flush=True)\n    sys.stdin.read()"
    other, _ = start(inside)
    assert other.stdout
    assert other.stdin
    assert other.stdout.readline() == "inside\n"
    entered = []

    def enter() -> None:
        with workers.round():
            entered.append(time.monotonic())

    waiting = threading.Thread(target=enter)
    waiting.start()
    waiting.join(0.3)
    assert entered == []
    other.stdin.close()
    waiting.join(10)
    assert len(entered) == 1


def test_a_round_is_over_when_its_holder_is_killed(url: str, start: Start) -> None:
    workers = joined(url, take_over=False)
    inside = "\nwith workers.round():\n    print('inside', flush=True)\n    sys.stdin.read()"
    other, _ = start(inside)
    assert other.stdout
    other.stdout.readline()
    other.kill()
    other.wait()

    with workers.round():
        pass


def test_rounds_of_many_processes_lose_no_count(url: str, tmp_path: Path, start: Start) -> None:
    file = tmp_path / "count"
    file.write_text("0")
    add = (
        "\nfrom pathlib import Path"
        f"\nfile = Path({str(file)!r})"
        "\nfor _ in range(100):"
        "\n    with workers.round():"
        "\n        file.write_text(str(int(file.read_text()) + 1))"
    )

    others = [start(add)[0] for _ in range(3)]

    assert [other.wait(60) for other in others] == [0, 0, 0]
    assert file.read_text() == "300"


def test_a_lock_that_is_held_is_not_waited_for_if_asked(tmp_path: Path) -> None:
    first, second = FileLock(str(tmp_path / "a")), FileLock(str(tmp_path / "a"))

    assert first.acquire()
    assert not second.acquire(wait=False)
    first.release()
    assert second.acquire(wait=False)
    second.release()
