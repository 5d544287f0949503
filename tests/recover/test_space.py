"""The search space of a script is read as it is; hostile text is refused and never runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution

from recover_samples import ARCHITECTURE, HOSTILE_TEXTS, OTHER_STUDY, SampleLog, recover_one
from recover_trials.errors import RebuildError, UnreadableError
from recover_trials.frozen import freeze
from recover_trials.move import move
from recover_trials.space import read_space
from scripts import MARKET, changed, load, render_to

CONFIG = changed(
    MARKET,
    metric="val_loss",
    search={
        "loss": {"type": "categorical", "choices": ["bce", "focal"]},
        "epochs": {"type": "int", "low": 1, "high": 3},
    },
    fixed={"epochs": None},
)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_to(tmp_path_factory.mktemp("space"), CONFIG)


def test_a_space_is_read_as_the_script_makes_it(script: Path) -> None:
    names, found = load(script), read_space(script)
    experiment = names["make_experiment"]()
    assert found.about == names["space_of"](experiment)
    assert found.experiment.searched == experiment.searched
    assert found.experiment.space.shapes == experiment.space.shapes
    assert found.distributions["loss"] == CategoricalDistribution(["bce", "focal"])


def with_constant(script: Path, folder: Path, name: str, literal: str) -> Path:
    """Return a copy of a script in which a constant is something else, in its last assignment."""
    path = folder / "other.py"
    path.write_text(f"{script.read_text()}\n{name} = {literal}\n")
    return path


@pytest.mark.parametrize(
    ("name", "literal", "said"),
    [
        ("SEARCH_SPACE", "{}['x']", "ValueError: malformed node"),
        ("SEARCH_SPACE", "__import__('os').system('touch ran')", "ValueError: malformed node"),
        ("SEARCH_SPACE", "5", "AttributeError: "),
        ("SEARCH_SPACE", "{'x': 5}", "TypeError: "),
        ("SEARCH_SPACE", "{'x': {'type': 'base'}}", "ValueError: a type of SEARCH_SPACE is unk"),
        ("SEARCH_SPACE", "{'x': {'type': ['float']}}", "ValueError: a type of SEARCH_SPACE is u"),
        ("SEARCH_SPACE", "{'x': {'type': 'float', 'low': 2, 'high': 1}}", "ValueError: "),
        ("SEARCH_SPACE", "{'x': {'type': 'float', 'low': 1}}", "TypeError: "),
        ("SEARCH_SPACE", "{'x': {'type': 'float', 'low': 0, 'high': 1e999}}", "ValueError: "),
        ("SEARCH_SPACE", "{'x': {'type': 'categorical', 'choices': []}}", "ValueError: "),
        ("SEARCH_SPACE", f"{'[' * 150}{']' * 150}", "AttributeError: "),
        ("SEARCH_SPACE", f"{'[' * 5000}{']' * 5000}", ""),
        ("SEARCH_SPACE", "{b'x': {...}}", ""),
        ("SEARCH_SPACE", "{", "SyntaxError: "),
        ("ARCHITECTURES", "[]", "ValueError: "),
        ("ARCHITECTURES", "[1, 2]", ""),
        ("ARCHITECTURES", "[{'d_model': 8, 'params': 1}, {'n_heads': 8}]", ""),
        ("FREE_AXES", "['width']", "KeyError: 'width'"),
        ("CONDITIONS", "{'loss': {'x': 'abc'}}", "ValueError: CONDITIONS must list"),
        ("CONDITIONS", "{'loss': 5}", "AttributeError: "),
        ("FIXED_PARAMS", "5", "TypeError: "),
        ("STUDY_NAME", "5", "TypeError: NAME and STUDY_NAME must be text"),
        ("SKIP_INDICES", "5", "TypeError: "),
    ],
)
def test_a_script_with_anything_else_is_one_error_and_nothing_of_it_runs(
    name: str, literal: str, said: str, script: Path, tmp_path: Path
) -> None:
    path = with_constant(script, tmp_path, name, literal)
    (tmp_path / "x.log").write_text("\n".join(sample().lines))
    done = to_space(tmp_path, path)

    assert (done.returncode, done.stdout) == (2, "")
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert error.startswith(f"error: other.py: no search space of a search script: {said}")
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.py", "x.log"]


def to_space(folder: Path, script: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Write x.log of a folder to a new storage in the space of a script, as a user would."""
    command = [sys.executable, "-m", "recover_trials", "x.log", "--space-of", script.name, *more]
    command += [] if "--to-storage" in more else ["--to-storage", "sqlite:///s.db"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\0", b"", b"import os\n", b'{"a": 1}'])
def test_a_file_that_is_no_search_script_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes(content)
    with pytest.raises(UnreadableError, match=r"^no search space of a search script: "):
        read_space(tmp_path / "x.py")


ATOMS = st.sampled_from(
    (*HOSTILE_TEXTS, None, True, 0, -1, 3, 0.5, 10**400, "float", "int", "categorical", "bce")
)
NAMES = st.sampled_from(("type", "low", "high", "choices", "step", "log", "loss", "x"))
LITERALS = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4)
)
CONSTANTS = ("SEARCH_SPACE", "CONDITIONS", "FIXED_PARAMS", "ARCHITECTURES", "FREE_AXES", "NAME")


@settings(max_examples=120)
@given(name=st.sampled_from(CONSTANTS), value=LITERALS | st.dictionaries(NAMES, LITERALS))
@pytest.mark.filterwarnings("ignore")
def test_any_constants_are_a_space_or_an_error(
    script: Path, tmp_path_factory: pytest.TempPathFactory, name: str, value: Any
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = with_constant(script, folder, name, repr(value))
    try:
        space = read_space(path)
    except UnreadableError:
        return
    try:
        moved = move(recover_one(sample().lines), space)
    except RebuildError:
        return
    assert len(freeze(moved.study).trials) == 2


def sample(**about: Any) -> SampleLog:
    """Return a log of one trial that ended and one that did not."""
    log = SampleLog()
    known = {"task": "threshold_1pct", "horizon": 1, "conditions": {}, "fixed_params": {}}
    log.open_run(**{**known, **about})
    log.start(0, loss="bce")
    log.evaluate(0, 1, val_loss=0.5)
    log.end(0, loss="bce", system_attrs={"cma:opt": "x", "completed_rung_0": 0.5})
    log.start(1, loss="bce")
    return log


def test_what_only_the_old_sampler_could_use_is_left_behind(script: Path) -> None:
    trial, running = move(recover_one(sample().lines), read_space(script)).study.rows
    assert trial.system_attrs == {"completed_rung_0": 0.5}
    assert trial.user_attrs["arch_idx"] is None
    assert trial.user_attrs["n_layers"] == ARCHITECTURE["n_layers"]
    assert trial.params == {"dropout": 0.1, "loss": "bce"}
    assert trial.user_attrs["learning_rate"] == 0.00012520653814659472  # below the new range
    assert (running.state, running.user_attrs["fail_reason"]) == ("FAIL", "space")
    assert running.user_attrs["error"].endswith(
        "its architecture is not searched: d_model=64 n_layers=48 n_heads=8 d_ff=256 params=None"
    )


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"metric": "auc"}, "metric was 'auc', is 'val_loss'"),
        ({"direction": "maximize"}, "direction was 'maximize', is 'minimize'"),
        ({"task": "direction"}, "task was 'direction', is 'threshold_1pct'"),
        ({"horizon": 3}, "horizon was 3, is 1"),
    ],
)
def test_values_that_do_not_compare_are_not_moved(
    about: dict[str, Any], said: str, script: Path
) -> None:
    with pytest.raises(RebuildError, match=f"would not compare with those of .*: {said}; noth"):
        move(recover_one(sample(**about).lines), read_space(script))


def test_a_log_that_tells_no_whole_configuration_is_not_moved(script: Path) -> None:
    line = "[I 2026-11-21 10:00:00,000] Trial 0 finished with value: 0.5 and parameters: {'x': 1}."
    with pytest.raises(RebuildError, match="only a log of a search script tells the whole"):
        move(recover_one([line]), read_space(script))


def test_the_old_storage_is_refused_and_left_as_it_is(script: Path, tmp_path: Path) -> None:
    path = with_constant(script, tmp_path, "STUDY_NAME", "'hpo_2M_h1'")
    (tmp_path / "x.log").write_text("\n".join(sample(study_name="hpo_2M_h1").lines))
    command = [sys.executable, "-m", "recover_trials", "x.log", "--to-storage", "sqlite:///s.db"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    before = (tmp_path / "s.db").read_bytes()
    done = to_space(tmp_path, path)
    assert done.returncode == 2
    assert "study hpo_2M_h1 is there with study_id 0123456789ab, the log has " in done.stderr
    assert (tmp_path / "s.db").read_bytes() == before
    (study,) = optuna.get_all_study_summaries(f"sqlite:///{tmp_path}/s.db")
    assert study.user_attrs["study_id"] == "0123456789ab"


def test_one_study_is_moved_into_one_space(script: Path, tmp_path: Path) -> None:
    path = with_constant(script, tmp_path, "SEED", "1")
    other = SampleLog(OTHER_STUDY)
    other.open_run()
    other.start(0)
    (tmp_path / "x.log").write_text("\n".join([*sample().lines, *other.lines]))
    done = to_space(tmp_path, path)
    assert done.returncode == 2
    assert "--space-of goes on with one study; --study NAME takes one" in done.stderr


def test_a_space_without_a_storage_is_a_usage_error(script: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "recover_trials", "x.log", "--space-of", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--space-of goes with --to-storage URL" in done.stderr
