"""The lock of a folder: scripts do not change while a queue runs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hpogen.errors import UsageError
from hpogen.rendering.folder_lock import NAME, folder_lock


@contextmanager
def flock(folder: Path, mode: str) -> Iterator[int]:
    """Hold a folder's lock with the flock command, as a queue does."""
    command = ["flock", mode, NAME, "sh", "-c", "echo held; read end"]
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.stdin.close()


@contextmanager
def other(folder: Path, *, shared: bool) -> Iterator[subprocess.Popen[str]]:
    """Hold a folder's lock in another Python process."""
    code = (
        "import sys; from pathlib import Path\n"
        "from hpogen.rendering.folder_lock import folder_lock\n"
        f"with folder_lock(Path(sys.argv[1]), shared={shared}): print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


@pytest.mark.parametrize("mode", ["-s", "-x"])
def test_a_lock_that_a_queue_holds_is_refused_with_the_folder_and_the_way_out(
    mode: str, tmp_path: Path
) -> None:
    with (
        flock(tmp_path, mode),
        pytest.raises(UsageError, match=r"in use: another process .*; wait until it ends") as e,
        folder_lock(tmp_path),
    ):
        pass
    assert str(tmp_path) in str(e.value)
    with folder_lock(tmp_path):
        pass


def test_queues_share_a_lock(tmp_path: Path) -> None:
    with flock(tmp_path, "-s"), folder_lock(tmp_path, shared=True):
        pass
    with other(tmp_path, shared=True), folder_lock(tmp_path, shared=True):
        pass


@pytest.mark.parametrize("shared", [True, False])
def test_a_holder_is_told_by_its_number(shared: bool, tmp_path: Path) -> None:
    with (
        other(tmp_path, shared=shared) as process,
        pytest.raises(UsageError, match=f"in use: process {process.pid} holds"),
        folder_lock(tmp_path),
    ):
        pass


def test_all_holders_are_told(tmp_path: Path) -> None:
    with other(tmp_path, shared=True) as one, other(tmp_path, shared=True) as two:
        pids = ", ".join(map(str, sorted([one.pid, two.pid])))
        with pytest.raises(UsageError, match=f"process {pids} holds"), folder_lock(tmp_path):
            pass


def test_a_killed_holder_stops_nothing(tmp_path: Path) -> None:
    with other(tmp_path, shared=False) as process:
        process.kill()
        process.wait()
        assert (tmp_path / NAME).read_text() == f"{process.pid}\n"
        with folder_lock(tmp_path):
            assert (tmp_path / NAME).read_text() == f"{os.getpid()}\n"
    assert (tmp_path / NAME).read_text() == ""


@pytest.mark.parametrize("content", [b"1\n99999999999999999999\n-1\n0\n\xff\nx" * 1000, b""])
def test_nothing_in_a_lock_file_can_stop_who_takes_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(content)
    with folder_lock(tmp_path), pytest.raises(UsageError, match="in use"), folder_lock(tmp_path):
        pass
    with flock(tmp_path, "-s"):
        (tmp_path / NAME).write_bytes(content)
        with pytest.raises(UsageError, match="in use"), folder_lock(tmp_path):
            pass


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    with pytest.raises(KeyError), folder_lock(tmp_path):
        raise KeyError
    with folder_lock(tmp_path):
        pass


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / NAME).symlink_to("mine")
    with (
        pytest.raises(UsageError, match="is not a regular file; remove it"),
        folder_lock(tmp_path),
    ):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_in_the_place_of_the_lock_is_refused(make: object, tmp_path: Path) -> None:
    assert callable(make)
    make(tmp_path / NAME)
    with pytest.raises(UsageError, match="is not a regular file"), folder_lock(tmp_path):
        pass


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "new" / "er"):
        assert (tmp_path / "new" / "er" / NAME).is_file()


@pytest.mark.parametrize("name", ["file", "file/new", "n\0", "n" * 300])
def test_where_no_lock_can_be_the_write_says_why(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with folder_lock(tmp_path / name):
        pass


def test_a_lock_file_of_somebody_else_is_taken_without_writing_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_text("theirs\n")
    real = os.open

    def open_read_only(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", open_read_only)
    with folder_lock(tmp_path), pytest.raises(UsageError, match="in use"), folder_lock(tmp_path):
        pass
    assert (tmp_path / NAME).read_text() == "theirs\n"


def test_without_flock_nothing_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpogen.rendering.folder_lock.fcntl", None)
    with folder_lock(tmp_path), folder_lock(tmp_path):
        assert not list(tmp_path.iterdir())


def test_nobody_waits_for_a_lock(tmp_path: Path) -> None:
    with flock(tmp_path, "-x"):
        begin = time.monotonic()
        with pytest.raises(UsageError), folder_lock(tmp_path, shared=True):
            pass
        assert time.monotonic() - begin < 5
