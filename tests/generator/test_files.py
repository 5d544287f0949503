"""Files are whole or not there, and nothing is written where it was not meant to go."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpogen.errors import UsageError
from hpogen.files import remove_parts, write_atomic
from hpogen.rendering.folder_lock import folder_lock


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def read_only() -> Iterator[Path]:
    """Return a folder in which this process cannot write, even if it is the superuser's."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "there")
        folder.mkdir()
        folder.parent.chmod(0o755)
        folder.chmod(0o555)
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o755)


def test_a_file_gets_its_content_and_mode_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        write_atomic(tmp_path / "new" / "x.py", b"1\n", executable=True)
        write_atomic(tmp_path / "new" / "x.txt", b"2\n")
    finally:
        os.umask(umask)
    assert (tmp_path / "new" / "x.py").read_bytes() == b"1\n"
    assert stat.S_IMODE((tmp_path / "new" / "x.py").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "new" / "x.txt").stat().st_mode) == 0o644
    assert names(tmp_path / "new") == ["x.py", "x.txt"]


def test_a_link_is_refused_with_its_target(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("mine")
    (tmp_path / "x").symlink_to("real")
    with pytest.raises(UsageError, match="x is a symbolic link to real; remove it or"):
        write_atomic(tmp_path / "x", b"1", force=True)
    assert (tmp_path / "real").read_text() == "mine"
    assert names(tmp_path) == ["real", "x"]


def test_a_dangling_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("none\n\x1b[2J")
    with pytest.raises(UsageError, match="is a symbolic link to none") as caught:
        write_atomic(tmp_path / "x", b"1")
    assert "\x1b" not in str(caught.value)
    assert names(tmp_path) == ["x"]


def test_a_link_is_replaced_on_demand_and_never_written_through(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("mine")
    (tmp_path / "x").symlink_to("real")
    write_atomic(tmp_path / "x", b"1", replace_link=True)
    assert (tmp_path / "real").read_text() == "mine"
    assert not (tmp_path / "x").is_symlink()
    assert (tmp_path / "x").read_bytes() == b"1"


def test_a_read_only_file_is_refused_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("mine")
    path.chmod(0o444)
    with pytest.raises(UsageError, match="x is read-only; make it writable"):
        write_atomic(path, b"1")
    assert path.read_text() == "mine"
    write_atomic(path, b"1", force=True)
    assert path.read_text() == "1"


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(UsageError, match="x is a folder"):
        write_atomic(tmp_path / "x", b"1", force=True, replace_link=True)
    assert names(tmp_path) == ["x"]


def test_a_pipe_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(UsageError, match="x is not a regular file"):
        write_atomic(tmp_path / "x", b"1", force=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("file/x", "file is not a folder"),
        ("file/new/x", "new is not a folder"),
        ("n" * 300, "File name too long"),
        ("n\0", "null byte"),
        ("\ud800", "surrogates"),
    ],
)
def test_a_path_that_cannot_be_is_one_error_and_nothing_is_left(
    name: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=message) as caught:
        write_atomic(tmp_path / name, b"1")
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file"]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("n" * 255), b"1")
    assert names(tmp_path) == ["n" * 255]


def test_a_folder_that_cannot_be_written_to_is_one_error(read_only: Path) -> None:
    with pytest.raises(UsageError, match="Permission denied"):
        write_atomic(read_only / "x", b"1")
    with pytest.raises(UsageError, match="Permission denied"):
        write_atomic(read_only / "new" / "x", b"1")
    assert names(read_only) == []


def test_a_lock_is_not_in_the_way_of_the_error_of_the_write(read_only: Path) -> None:
    with folder_lock(read_only), pytest.raises(UsageError, match="x: Permission denied"):
        write_atomic(read_only / "x", b"1")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_no_part(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise error

    (tmp_path / "x").write_text("old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((UsageError, KeyboardInterrupt)):
        write_atomic(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kill = "import os, hpogen.files as f\nos.fsync = lambda _: os.kill(os.getpid(), 9)\n"
    path = tmp_path / "hpo_[2M].py"
    done = subprocess.run(
        [sys.executable, "-c", f"{kill}from pathlib import Path\n"
         f"f.write_atomic(Path({str(path)!r}), b'1')"], check=False,
    )  # fmt: skip
    assert done.returncode == -9
    assert len(names(tmp_path)) == 1
    for name in (".hpo_[2M].py.mine", "hpo_[2M].py", ".hpo_2.py.12345678.part"):
        (tmp_path / name).write_text("")
    remove_parts(path)
    assert names(tmp_path) == sorted(
        [".hpo_[2M].py.mine", "hpo_[2M].py", ".hpo_2.py.12345678.part"]
    )
