"""What changes around a run: its data, its clock, its terminal, another script in its folder."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from optuna import get_all_study_summaries

from faults.harness import SMALL, Place, Tables, wait_for
from faults.write_points import losses
from hpogen.demo_data import prices
from scripts import changed, read_json, render_to

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


# --- Data ----------------------------------------------------------------------------------------


def vanish(data: Path) -> None:
    data.unlink()


def alter(data: Path) -> None:
    text = data.read_bytes().rstrip()
    data.write_bytes(text[:-1] + (b"1\n" if text[-1:] == b"0" else b"0\n"))


def cut(data: Path) -> None:
    lines = data.read_bytes().splitlines(keepends=True)
    data.write_bytes(b"".join(lines[:-1]))


CHANGES = {"vanished": vanish, "altered": alter, "a row fewer": cut}


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("moment", ["between trials", "within a trial"])
def test_a_study_whose_data_changed_is_refused_and_nothing_is_written(
    how: str, moment: str, base: Place, whole: Tables
) -> None:
    if moment == "between trials":
        base.finish("--n-trials", "1")
    else:
        run = base.start()
        wait_for(lambda: "Trial 1 epoch 1:" in base.text, run)
        run.kill()
    data = base.folder / "sp500.csv"
    before = data.read_bytes()
    CHANGES[how](data)
    assert data.exists() is (how != "vanished")
    kept = base.contents()
    refused = base.run()
    assert refused.code == 2, refused.said
    assert "Traceback" not in refused.said
    assert ("sp500.csv" if how == "vanished" else "data_sha256 was ") in refused.said
    assert base.contents() == kept
    data.write_bytes(before)
    assert not losses(base, whole)


def test_data_that_were_never_there_leave_an_empty_folder(base: Place) -> None:
    (base.folder / "sp500.csv").unlink()
    kept = base.contents()
    refused = base.run()
    assert refused.code == 2
    assert "sp500.csv" in refused.said
    assert base.contents() == kept
    assert not (base.folder / "outputs").exists()


def test_data_that_vanish_within_a_run_are_not_missed(base: Place, whole: Tables) -> None:
    run = base.start()
    wait_for(lambda: "Trial 0 epoch 1:" in base.text, run)
    (base.folder / "sp500.csv").unlink()
    assert run.wait().code == 0, run.said
    (base.folder / "sp500.csv").write_bytes(prices("sp500"))
    assert not losses(base, whole)


# --- Two scripts ---------------------------------------------------------------------------------


def other(place: Place) -> Place:
    """Return another study in the same folder, of another horizon."""
    name = render_to(place.folder, changed(SMALL, horizon=5)).name
    found = Place.__new__(type(place))
    found.__dict__ |= {**place.__dict__, "script": place.folder / name, "runs": 100}
    return found


def test_another_script_on_the_folder_of_a_study_is_refused_and_nothing_is_written(
    base: Place, whole: Tables
) -> None:
    folder = ("--out", str(base.out.relative_to(base.folder)))
    base.finish("--n-trials", "1")
    second = other(base)
    kept = base.contents()
    refused = second.run(*folder)
    assert refused.code == 2, refused.said
    assert "is there, but the storage has no study" in refused.said
    assert base.contents() == kept
    assert not losses(base, whole)


def test_a_study_that_runs_elsewhere_is_refused_on_the_folder_of_another(
    base: Place, whole: Tables
) -> None:
    second = other(base)
    base.storage = second.storage = f"sqlite:///{base.folder}/both.db"
    for place in (base, second):
        place.finish("--n-trials", "1")
    kept = base.contents()
    refused = second.run("--out", str(base.out.relative_to(base.folder)))
    assert refused.code == 2, refused.said
    assert "is of another study" in refused.said
    assert base.contents() == kept
    assert not losses(base, whole)


def test_of_two_scripts_that_start_at_once_on_a_folder_one_is_refused(base: Place) -> None:
    shared = ("--out", "shared")
    runs = [place.start(*shared) for place in (base, other(base))]
    assert sorted(run.wait().code or 0 for run in runs) == [0, 2], [run.said for run in runs]
    (said,) = (run.said for run in runs if run.code == 2)
    assert "give another --out" in said
    database = f"sqlite:///{base.folder}/shared/study.db"
    (study,) = get_all_study_summaries(database)
    records = read_json(base.folder / "shared" / "all_trials.json")
    assert records["experiment"] in study.study_name
    assert [row["state"] for row in records["trials"]] == ["COMPLETE"] * 3


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
    assert second.wait(120) == 0, shown.read_text()
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
    lines = base.log.read_text().splitlines()
    assert all(re.match(r"\[[IW] \d{4}-", line) for line in lines), "not only log lines"
    assert not losses(base, whole)
