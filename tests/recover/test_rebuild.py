"""A lost database comes back from the log, and the study goes on as if nothing had happened."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest

from lost_studies import CONFIG, DONE, call, recover, table, without_outputs
from recover_trials import read_trials
from recover_trials.errors import RebuildError
from recover_trials.frozen import freeze
from recover_trials.model import TWICE, Study, Trial
from recover_trials.rebuild import rebuild, rebuild_all, study_attributes
from scripts import MARKET, changed, render_to, run

OPTUNA = (
    "[I 2026-11-21 10:00:0{n},000] Trial {n} finished with value: {value} and parameters: {p}."
)


@pytest.fixture(scope="module")
def uninterrupted(
    sp500_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, pd.DataFrame]:
    """Return a script that ran through, and its table."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(sp500_file, folder / "sp500.csv")
    script = render_to(folder, CONFIG)
    assert run(script).returncode == 0
    return script, table(script)


@pytest.fixture(scope="module")
def half(
    uninterrupted: tuple[Path, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a copy of the script that ran some of its trials; nobody changes its folder."""
    folder = tmp_path_factory.mktemp("half")
    for name in (uninterrupted[0].name, "sp500.csv"):
        shutil.copy(uninterrupted[0].parent / name, folder)
    script = folder / uninterrupted[0].name
    assert run(script, "--n-trials", str(DONE)).returncode == 0
    return script


@pytest.mark.study
def test_a_study_goes_on_from_its_log_alone_as_if_it_had_never_stopped(
    uninterrupted: tuple[Path, pd.DataFrame], half: Path, tmp_path: Path
) -> None:
    script = without_outputs(half, tmp_path)
    assert recover(script) == "hpo_9K_h1: 5 trials written\n"
    assert recover(script) == "hpo_9K_h1: 0 trials written; 5 there before\n"
    assert run(script).returncode == 0
    pd.testing.assert_frame_equal(table(script), uninterrupted[1])


@pytest.mark.study
@pytest.mark.parametrize("cut", ["Trial 4 epoch 2", "Trial 4: arch_idx"])
def test_a_log_that_was_cut_gives_the_trial_that_ran_back_to_be_trained(
    uninterrupted: tuple[Path, pd.DataFrame], half: Path, tmp_path: Path, cut: str
) -> None:
    script = without_outputs(half, tmp_path)
    log = tmp_path / "logs" / f"{script.stem}.log"
    content = log.read_bytes()
    log.write_bytes(content[: content.rindex(cut.encode()) + 30])
    recover(script)
    assert run(script).returncode == 0
    pd.testing.assert_frame_equal(table(script), uninterrupted[1])
    (study,) = read_trials([log]).studies
    assert [len(study.trials[number]) for number in range(9)] == [1] * 9
    assert study.unfinished == []


@pytest.mark.study
@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.thorough)])
def test_at_every_byte_the_last_trial_is_whole_or_queued_or_not_begun(
    half: Path, step: int
) -> None:
    content = (half.parent / "logs" / f"{half.stem}.log").read_bytes()
    start = content.rindex(b"[I ", 0, content.rindex(b"Trial 4: arch_idx"))
    opened, last = content[: content.index(b"\n") + 1], content[start:]
    known = freeze(read_trials([[opened + last]]).studies[0]).trials[4]
    seen: list[list[str]] = []
    for cut in range(len(last), -1, -step):
        studies = read_trials([[opened + last[:cut]]]).studies
        trials = freeze(studies[0]).trials[4:] if studies else []
        for trial in trials:
            if trial.state.name == "WAITING":
                assert trial.system_attrs == {"fixed_params": known.params}
                assert trial.user_attrs["kind"] == "search"
            else:
                assert trial == known
        states = [trial.state.name for trial in trials]
        if states not in seen[-1:]:
            seen.append(states)
    assert seen == [["COMPLETE"], ["WAITING"], []]


KEEPING: dict[str, dict[str, Any]] = {
    "cmaes": {"sampler": {"type": "cmaes", "n_startup_trials": 1}},
    "successive_halving": {
        "pruner": {"type": "successive_halving", "min_resource": 1, "reduction_factor": 2},
        "sampler": {"type": "random"},
    },
    "hyperband": {
        "pruner": {"type": "hyperband", "max_resource": 4, "reduction_factor": 2},
        "sampler": {"type": "random"},
    },
}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KEEPING)
def test_what_samplers_and_pruners_keep_with_trials_comes_back(
    kind: str, sp500_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    shutil.copy(sp500_file, tmp_path / "whole" / "sp500.csv")
    short = {"epochs": 4, "batch_size": 512, "warmup_steps": 0, "prune_from": 0.0}
    about = {"study": {"n_trials": 20}, "splits": {"train_subset": 0.1}, "fixed": short}
    config = changed(MARKET, **about, **KEEPING[kind])
    whole = render_to(tmp_path / "whole", config)
    half = Path(shutil.copytree(whole.parent, tmp_path / "half")) / whole.name
    call(whole, whole.name)
    call(half, half.name, "--n-trials", "12")
    lost = without_outputs(half, tmp_path / "lost")
    recover(lost)
    call(lost, lost.name)
    pd.testing.assert_frame_equal(table(lost), table(whole))
    kept = {n for trial in stored(lost) for n in trial.system_attrs}
    assert any(name.startswith(("cma:", "completed_rung")) for name in kept)
    assert kind == "cmaes" or "PRUNED" in {trial.state.name for trial in stored(lost)[12:]}


def stored(script: Path) -> list[optuna.trial.FrozenTrial]:
    """Return the trials in a script's own database."""
    address = f"sqlite:///{script.parent}/outputs/{script.stem}/study.db"
    return optuna.load_study(study_name=script.stem, storage=address).trials


@pytest.mark.study
def test_everything_a_study_holds_comes_back(
    uninterrupted: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    script = uninterrupted[0]
    own = optuna.load_study(
        study_name=script.stem,
        storage=f"sqlite:///{script.parent}/outputs/{script.stem}/study.db",
    )
    (study,) = read_trials([script.parent / "logs" / f"{script.stem}.log"]).studies
    address = f"sqlite:///{tmp_path}/new.db"
    assert rebuild(study, address).added == list(range(9))
    found = optuna.load_study(study_name=script.stem, storage=address)
    assert found.direction == own.direction
    queued = 0
    for ours, theirs in zip(found.trials, own.trials, strict=True):
        for name in (
            *("number", "state", "values", "params", "distributions", "intermediate_values"),
            *("datetime_start", "datetime_complete"),
        ):
            assert getattr(ours, name) == getattr(theirs, name), name
        assert theirs.user_attrs.items() <= ours.user_attrs.items()
        kept = {n: v for n, v in theirs.system_attrs.items() if not n.startswith("tpe:")}
        assert ours.system_attrs == kept
        queued += "fixed_params" in kept
    assert queued == 4  # the extremes
    apart = {"owners", "settings", "architectures"}  # what a run that goes on writes anew
    assert found.user_attrs == {n: v for n, v in own.user_attrs.items() if n not in apart}


def write_log(folder: Path, *results: tuple[int, float, str], best: bool = True) -> Path:
    """Write a log as Optuna itself writes it."""
    lines = ["[I 2026-11-21 09:59:59,000] A new study created in memory with name: s"]
    for number, value, params in results:
        text = OPTUNA.format(n=number, value=value, p=params)
        lines.append(text + (f" Best is trial 0 with value: {results[0][1]}." if best else ""))
    path = folder / "optuna.log"
    path.write_text("\n".join(lines) + "\n")
    return path


def load(folder: Path, name: str = "s") -> optuna.Study:
    """Return a study of the test's own database."""
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder}/s.db")


def test_a_log_of_optuna_gives_ranges_as_far_as_values_were_tried(tmp_path: Path) -> None:
    log = write_log(
        tmp_path,
        (0, 0.1, "{'x': 0.5, 'n': 3, 'act': 'gelu'}"),
        (1, 0.4, "{'x': 1, 'n': 7, 'act': None}"),
    )
    (study,) = read_trials([log]).studies
    done = rebuild(study, f"sqlite:///{tmp_path}/s.db")
    assert done.remarks == ["ranges inferred from the values that were tried: act, n, x"]
    found = load(tmp_path)
    assert found.direction.name == "MINIMIZE"
    assert found.trials[0].distributions["x"] == optuna.distributions.FloatDistribution(0.5, 1.0)
    assert found.trials[1].distributions["n"] == optuna.distributions.IntDistribution(3, 7)
    assert [trial.params["act"] for trial in found.trials] == ["gelu", None]


def test_a_lost_number_stays_taken(tmp_path: Path) -> None:
    log = write_log(tmp_path, (0, 0.1, "{'x': 0.5}"), (2, 0.4, "{'x': 0.7}"))
    (study,) = read_trials([log]).studies
    assert rebuild(study, f"sqlite:///{tmp_path}/s.db").lost == [1]
    states = [trial.state.name for trial in load(tmp_path).trials]
    assert states == ["COMPLETE", "FAIL", "COMPLETE"]
    assert load(tmp_path).trials[1].user_attrs["fail_reason"] == "lost"


def test_a_log_that_tells_no_direction_needs_one(tmp_path: Path) -> None:
    log = write_log(tmp_path, (0, 0.1, "{'x': 0.5}"), best=False)
    (study,) = read_trials([log]).studies
    with pytest.raises(RebuildError, match="give --direction"):
        rebuild(study, f"sqlite:///{tmp_path}/s.db")
    rebuild(study, f"sqlite:///{tmp_path}/s.db", direction="maximize")
    assert load(tmp_path).direction.name == "MAXIMIZE"


def test_a_storage_that_holds_another_history_is_left_as_it_is(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/s.db"
    one = read_trials([write_log(tmp_path, (0, 0.1, "{'x': 0.5}"))]).studies[0]
    rebuild(one, address, direction="minimize")
    other = read_trials([write_log(tmp_path, (0, 0.3, "{'x': 0.5}"))]).studies[0]
    with pytest.raises(RebuildError, match="trial 0 of study s is there as COMPLETE"):
        rebuild(other, address, direction="minimize")
    assert load(tmp_path).trials[0].value == 0.1


def test_a_study_that_contradicts_itself_is_not_written(tmp_path: Path) -> None:
    log = write_log(tmp_path, (0, 0.1, "{'x': 0.5}"), (1, 0.2, "{'x': 0.6}"))
    (study,) = read_trials([log]).studies
    study.trials[0].append(Trial(0, "FAIL", flags=[TWICE]))
    with pytest.raises(RebuildError, match="trial 0: told twice, in different ways"):
        rebuild(study, f"sqlite:///{tmp_path}/s.db")
    assert not (tmp_path / "s.db").exists()


def test_two_studies_of_one_name_are_not_mixed(tmp_path: Path) -> None:
    one = write_log(tmp_path, (0, 0.1, "{'x': 0.5}"))
    other = tmp_path / "other.log"
    other.write_text(one.read_text().replace("10:00", "12:00").replace("0.1", "0.2"))
    studies = read_trials([one, other]).studies
    assert [study.name for study in studies] == ["s", "s (run 2)"]
    with pytest.raises(RebuildError, match="s is the name of two studies"):
        list(rebuild_all(studies, f"sqlite:///{tmp_path}/s.db", direction="minimize"))


def test_what_a_study_was_begun_with_is_taken_as_far_as_it_can_be_shown() -> None:
    study = Study("s", "s", "a.log")
    for told, device, found in (
        ({"optuna": "5.0.0", "torch": "2.13.0+cpu"}, "cpu", ["optuna", "torch", "device"]),
        ({"optuna": "\x1b[31m5", "torch": 3}, None, []),
        ("5.0.0", "cuda\n", []),
    ):
        study.runs = {"a": {"versions": told, "device": device}}
        assert [*study_attributes(study)] == found
