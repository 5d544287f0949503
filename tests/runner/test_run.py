"""`hpogen run`: order, slots, ends, stops."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from hpogen.run.stop_and_pause import PAUSE, STOP
from recover_trials.legacy.banners import parse_banner
from runner.harness import Room, gated
from scripts import QUICK, changed, edit, mortal, render_to

pytestmark = pytest.mark.study

LARGER = changed(QUICK, budget="9K", tolerance=0.9, architecture={"d_model": [8, 16]})


def banners(text: str) -> list[tuple[str, bool]]:
    """Return the experiments that begin and end, as recover-trials sees them."""
    found = [parse_banner(line) for line in text.splitlines()]
    return [(banner[0].experiment, banner[0].begins) for banner in found if banner]


def test_scripts_run_smallest_budget_first_and_are_skipped_when_finished(room: Room) -> None:
    large, small = render_to(room.folder, LARGER), render_to(room.folder, QUICK)
    said = room.run(large.name, small.name)
    expected = [(small.stem, True), (small.stem, False), (large.stem, True), (large.stem, False)]
    assert banners(said) == expected
    for script in (small, large):
        room.exact(script, 3)
        output = Path("logs", f"{script.stem}.out").read_text()
        assert banners(output) == [(script.stem, True)]
        assert "RESULT" in output
    again = room.run(large.name, small.name, "--in-order")
    assert re.findall(r"\[\d/\d\] Skipping: (\S+)", again) == [large.name, small.name]
    assert banners(again) == []
    more = room.run(small.name, large.name, "--n-trials", "4", "--start-from", large.name)
    assert banners(more) == expected[2:]
    room.exact(large, 4)
    room.exact(small, 3)


def test_a_plan_runs_and_only_what_matches(room: Room) -> None:
    config = {name: value for name, value in QUICK.items() if name not in ("budget", "horizon")}
    plan = {"budgets": ["2K"], "horizons": [1, 5], "config": config, "data": "sp500.csv"}
    Path("plan.yaml").write_text(json.dumps(plan))
    missing = room.run("plan.yaml", code=2)
    assert "2 of 2 scripts are missing" in missing
    assert "hpogen render --plan plan.yaml" in missing
    assert room.hpogen("render", "--plan", "plan.yaml", "-q").returncode == 0
    said = room.run("plan.yaml", "--only", "*_h5")
    assert banners(said) == [("hpo_2K_h5", True), ("hpo_2K_h5", False)]


def test_a_script_that_fails_does_not_end_the_others(room: Room) -> None:
    bad = render_to(room.folder, QUICK)
    edit(bad, ("DATA_SHA256: str | None = None", 'DATA_SHA256: str | None = "other"'))
    good = render_to(room.folder, LARGER)
    said = room.run(code=1)
    assert re.search(rf"FAILED: {bad.name} .*exit code 2.*: error: ", said)
    assert f"PASSED: {good.name}" in said
    assert re.search(rf"^{bad.stem} +failed \(exit code 2\)", said, re.MULTILINE)


def test_a_script_that_crashes_is_started_again_as_often_as_allowed(room: Room) -> None:
    script = mortal(render_to(room.folder, QUICK), [(0, 1), (1, 1), (2, 1)])
    failed = room.run("--restarts", "1", code=1)
    assert failed.count("Starting:") == 2
    assert "exit code 9" in failed
    assert room.run().count("Starting:") == 2
    room.exact(script, 3)


def test_a_script_that_hangs_is_reported_and_a_second_signal_kills_it(room: Room) -> None:
    script = gated(render_to(room.folder, QUICK))
    room.hold(1)
    runner = room.start("--stall", "0.001")
    runner.until(room.in_trial(script, 1))
    runner.until_said("on auto hangs: no line for")
    runner.signal(signal.SIGTERM)
    runner.until_said("stopping: SIGTERM")
    runner.signal(signal.SIGTERM)
    assert runner.wait() == 143, runner.said


def test_a_script_that_hangs_is_killed_and_started_again(room: Room) -> None:
    script = gated(render_to(room.folder, QUICK))
    hold = room.hold(1)
    # A slow machine looks like a hanging script, so that many restarts are allowed.
    runner = room.start("--stall", "0.1", "--kill-stalled", "--restarts", "1000")
    runner.until(room.in_trial(script, 1))
    runner.until_said("crashed, exit code -9")
    hold.unlink()
    assert runner.wait() == 0, runner.said
    assert "on auto hangs" in runner.said


def test_edits_and_deletions_do_not_change_what_runs(room: Room) -> None:
    first, second = gated(render_to(room.folder, QUICK)), render_to(room.folder, LARGER)
    hold = room.hold(0)
    runner = room.start()
    runner.until(room.in_trial(first, 0))
    first.write_text("raise SystemExit(5)\n")
    second.unlink()
    hold.unlink()
    assert runner.wait() == 0, runner.said
    room.exact(first, 3)
    room.exact(second, 3)


def test_a_second_runner_in_a_folder_is_refused(room: Room) -> None:
    script = gated(render_to(room.folder, QUICK))
    hold = room.hold(0)
    runner = room.start()
    runner.until(room.in_trial(script, 0))
    assert f"process {runner.process.pid}" in room.run(code=2)
    hold.unlink()
    assert runner.wait() == 0, runner.said
    assert room.log(script).count(" started: ") == 1


def test_a_runner_takes_over_the_script_of_a_killed_one(room: Room) -> None:
    script = gated(render_to(room.folder, changed(QUICK, study={"n_trials": 5})))
    holds = [room.hold(number) for number in (1, 2, 3)]
    for number, hold in enumerate(holds[:2], 1):
        runner = room.start("--args", "--checkpoint-minutes 0")
        runner.until(room.in_trial(script, number))
        runner.signal(signal.SIGKILL)
        assert runner.wait() == -9
        hold.unlink()
    runner = room.start("--args", "--checkpoint-minutes 0")
    runner.until(room.in_trial(script, 3))
    runner.until_said("still running, of an earlier runner")
    assert room.log(script).count(" started: ") == 1  # the process of the first runner
    assert "Starting:" not in runner.said
    os.killpg(room.group(script), signal.SIGKILL)
    holds[2].unlink()
    assert runner.wait() == 0, runner.said
    room.exact(script, 5)
    assert room.log(script).count(" started: ") == 2


def test_a_signal_stops_a_taken_over_script_resumably(room: Room) -> None:
    script = gated(render_to(room.folder, QUICK))
    hold = room.hold(1)
    first = room.start()
    first.until(room.in_trial(script, 1))
    first.signal(signal.SIGKILL)
    first.wait()
    second = room.start()
    second.until_said("still running")
    second.signal(signal.SIGINT)
    second.until_said("stopping: SIGINT")
    hold.unlink()
    assert second.wait() == 130, second.said
    assert 'ended: reason="SIGINT"' in room.log(script)
    room.run()
    room.exact(script, 3)
    assert "Trial 1 resumed:" in room.log(script)


def test_stop_during_a_start_ends_the_runner_until_it_is_removed(room: Room) -> None:
    script = gated(render_to(room.folder, changed(QUICK, study={"n_trials": 20})))
    hold = room.hold(0)
    runner = room.start()
    runner.until_said("Starting:")
    STOP.touch()
    runner.until_said("stopping: logs/STOP exists")
    hold.unlink()
    assert runner.wait() == 75, runner.said
    assert "Starting:" not in room.run(code=75)
    STOP.unlink()
    room.run()
    room.exact(script, 20)


def test_pause_frees_the_device_until_it_is_removed(room: Room) -> None:
    script = gated(render_to(room.folder, QUICK))
    hold = room.hold(1)
    runner = room.start()
    runner.until(room.in_trial(script, 1))
    PAUSE.touch()
    runner.until_said("paused: logs/PAUSE exists")
    hold.unlink()
    runner.until(lambda: 'ended: reason="SIGTERM"' in room.log(script))
    PAUSE.unlink()
    assert runner.wait() == 0, runner.said
    room.exact(script, 3)
    assert runner.said.count("Starting:") == 2


def test_no_script_starts_after_the_timeout(room: Room) -> None:
    render_to(room.folder, QUICK)
    said = room.run("--timeout", "1e-9", code=75)
    assert "stopping: timeout" in said
    assert "Starting:" not in said


def test_each_slot_has_a_script_and_workers_share_one_if_spread(room: Room) -> None:
    first = gated(render_to(room.folder, changed(QUICK, study={"n_trials": 8})))
    second = gated(render_to(room.folder, changed(QUICK, horizon=5)))
    hold = room.hold(0)
    runner = room.start("--slots", "cpu,cpu")
    for script in (first, second):
        runner.until(room.in_trial(script, 0))
    runner.signal(signal.SIGTERM)
    runner.until_said("stopping")
    hold.unlink()
    assert runner.wait() == 143, runner.said
    hold = room.hold(7)
    runner = room.start("--slots", "cpu,cpu", "--spread")
    runner.until(lambda: room.log(first).count(" started: ") >= 3)
    hold.unlink()
    assert runner.wait() == 0, runner.said
    assert Path("logs", f"{first.stem}.1.out").exists()
    room.exact(first, 8)
    room.exact(second, 3)


def test_a_terminal_shows_a_live_table(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    render_to(room.folder, QUICK)
    monkeypatch.setenv("FORCE_COLOR", "1")
    said = room.run()
    assert "\x1b[" in said
    assert said.count("time left") > 1
