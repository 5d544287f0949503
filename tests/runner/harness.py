"""A folder with small scripts, and runners in it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from hpogen.run.script_order import COPIES
from hpogen.run.worker import end_at_once, survivor, survivors
from scripts import edit, installed, log_of, run_in, study_of, warm
from warm import Run

GATE = """\
def gate(number: int) -> None:
    while Path(f"hold-{number}").exists():
        time.sleep(0.01)


class KilledError(Exception):"""


def gated(script: Path) -> Path:
    """Let a script wait in trial N, after a batch, as long as there is a file hold-N."""
    inner = "            self.progress.update(share)\n"
    return edit(
        script,
        ("class KilledError(Exception):", GATE),
        (inner, f"            gate(number)\n{inner}"),
    )


class Runner:
    """A process of `hpogen run`, killed when the tests end."""

    def __init__(self, folder: Path, python: Path, *arguments: str) -> None:
        self.output = folder / f"runner-{time.monotonic_ns()}.txt"
        words = [installed("hpogen"), "run", *arguments, "--python", str(python)]
        with self.output.open("wb") as file:
            self.process = Run(warm().socket, folder, words, (file.fileno(), file.fileno()))

    @property
    def said(self) -> str:
        """Return its output so far."""
        return self.output.read_text()

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        code = self.process.wait()
        assert code is not None
        return code

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds, as long as the runner runs."""
        while not condition():
            assert self.process.poll() is None, self.said
            time.sleep(0.02)

    def until_said(self, text: str) -> None:
        """Wait until the runner has written a text."""
        self.until(lambda: text in self.said)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


class Room:
    """A folder of scripts."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder, self.python, self.runners = folder, python, list[Runner]()

    def start(self, *arguments: str) -> Runner:
        """Start a runner of all scripts, unless some are given."""
        scripts = [] if any(a.endswith((".py", ".yaml")) for a in arguments) else self.scripts
        self.runners.append(Runner(self.folder, self.python, *scripts, *arguments))
        return self.runners[-1]

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run scripts until the runner ends with an exit code; return its output."""
        runner = self.start(*arguments)
        assert runner.wait() == code, runner.said
        return runner.said

    def close(self) -> None:
        """End all runners and the scripts that they have left."""
        for runner in self.runners:
            runner.signal(signal.SIGKILL)
            runner.wait()
        end_at_once(survivors())

    def hpogen(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of hpogen."""
        return run_in(self.folder, installed("hpogen"), *arguments)

    @property
    def scripts(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("hpo_*.py"))

    def hold(self, number: int) -> Path:
        """Let gated scripts wait in a trial until the returned file is removed."""
        path = self.folder / f"hold-{number}"
        path.touch()
        return path

    def log(self, script: Path) -> str:
        """Return the log of a script, empty before it begins."""
        path = log_of(script)
        return path.read_text() if path.exists() else ""

    def in_trial(self, script: Path, number: int) -> Callable[[], bool]:
        """Return the condition that a script has started a trial."""
        return lambda: f"Trial {number}: arch_idx" in self.log(script)

    def group(self, script: Path) -> int:
        """Return the process group of a script that runs."""
        group = survivor(COPIES / f"{script.stem}.0.lock").group
        assert group is not None
        return group

    def exact(self, script: Path, total: int) -> None:
        """Assert that a study has its trials, each ended once."""
        trials = study_of(script).trials
        assert sorted(trials) == list(range(total))
        assert {trial.state for trial in trials.values()} == {"COMPLETE"}
        assert self.log(script).count(" ended: arch_idx=") == total
