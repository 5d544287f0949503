"""Array jobs without a Slurm: their scripts, the codes that decide, what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from hpogen.cli import main
from hpogen.run.script_order import Script
from hpogen.run.slurm import Request, decisive, job_script, minutes_of
from hpogen.run.worker import LOST

SCRIPT = Script(Path("a b.py"), "", "a b", 9000, 3, "data.csv", 9000, 9000)


def test_a_job_script_is_bash_and_asks_for_what_was_given(tmp_path: Path) -> None:
    request = Request(4, "gpu", "a100:1", "24:00:00", ("--mem=8G",))
    path = tmp_path / "job.sh"
    path.write_text(job_script(SCRIPT, request, 3, ["python", "a b.py"], {"PYTHONPATH": "x y"}))
    subprocess.run(["bash", "-n", str(path)], check=True)
    lines = path.read_text().splitlines()
    asked = {line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")}
    assert asked >= {
        *("--requeue", "--signal=B:USR1@120", "--array=0-2", "--partition=gpu"),
        *("--gpus=a100:1", "--time=24:00:00", "--mem=8G", "--open-mode=append"),
    }
    assert "python 'a b.py' & child=$!" in lines
    assert "export PYTHONPATH='x y'" in lines


@pytest.mark.parametrize(
    ("codes", "decides"),
    [
        ([0, 0], 0),
        ([0, None], LOST),
        ([2, None], 2),
        ([1, 134], 134),
        ([0, 75], 75),
        ([0, 1], 0),
    ],
)
def test_the_gravest_code_of_a_task_decides(codes: list[int | None], decides: int) -> None:
    assert decisive(codes) == decides


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [
        ("90", 90),
        ("90:30", 90.5),
        ("2:00:00", 120),
        ("1-2", 1560),
        ("1-0:30", 1470),
        ("UNLIMITED", None),
    ],
)
def test_time_limits_are_read_as_slurm_does(limit: str, minutes: float | None) -> None:
    assert minutes_of(limit) == minutes


def test_a_time_limit_that_leaves_no_time_to_train_is_refused() -> None:
    done = CliRunner().invoke(main, ["run", "a.py", "--slurm", "--time", "2:30"])
    assert done.exit_code == 2
    assert "at least 5 minutes" in done.stderr


def test_a_machine_without_slurm_is_exit_code_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = CliRunner().invoke(main, ["run", "a.py", "--slurm"])
    assert done.exit_code == 3
    assert "sbatch" in done.stderr


@pytest.mark.parametrize("option", ["--partition=gpu", "--workers=2", "--detach", "--time=1:00"])
def test_an_option_of_slurm_alone_is_refused(option: str) -> None:
    done = CliRunner().invoke(main, ["run", "a.py", option])
    assert done.exit_code == 2
    assert f"{option.partition('=')[0]} needs --slurm" in done.stderr
