"""Trials as plain data: what is read late, compared, copied."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import hpo_script
import recover_trials
from recover_trials import Recovery, Trial, read_trials
from recover_trials.model import CUT, Study

STAMP = "[I 2026-11-21 10:15:0{0},123] Trial {0} finished with value: 0.5 and parameters: "
BEST = ". Best is trial 0 with value: 0.5.\n"


def log_of(*params: str) -> bytes:
    """Return the log of a trial for each text of parameters, behind a first one."""
    told = enumerate(["{'x': 0}", *params])
    return "".join(STAMP.format(number) + text + BEST for number, text in told).encode()


def trials_of(*params: str) -> list[Trial]:
    """Return the trials behind the first one."""
    (study,) = read_trials([[log_of(), log_of(*params)[len(log_of()) :]]]).studies
    return study.rows[1:]


def is_read(trial: Trial) -> bool:
    """Tell whether the parameters of a trial are there."""
    try:
        object.__getattribute__(trial, "params")
    except AttributeError:
        return False
    return True


def test_parameters_stay_text_until_one_is_asked_for() -> None:
    first, second = trials_of("{'x': 1, 'y': 'a'}", "{'x': nan, 'z': (1, None)}")

    assert not is_read(first)
    assert first.params == {"x": 1, "y": "a"}
    assert not is_read(second)
    assert repr(second.params) == "{'x': nan, 'z': (1, None)}"
    assert (first.flags, second.flags) == ([], [])


def test_what_is_put_in_place_of_unread_parameters_stays() -> None:
    (trial,) = trials_of("{'x': 1}")

    trial.params = {"x": 2}
    assert trial.flags == []
    assert trial.params == {"x": 2}


@pytest.mark.parametrize("text", ["{'act': <class 'torch.nn.ReLU'>}", "{1, 2}", "{'a': 'it's'}"])
def test_parameters_that_are_no_mapping_are_flagged_when_they_are_asked_for(text: str) -> None:
    whole, cut = trials_of("{'x': 1}", text)

    assert (whole.params, whole.flags) == ({"x": 1}, [])
    assert (cut.flags, cut.params, cut.value) == ([CUT], {}, 0.5)


def test_an_unread_trial_is_copied_and_pickled_with_its_parameters() -> None:
    for made in (copy.copy, copy.deepcopy, lambda trial: pickle.loads(pickle.dumps(trial))):
        (trial,) = trials_of("{'x': 1}")

        assert made(trial) == trials_of("{'x': 1}")[0] != trials_of("{'x': 2}")[0]


def test_dataclasses_serve_studies_and_trials() -> None:
    (trial,) = trials_of("{'x': 1}")

    assert dataclasses.asdict(trial)["params"] == {"x": 1}
    assert dataclasses.replace(trial, state="FAIL") == trial.but(state="FAIL") != trial
    assert [field.name for field in dataclasses.fields(Study)][:3] == ["key", "name", "source"]
    assert repr(Recovery([])) == "Recovery(studies=[], problems=[], files={})"
    with pytest.raises(TypeError, match="Trial has no colour"):
        trial.but(colour="red")


def told_by(code: str, log: Path) -> str:
    """Return what a process of its own prints, which has loaded nothing before."""
    folders = [str(Path(module.__path__[0]).parent) for module in (recover_trials, hpo_script)]
    start = f"import gc, sys; sys.path[:0] = {folders}; from recover_trials import read_trials; "
    command = [sys.executable, "-S", "-c", start + code, log]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_log_of_optuna_is_read_without_modules_it_does_not_need(tmp_path: Path) -> None:
    (log := tmp_path / "a.log").write_bytes(log_of(*["{'x': 1}"] * 3))
    others = {"click", "csv", "pathlib", "rich", "sqlite3"}
    code = "print(len(read_trials(sys.argv[1]).studies[0].rows), *sys.modules)"

    count, *loaded = told_by(code, log).split()
    assert count == "4"
    assert {*loaded} & others == set()


def test_reading_leaves_the_collector_of_its_host_as_it_was(tmp_path: Path) -> None:
    (log := tmp_path / "a.log").write_bytes(log_of())
    read = "read_trials(sys.argv[1]); print(gc.get_freeze_count() > 0, gc.isenabled())"

    assert told_by(read, log) == "False True"
    assert told_by(f"gc.disable(); {read}", log) == "False False"
    assert told_by(f"gc.freeze(); {read}", log) == "True True"
