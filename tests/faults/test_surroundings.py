"""What changes around a run: its data, log, lock file, machine, clock and terminal."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from children import child
from faults.harness import SMALL, Place, Run, Tables, make_place, record, wait_for
from faults.write_points import losses
from hpo_script.machinery.log_file import read_log
from hpogen.demo_data import prices
from scripts import changed, render_to
from warm import Warm

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
LONG = changed(SMALL, fixed={"epochs": 12, "patience": 12})
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@pytest.fixture
def base(shelf: Path, server: Warm) -> Place:
    """Return a study that takes a second or two."""
    return make_place(shelf, server, config=LONG)


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
    if which == "lock":
        aside.unlink()
    assert run.wait().code == 2, run.said
    assert str(base.log.relative_to(base.folder)) in run.said
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
    other = render_to(base.folder, changed(LONG, horizon=5)).name
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
        return subprocess.Popen(child(*command), cwd=place.folder, stdout=said, stderr=said)


@contextmanager
def mounted(base: Place, kind: str) -> Iterator[Place]:
    """Give a copy of a study on a file system of some kind."""
    folder = base.folder.with_name(kind)
    parts = {name: base.folder.with_name(name) for name in ("upperdir", "workdir")}
    for part in (folder, *parts.values()):
        part.mkdir()
    options = [f"{name}={path}" for name, path in parts.items()] + [f"lowerdir={base.folder}"]
    more = ["-o", ",".join(options)] if kind == "overlay" else []
    command = ["mount", "-t", kind, kind, *more, str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"this user may not mount a {kind}")
    try:
        if kind != "overlay":
            shutil.copytree(base.folder, folder, dirs_exist_ok=True)
        yield Place(folder, base.server)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def killed_elsewhere(place: Place) -> None:
    """Run until the second trial on another machine, which then fails."""
    if subprocess.run(["unshare", "--uts", "true"], check=False).returncode:
        pytest.skip("this user may not name a machine")
    other = elsewhere(place)
    while "Trial 1 epoch 1:" not in place.text:
        assert other.poll() is None
    other.kill()
    other.wait()


def test_another_machines_unfinished_run_is_refused_where_locks_may_not_reach_it(
    base: Place, whole: Tables
) -> None:
    with mounted(base, "ramfs") as place:
        killed_elsewhere(place)
        kept = place.contents()
        refused = place.run()
        assert refused.code == 2, refused.said
        assert re.search(r"run \w+ on elsewhere \(file system ramfs\) has not ended", refused.said)
        assert place.contents() == kept
        assert elsewhere(place).wait() == 0
        wrong = losses(place, whole)
    counts = {"refused": 1, "differences": len(wrong)}
    record("another machine's unfinished run", "locks may not reach it (ramfs)", **counts)
    assert not wrong


@pytest.mark.parametrize("kind", ["tmpfs", "overlay"])
def test_a_study_that_moved_from_another_machine_is_continued(
    kind: str, base: Place, whole: Tables
) -> None:
    with mounted(base, kind) as place:
        killed_elsewhere(place)
        wrong = losses(place, whole)
    counts = {"refused": 0, "differences": len(wrong)}
    record("another machine's unfinished run", f"a local disk ({kind})", **counts)
    assert not wrong


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
            return subprocess.Popen(
                child(*command), cwd=base.folder, env=environment, stderr=output
            )

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


@pytest.mark.parametrize(
    ("where", "good"),
    [(">&- 2>&-", True), ("2>&-", True), ("<&- >&- 2>&-", True), (">/dev/full 2>&1", False)],
)
def test_a_run_that_can_print_nowhere_writes_the_same_files(
    where: str, good: bool, base: Place, whole: Tables
) -> None:
    always = " ".join(base.always)
    command = f"exec {sys.executable} -I {base.script.name} {always} {where}"
    done = subprocess.run(["bash", "-c", command], cwd=base.folder, check=False)
    assert (done.returncode == 0) is good  # a RESULT line that was not printed is an error
    assert read_log(base.log).damaged == []
    assert base.logged() == {"log": whole["log"]}
    assert not losses(base, whole)
