"""Trials as plain data: parsed, compared, copied."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import hpo_script
import recover_trials
from recover_trials import Trial, read_trials
from recover_trials.model import CUT

STAMP = "[I 2026-11-21 10:15:0{0},123] Trial {0} finished with value: 0.5 and parameters: "
BEST = ". Best is trial 0 with value: 0.5.\n"


def log_of(*params: str) -> bytes:
    """Return a log with a first trial and one trial for each text of parameters."""
    texts = enumerate(["{'x': 0}", *params])
    return "".join(STAMP.format(number) + text + BEST for number, text in texts).encode()


def trials_of(*params: str) -> list[Trial]:
    """Return the trials after the first one."""
    (study,) = read_trials([[log_of(), log_of(*params)[len(log_of()) :]]]).studies
    return study.rows[1:]


def test_parameters_of_a_block_are_parsed() -> None:
    first, second = trials_of("{'x': 1, 'y': 'a'}", "{'x': nan, 'z': (1, None)}")

    assert first.params == {"x": 1, "y": "a"}
    assert repr(second.params) == "{'x': nan, 'z': (1, None)}"
    assert (first.flags, second.flags) == ([], [])


@pytest.mark.parametrize("text", ["{1, 2}", "{'a': 'it's'}"])
def test_parameters_that_are_no_mapping_are_flagged(text: str) -> None:
    whole, cut = trials_of("{'x': 1}", text)

    assert (whole.params, whole.flags) == ({"x": 1}, [])
    assert (cut.flags, cut.params, cut.value) == ([CUT], {}, 0.5)


def test_trials_are_copied_and_pickled() -> None:
    (trial,) = trials_of("{'x': 1}")

    assert copy.deepcopy(trial) == pickle.loads(pickle.dumps(trial)) == trial
    assert trial != trials_of("{'x': 2}")[0]


def test_reading_needs_the_standard_library_alone(tmp_path: Path) -> None:
    (log := tmp_path / "a.log").write_bytes(log_of(*["{'x': 1}"] * 3))
    folders = [str(Path(module.__path__[0]).parent) for module in (recover_trials, hpo_script)]
    code = f"import sys; sys.path[:0] = {folders}; from recover_trials import read_trials; "
    code += "print(len(read_trials(sys.argv[1]).studies[0].rows))"
    command = [sys.executable, "-S", "-c", code, log]

    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "4\n"
