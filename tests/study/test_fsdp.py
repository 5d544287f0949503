"""`--with fsdp`: two ranks of torchrun train as one process does, and end together."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from children import child
from hpo_script.machinery.device import ShapeCost
from hpogen.errors import ConfigError
from scripts import (
    MARKET,
    TEXT,
    changed,
    log_of,
    render_to,
    run,
    spec_of,
    study_of,
)

pytestmark = pytest.mark.study
CONFIG = changed(
    TEXT, sections=["fsdp"], study={"n_trials": 2}, fixed={"steps": 24, "dropout": 0.0}
)
RUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--"]


def start(script: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a script on two ranks."""
    words = [sys.executable, *RUN, script.name, "--device", "cpu", *arguments]
    return subprocess.Popen(
        child(*words),
        cwd=script.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ranks_of(script: Path, rank: int) -> list[int]:
    """Return the processes of a rank that run a script."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            words = (folder / "cmdline").read_bytes().split(b"\0")
            here = (folder / "cwd").resolve() == script.parent.resolve()
        except OSError:
            continue
        runs = script.name.encode() in words and f"RANK={rank}".encode() in environment
        if here and runs:
            found.append(int(folder.name))
    return found


def wait_for_step(script: Path, step: int, process: subprocess.Popen[str]) -> None:
    """Wait until the log has an evaluation of trial 1."""
    while not (log_of(script).exists() and f"Trial 1 step {step}:" in log_of(script).read_text()):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def curves(script: Path) -> list[list[dict[str, Any]]]:
    return [trial.curve for trial in study_of(script).trials.values()]


def same(one: list[list[dict[str, Any]]], other: list[list[dict[str, Any]]]) -> bool:
    """Return whether curves have equal losses, to six digits."""
    assert [len(curve) for curve in one] == [len(curve) for curve in other] == [6, 6]
    return all(
        a["val_loss"] == pytest.approx(b["val_loss"], rel=1e-6)
        and a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-6)
        for ours, theirs in zip(one, other, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    )


@pytest.fixture
def alone(tmp_path: Path, text: Path) -> list[list[dict[str, Any]]]:
    """Return the curves of a script without the section."""
    (folder := tmp_path / "alone").mkdir()
    script = render_to(folder, changed(CONFIG, sections=[], data={"data_path": str(text)}))
    assert run(script, "--device", "cpu").returncode == 0
    return curves(script)


@pytest.mark.slow
def test_two_ranks_have_the_losses_of_one_process(
    alone: list[list[dict[str, Any]]], tmp_path: Path, text: Path
) -> None:
    script = render_to(tmp_path, changed(CONFIG, data={"data_path": str(text)}))
    process = start(script)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    (about,) = study_of(script).runs.values()
    assert about["overrides"]["ranks"] == "2"
    assert same(curves(script), alone)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_ends_the_others_and_a_new_run_resumes(
    rank: int, alone: list[list[dict[str, Any]]], tmp_path: Path, text: Path
) -> None:
    script = render_to(tmp_path, changed(CONFIG, data={"data_path": str(text)}))
    process = start(script, "--checkpoint-minutes", "0")
    wait_for_step(script, 8, process)
    (killed,) = ranks_of(script, rank)
    os.kill(killed, signal.SIGKILL)
    output = process.communicate()[0]
    assert process.returncode == 1
    assert ranks_of(script, 0) == ranks_of(script, 1) == []
    states = [trial.state for trial in study_of(script).trials.values()]
    assert states == ["COMPLETE", "RUNNING"], output
    process = start(script)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert re.search("trial 1 continues after step ([1-9])", output)
    assert same(curves(script), alone)


@pytest.mark.slow
def test_a_signal_ends_all_ranks_after_a_checkpoint_from_which_one_process_continues(
    alone: list[list[dict[str, Any]]], tmp_path: Path, text: Path
) -> None:
    script = render_to(tmp_path, changed(CONFIG, data={"data_path": str(text)}))
    process = start(script)
    wait_for_step(script, 8, process)
    process.terminate()
    output = process.communicate()[0]
    assert "stopped: SIGTERM" in output
    assert list((tmp_path / "outputs").rglob("trial_0001.pt"))
    done = run(script, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert same(curves(script), alone)


def test_the_dry_run_plans_the_memory_of_a_rank(tmp_path: Path, text: Path) -> None:
    script = render_to(tmp_path, changed(CONFIG, data={"data_path": str(text)}))
    done = run(script, "--dry-run", "--trial-seconds", "1", "--rank-gb", "0.0003", "--ranks", "8")
    assert done.returncode == 0, done.stderr
    assert "too large for this machine: 0." in done.stdout
    cost = ShapeCost(20_000, sample_bytes=1000, sample_flops=1)
    assert cost.micro_batch(300_000, 16) == 0
    assert cost._replace(ranks=8).micro_batch(300_000, 16) == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sections": ["fsdp", "storage"]}, "leave out storage"),
        ({"sections": ["fsdp"], "fixed": {"loss": "soft_auc"}}, "choose another loss"),
    ],
)
def test_what_several_devices_do_not_allow_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        spec_of(tmp_path, changed(MARKET, **changes))
