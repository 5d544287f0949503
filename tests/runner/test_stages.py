"""Plans with stages: each script is rendered from the log of the one before."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from finals import command, events, names
from hpogen.run.script_order import plan_scripts
from runner.harness import Room, gated
from scripts import QUICK, changed, load, run

pytestmark = pytest.mark.study

S0, S1, FINAL = "hpo_2K_h1_S0", "hpo_2K_h1_S1", "final_hpo_2K_h1_S1"
STAGES: list[dict[str, Any]] = [
    {"n_trials": 3},
    {"n_trials": 2, "top": 2, "pad": 0},
    {"kind": "final", "seeds": 1, "train_on": "train+validation"},
]


def write_plan(stages: Sequence[dict[str, Any]]) -> None:
    """Write the plan, and render its first stage."""
    config = changed(QUICK, fixed={"epochs": 2})
    plan = {"budgets": [config.pop("budget")], "horizons": [config.pop("horizon")]}
    Path("plan.yaml").write_text(json.dumps({**plan, "stages": stages, "config": config}))
    done = command("render", "--plan", "plan.yaml")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{S0}.py\n"


def later(room: Room, number: int) -> Path:
    """Render a later stage as the runner would; return its script."""
    (stages,) = plan_scripts(Path("plan.yaml")).values()
    stages[number - 1].write(Path("logs", f"{stages[number - 1].before.stem}.log"))
    return room.folder / stages[number - 1].path


def states(words: str) -> list[tuple[str, str]]:
    """Return name and state of each study."""
    found = json.loads(command("status", words, "--json").stdout)
    return [(row["name"], row["state"]) for row in found]


def test_stages_run_to_the_end_in_spite_of_kills(room: Room) -> None:
    write_plan(STAGES[:2])
    assert run(room.folder / f"{S0}.py").returncode == 0  # killed before S1 was rendered
    assert states("plan.yaml") == [(S0, "finished"), (S1, "waiting")]
    script = gated(later(room, 1))  # killed before it was started; an edit does not change it
    hold = room.hold(1)
    runner = room.start("plan.yaml")
    runner.until(room.in_trial(script, 1))
    assert states("plan.yaml") == [(S0, "finished"), (S1, "running")]
    runner.signal(signal.SIGKILL)
    runner.wait()
    runner = room.start("plan.yaml")
    runner.until_said(f"[2/2] still running, of an earlier runner: {S1}")
    os.killpg(room.group(script), signal.SIGKILL)
    hold.unlink()
    assert runner.wait() == 0, runner.said
    room.exact(room.folder / f"{S0}.py", 3)
    room.exact(script, 2)
    before, after = load(room.folder / f"{S0}.py"), load(script)
    assert (after["NAME"], after["N_TRIALS"]) == (S1, 2)
    assert after["SEARCH_SPACE"] != before["SEARCH_SPACE"]


@pytest.mark.slow
def test_the_final_script_is_the_last_stage(room: Room) -> None:
    write_plan(STAGES)
    room.run("plan.yaml")
    kinds = names(events(room.folder / f"{FINAL}.py"))
    assert kinds.count("trial_end") == kinds.count("test_result") == 1
    assert load(room.folder / f"{FINAL}.py")["TRAIN_ON"] == "train+validation"
    assert states("plan.yaml") == [(S0, "finished"), (S1, "finished"), (FINAL, "finished")]
    order = [line.split()[0] for line in command("report", "plan.yaml").stdout.splitlines()[1:4]]
    assert order == [S0, S1, FINAL]
    log = Path("logs", f"{FINAL}.log")
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(line for line in lines if b" tested: " not in line))
    assert states("plan.yaml")[2] != (FINAL, "finished")  # its test split is not evaluated
    write_plan([{"n_trials": 5}, *STAGES[1:]])
    said = room.run("plan.yaml", code=1)
    assert f"[1/3] PASSED: {S0}.py" in said
    assert f"[2/3] FAILED: {S1}.py  {S1}.py is not the script that logs/{S0}.log" in said
