"""Problems before the first start, full disks, and the table from logs alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from full_disk import full_disk
from hpogen.run.script_order import LOGS
from runner.harness import Room, gated
from scripts import QUICK, changed, edit, log_of, render_to, run

pytestmark = pytest.mark.study
LARGE = 100_000


def test_all_problems_are_reported_at_once_and_nothing_starts(room: Room) -> None:
    script = render_to(room.folder, QUICK)
    other = render_to(room.folder, changed(QUICK, horizon=5, data={"data_path": "absent.csv"}))
    shutil.copy(script, "hpo_copy.py")
    Path("hpo_plain.py").write_text("print()\n")
    scripts = (script.name, other.name, "hpo_copy.py", "hpo_plain.py", "hpo_absent.py")
    said = room.run(*scripts, "--slots", "cuda:7,cpu", code=2)
    for problem in (
        "nothing was started:",
        "hpo_plain.py: no script of hpogen: no constant NAME",
        "hpo_absent.py: No such file or directory",
        f"one study, {script.stem}, for several scripts: {script.name}, hpo_copy.py",
        f"no such data: absent.csv ({other.stem}); give it with --data",
        "--slots cuda:7: not on this machine; there are cpu",
    ):
        assert problem in said
    assert "Starting:" not in said


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--slots", "cuda:x"], "--slots cuda:x: write auto, cpu, mps, cuda or cuda:N"),
        (["--args", "--log x"], "--args: --log cannot be given to each script"),
        (["--args", "'"], "--args ': No closing quotation"),
        (["--start-from", "x"], "--start-from x: not among hpo_2K_h1"),
        (["--only", "x"], "--only x: matches no script"),
        (["--python", "./absent"], "--python ./absent: [Errno 2] No such file or directory"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], problem: str, room: Room) -> None:
    render_to(room.folder, QUICK)
    done = room.hpogen("run", "hpo_2K_h1.py", *arguments)
    assert done.returncode == 2
    assert problem in done.stderr


def test_a_script_edited_since_its_log_began_is_reported(room: Room) -> None:
    script = render_to(room.folder, QUICK)
    assert run(script, "--n-trials", "1").returncode == 0
    edit(script, ("class DivergedError(Exception):", "class DivergedError(Exception):  # same"))
    said = room.run(code=2)
    assert f"{script.name}: its experiment was edited since logs/{script.stem}.log began" in said
    assert f"warning: {script.name} was edited" in said


def test_check_starts_nothing(room: Room) -> None:
    script = render_to(room.folder, QUICK)
    said = room.run("--check")
    assert f"{script.stem}  waiting" in said
    assert "''" not in said  # a place without a value is empty
    assert not log_of(script).exists()
    room.run()
    before = log_of(script).read_bytes()
    assert f"{script.stem}  finished" in room.run("--check")
    assert f"{script.stem}  waiting" in room.run("--check", "--n-trials", "4")
    assert log_of(script).read_bytes() == before


def test_a_full_disk_is_reported_and_the_next_runner_finishes(room: Room) -> None:
    script = render_to(room.folder, QUICK)
    with full_disk(1000):
        said = room.run(code=2)
    assert "File too large" in said
    assert "Traceback" not in said
    room.run()
    room.exact(script, 3)


def test_output_that_does_not_fit_does_not_end_a_study(room: Room) -> None:
    script = render_to(room.folder, QUICK)
    LOGS.mkdir()
    size = max(script.stat().st_size + 1, LARGE)
    (LOGS / f"{script.stem}.out").write_bytes(bytes(size))
    with full_disk(size):
        room.run()
    room.exact(script, 3)


def test_status_needs_only_the_logs(room: Room) -> None:
    script = gated(render_to(room.folder, QUICK))
    waiting = render_to(room.folder, changed(QUICK, horizon=5))
    hold = room.hold(1)
    runner = room.start(script.name)
    runner.until(room.in_trial(script, 1))
    (one,) = json.loads(room.hpogen("status", str(log_of(script)), "--json").stdout)
    assert (one["state"], one["ended"], one["n_trials"]) == ("running", 1, 3)
    assert one["best_trial"] == 0
    assert one["seconds_left"] is not None
    hold.unlink()
    assert runner.wait() == 0
    elsewhere = Path("elsewhere", "logs")
    shutil.copytree("logs", elsewhere)
    log = elsewhere / log_of(script).name
    (two,) = json.loads(room.hpogen("status", str(log), "--json").stdout)
    assert (two["state"], two["ended"], two["failed"]) == ("finished", 3, 0)
    table = room.hpogen("status", script.name, waiting.name).stdout.splitlines()
    assert [line.split()[:2] for line in table[1:]] == [
        [script.stem, "finished"],
        [waiting.stem, "waiting"],
    ]
    absent = room.hpogen("status", "absent.log")
    assert (absent.returncode, absent.stderr) == (2, "error: no such log: absent.log\n")
