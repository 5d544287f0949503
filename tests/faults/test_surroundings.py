"""What changes around a run: its data, log, lock file, machine, clock and terminal."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.harness import SMALL, Place, Run, Tables, record, wait_for
from faults.write_points import losses
from hpo_script.machinery.log_file import read_log
from hpo_script.machinery.mounts import LOCAL_LOCKS, SHARED_LOCKS
from hpogen.demo_data import prices
from scripts import changed, render_to

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def in_second(place: Place) -> Run:
    """Start a run; return it once it is within its second trial."""
    run = place.start()
    wait_for(lambda: "Trial 1 epoch 1:" in place.text, run)
    return run


# --- Data ----------------------------------------------------------------------------------------


def alter(data: Path) -> None:
    text = data.read_bytes().rstrip()
    data.write_bytes(text[:-1] + (b"1\n" if text[-1:] == b"0" else b"0\n"))


def cut(data: Path) -> None:
    lines = data.read_bytes().splitlines(keepends=True)
    data.write_bytes(b"".join(lines[:-1]))


@pytest.mark.parametrize("change", [Path.unlink, alter, cut])
@pytest.mark.parametrize("moment", ["between trials", "within a trial"])
def test_a_study_whose_data_changed_is_refused_and_nothing_is_written(
    change: Callable[[Path], None], moment: str, base: Place, whole: Tables
) -> None:
    if moment == "between trials":
        base.finish("--n-trials", "1")
    else:
        in_second(base).kill()
    data = base.folder / "sp500.csv"
    before = data.read_bytes()
    change(data)
    kept = base.contents()
    refused = base.run()
    assert refused.code == 2, refused.said
    assert "Traceback" not in refused.said
    assert "sp500.csv" in refused.said or "data_sha256 was " in refused.said
    assert base.contents() == kept
    data.write_bytes(before)
    assert not losses(base, whole)


def test_data_that_vanish_within_a_run_are_not_missed(base: Place, whole: Tables) -> None:
    run = in_second(base)
    (base.folder / "sp500.csv").unlink()
    assert run.wait().code == 0, run.said
    (base.folder / "sp500.csv").write_bytes(prices("sp500"))
    assert not losses(base, whole)


# --- The log and the lock file -------------------------------------------------------------------


@pytest.mark.parametrize("which", ["log", "lock"])
def test_a_run_whose_log_or_lock_file_is_deleted_ends(
    which: str, base: Place, whole: Tables
) -> None:
    run = in_second(base)
    path: Path = getattr(base, which)
    aside = path.rename(base.folder / "aside")
    assert run.wait().code == 2, run.said
    assert str(path.relative_to(base.folder)) in run.said
    assert "Traceback" not in run.said
    assert not path.exists()
    if which == "log":
        aside.rename(path)
    wrong = losses(base, whole)
    record("deleted during a run", f"the {which} file", exit_code=2, differences=len(wrong))
    assert not wrong


@pytest.mark.parametrize("moment", ["while a run writes it", "after a kill", "after the end"])
def test_a_copied_log_is_continued_elsewhere(
    moment: str, base: Place, whole: Tables, shelf: Path
) -> None:
    elsewhere = base.copy("elsewhere")
    run = in_second(base)
    if moment == "after a kill":
        run.kill()
    elif moment == "after the end":
        run.wait()
    elsewhere.log.parent.mkdir()
    shutil.copy(base.log, elsewhere.log)
    wrong = losses(elsewhere, whole)
    assert run.wait().code == (-9 if moment == "after a kill" else 0)
    wrong += losses(base, whole)
    record("log copied and continued", moment, differences=len(wrong))
    assert not wrong


def test_the_log_of_another_script_is_refused_and_nothing_is_written(
    base: Place, whole: Tables
) -> None:
    base.finish("--n-trials", "1")
    other = render_to(base.folder, changed(SMALL, horizon=5)).name
    kept = base.contents()
    command = [sys.executable, "-I", other, "--log", str(base.log), "--out", str(base.out)]
    done = subprocess.run(command, cwd=base.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "has trials of another experiment: horizon was 1, is 5" in done.stderr
    assert base.contents() == kept
    (base.folder / other).unlink()
    assert not losses(base, whole)


# --- Another machine -----------------------------------------------------------------------------


def elsewhere(place: Place) -> subprocess.Popen[bytes]:
    """Start the script on a machine of another name."""
    script = f"{sys.executable} -I {place.script.name} {' '.join(place.always)}"
    command = ["unshare", "--uts", "sh", "-c", f"hostname elsewhere && exec {script}"]
    with place.folder.with_name("elsewhere.said").open("wb") as said:
        return subprocess.Popen(command, cwd=place.folder, stdout=said, stderr=said)


@pytest.fixture
def overlay(base: Place) -> Iterator[Place]:
    """Return the study on an overlay file system."""
    parts = {name: base.folder.with_name(name) for name in ("upper", "work", "merged")}
    for part in parts.values():
        part.mkdir()
    options = f"lowerdir={base.folder},upperdir={parts['upper']},workdir={parts['work']}"
    command = ["mount", "-t", "overlay", "overlay", "-o", options, str(parts["merged"])]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount an overlay")
    yield Place(parts["merged"], base.nursery)
    subprocess.run(["umount", "-l", str(parts["merged"])], check=True)


@pytest.fixture(params=["base", "overlay"])
def unshared(request: pytest.FixtureRequest) -> Place:
    """Return the study on file systems whose locks no other machine sees."""
    place: Place = request.getfixturevalue(request.param)
    return place


def test_the_unfinished_run_of_another_machine_is_refused(
    unshared: Place, whole: Tables
) -> None:
    if subprocess.run(["unshare", "--uts", "true"], check=False).returncode:
        pytest.skip("this user may not name a machine")
    other = elsewhere(unshared)
    while "Trial 1 epoch 1:" not in unshared.text:
        assert other.poll() is None
    refused = unshared.run()
    other.kill()
    other.wait()
    kept = unshared.log.read_bytes()
    again = unshared.run()
    for run in (refused, again):
        assert run.code == 2, run.said
        assert re.search(r"run \w+ on elsewhere \((tmpfs|overlay)\) has not ended", run.said)
    assert unshared.log.read_bytes() == kept
    other = elsewhere(unshared)
    assert other.wait() == 0
    wrong = losses(unshared, whole)
    kind = "overlay" if "(overlay)" in again.said else "tmpfs"
    record("unfinished run of another machine", kind, refused=2, differences=len(wrong))
    assert not wrong


MOUNTS = {  # file system and options of real mountinfo lines, and whether locks reach others
    "nfs4 rw,vers=4.2,local_lock=none,addr=10.0.0.1": True,
    "nfs4 rw,vers=4.2,local_lock=all,addr=10.0.0.1": False,
    "nfs rw,vers=3,nolock,addr=10.0.0.1": False,
    "nfs rw,vers=3,local_lock=none,addr=10.0.0.1": False,
    "lustre rw,flock": True,
    "lustre rw,localflock": False,
    "ceph rw,acl": True,
    "gpfs rw,relatime": True,
    "fuse.sshfs rw,user_id=0": False,
    "9p rw,trans=virtio": False,
    "cifs rw,vers=3.1.1": False,
    "ext4 rw,relatime": False,
}


@pytest.mark.parametrize("mount", MOUNTS)
def test_locks_reach_another_machine_on_these_mounts_only(mount: str) -> None:
    kind, options = mount.split()
    assert (kind in SHARED_LOCKS and not LOCAL_LOCKS.search(options)) is MOUNTS[mount]


# --- The clock -----------------------------------------------------------------------------------


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("moment", ["within a trial", "between runs"])
def test_a_clock_that_goes_back_changes_no_result(moment: str, base: Place, whole: Tables) -> None:
    clock, shown = base.folder.with_name("clock"), base.folder.with_name("shown")
    clock.write_text("+0")
    environment = {
        "PATH": "/usr/bin:/bin",
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-I", base.script.name, *base.always]

    def start() -> subprocess.Popen[bytes]:
        with shown.open("ab") as output:
            return subprocess.Popen(command, cwd=base.folder, env=environment, stderr=output)

    first = start()
    while "Trial 1 epoch 1:" not in base.text:
        assert first.poll() is None, shown.read_text()
    if moment == "between runs":
        first.send_signal(signal.SIGKILL)
        first.wait()
    clock.write_text("-2d")
    second = first if moment == "within a trial" else start()
    assert second.wait() == 0, shown.read_text()
    days = {text[3:13] for text in re.findall(r"\[. \d{4}-\d\d-\d\d", base.text)}
    assert len(days) == 2
    assert not losses(base, whole)


# --- The terminal --------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [">&- 2>&-", "2>&-", ">/dev/full 2>&1", "<&- >&- 2>&-"])
def test_a_run_that_can_print_nowhere_writes_the_same_files(
    where: str, base: Place, whole: Tables
) -> None:
    always = " ".join(base.always)
    command = f"exec {sys.executable} -I {base.script.name} {always} {where}"
    done = subprocess.run(["bash", "-c", command], cwd=base.folder, check=False)
    assert done.returncode == 0
    assert read_log(base.log).damaged == []
    assert not losses(base, whole)
