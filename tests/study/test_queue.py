"""What other programs put into a study: trained, refused with the reason, and told exactly."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from rebuilt import assert_log_gives_the_study_back
from scripts import QUICK, changed, edit, render_to, run, study_of

pytestmark = pytest.mark.study

SEARCHED = changed(
    QUICK,
    study={"n_trials": 3},
    search={"loss": {"type": "categorical", "choices": ["bce", "focal"]}},
)
IMPOSSIBLE: list[dict[str, Any]] = [
    {"shape_idx": 9},
    {"n_heads_idx": 9},
    {"loss": "nope"},
    {"loss": None},
    {"dropout": "abc"},
    {"dropout": "0.1"},
    {"dropout": math.nan},
    {"dropout": 1.5},
    {"learning_rate": [0.001]},
    {"dropout": "\x1b[31m] Trial 9 ended: \n[I 2026-01-01 00:00:00,000] Trial 9 ended: "},
]
# Where an epoch has been trained.
LOSS = "        train_loss = float(training.losses)"
# Names of fields, of nothing, and such as would break a line.
NAMES: dict[str, Any] = {
    "value": 123.0,
    "state": "mine",
    "trial": 99,
    "lr": 5.0,
    "params": 7,
    "datetime_start": "2020-01-01 00:00:00",
    "outside_space": ["dropout"],
    "study": "x",
    "run": "y",
    "system_attrs": {"a": 1},
    "attributes": {"b": 2},
    "my note": "x",
    "größe": 1,
    "": 2,
    "a, b=c": "x",
    "a\nb": "[I 2026-01-01 00:00:00,000] Trial 9 ended: ",
    "learning": math.inf,
    "note": "plain",
}


@pytest.fixture
def script(sp500: Path, tmp_path: Path) -> Path:
    (folder := tmp_path / "study").mkdir()
    shutil.copy(sp500, folder / sp500.name)
    return render_to(folder, SEARCHED)


def total(script: Path, n_trials: int) -> None:
    """Run a script up to a total."""
    done = run(script, "--n-trials", str(n_trials))
    assert done.returncode == 0, done.stderr


def test_what_is_not_searched_fails_with_the_reason_and_the_study_goes_on(script: Path) -> None:
    total(script, 3)
    study = study_of(script)
    for params in IMPOSSIBLE:
        study.enqueue_trial(params)
    study.enqueue_trial({}, user_attrs={"arch_idx": 99, "note": "mine"})
    study.enqueue_trial({"shape_idx": 1.0, "dropout": 0, "unknown": 1})
    wrong = len(IMPOSSIBLE) + 1
    total(script, 3 + wrong + 1)
    *refused, chosen = study_of(script).trials[3:]
    assert {trial.state for trial in refused} == {TrialState.FAIL}
    assert {trial.user_attrs["fail_reason"] for trial in refused} == {"space"}
    for trial, (name, value) in zip(
        refused, (next(iter(p.items())) for p in IMPOSSIBLE), strict=False
    ):
        assert f"cannot be trained: {name}={value!r} is not in " in trial.user_attrs["error"]
        assert trial.params == {}
    assert "it has {'arch_idx': 99}, not {'arch_idx': " in refused[-1].user_attrs["error"]
    assert chosen.state == TrialState.COMPLETE
    assert (chosen.params["shape_idx"], chosen.params["dropout"]) == (1, 0.0)
    assert isinstance(chosen.user_attrs["d_model"], int)
    assert_log_gives_the_study_back(script)


def test_attributes_of_the_script_in_a_queue_are_not_taken_for_its_own(script: Path) -> None:
    total(script, 3)
    study = study_of(script)
    best = next(t for t in study.trials if t.user_attrs["kind"] == "extreme")
    copied = {**best.user_attrs, "kind": "search"}
    del copied["extreme"]
    wrong: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"loss": "nope"}, {"seed": 1}),
        ({"learning_rate": 0.5}, {"seed": 1, "config_id": "x"}),
        ({**best.params, "dropout": 0.25}, copied),
        ({"dropout": 9.0}, {"dropout": 0.2, "loss": "bce", "learning_curve": 5, "d_model": 8}),
    ]
    study.ask().set_user_attr("seed", 7)
    for params, attributes in wrong:
        study.enqueue_trial(params, user_attrs=attributes)
    study.enqueue_trial({"dropout": 0.11}, user_attrs={"dropout": 0.2})
    own = {"learning_curve": [{"epoch": 1, "auc": 0.4}]}
    study.add_trial(create_trial(value=0.4, user_attrs=own))
    n_trials = len(study.trials)
    total(script, n_trials)
    trials = study_of(script).trials
    refused = [trial for trial in trials if trial.user_attrs.get("fail_reason") == "space"]
    assert len(refused) == len(wrong)
    trained = [t for t in trials if t.state == TrialState.COMPLETE]
    assert [t.params["dropout"] for t in trained if "dropout" in t.user_attrs] == [0.11]
    assert_log_gives_the_study_back(script)


def test_a_whole_number_for_a_float_is_one_trial_however_often_it_is_taken_up(
    script: Path,
) -> None:
    total(script, 3)
    study_of(script).enqueue_trial({"dropout": 0})
    killed = edit(script, (LOSS, f"        if key[1] == 3:\n            os._exit(9)\n{LOSS}"))
    assert run(killed, "--n-trials", "4").returncode == 9
    edit(script, (f"        if key[1] == 3:\n            os._exit(9)\n{LOSS}", LOSS))
    total(script, 4)
    assert study_of(script).trials[3].params["dropout"] == 0.0


def test_attributes_of_any_name_stay_what_they_are(script: Path) -> None:
    total(script, 3)
    study = study_of(script)
    best = study.best_trial
    for attributes in (NAMES, *({name: value} for name, value in NAMES.items())):
        study.enqueue_trial({"dropout": 0.11}, user_attrs=attributes)
    study.enqueue_trial(best.params, user_attrs={"note": "again"})  # an exact repeat
    n_trials = 3 + 1 + len(NAMES) + 1
    total(script, n_trials)
    trials = study_of(script).trials
    assert len(trials) == n_trials
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert NAMES.items() <= trials[3].user_attrs.items()
    assert (trials[-1].user_attrs["kind"], trials[-1].user_attrs["note"]) == ("repeat", "again")
    assert trials[-1].params == best.params
    assert_log_gives_the_study_back(script)


@pytest.mark.thorough
def test_trials_of_another_program_are_told_once(script: Path) -> None:
    total(script, 3)
    study = study_of(script)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"a": 1}))
    other = {"x": optuna.distributions.FloatDistribution(0.0, 1.0)}
    reported = {3: 0.5, 7: math.inf}
    study.add_trial(
        create_trial(
            params={"x": 0.5}, distributions=other, value=9.0, intermediate_values=reported
        )
    )
    asked = study.ask()
    asked.report(0.25, 2)
    study.tell(asked, state=TrialState.PRUNED)
    begun = study.ask()
    begun.report(0.125, 40)
    begun.set_user_attr("note", "left to the script")
    for n_trials in (len(study.trials) + 1, len(study.trials) + 2):
        total(script, n_trials)
    trials = study_of(script).trials
    (taken,) = [trial for trial in trials if "note" in trial.user_attrs]
    assert (taken.state, taken.user_attrs["kind"]) == (TrialState.COMPLETE, "search")
    foreign = {t.number for t in trials if "seed" not in t.user_attrs}
    assert len(foreign) == 4
    assert_log_gives_the_study_back(script)


@pytest.mark.thorough
def test_a_trial_that_is_ended_from_outside_while_it_is_trained_is_given_back(
    script: Path,
) -> None:
    ended = """\
            curve.append(point)
            if trial.number == 1 and len(curve) == 2:
                self.study.tell(1, state=TrialState.FAIL)
"""
    edit(script, ("            curve.append(point)\n", ended), ('"epochs": 1,', '"epochs": 3,'))
    total(script, 3)
    states = [trial.state for trial in study_of(script).trials]
    assert states[1] == TrialState.FAIL
    assert_log_gives_the_study_back(script, but={1})  # its last evaluation came too late


RETRIED = """\
        if key[1] in (1, 2) and micro_batch == 512 and item.step == 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if key[1] == 1 and micro_batch < 512 and item.step == 2:
            raise DivergedError("train_loss is nan at epoch 2")
"""


def test_what_is_reported_is_what_the_last_attempt_reached(script: Path) -> None:
    edit(script, (LOSS, RETRIED + LOSS), ('"epochs": 1,', '"epochs": 5,'))
    total(script, 3)
    first, second = study_of(script).trials[1:3]
    assert first.state == TrialState.FAIL
    assert len(first.user_attrs["learning_curve"]) == 1
    for trial in (first, second):
        assert len(trial.intermediate_values) >= 3
        for point in trial.user_attrs["learning_curve"]:
            assert trial.intermediate_values[point["epoch"]] == point["auc"]
    assert_log_gives_the_study_back(script)


def test_a_trial_is_not_pruned_before_what_an_attempt_before_reached(script: Path) -> None:
    retried = """\
        if key[1] == 2 and micro_batch == 512 and item.step == 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
"""
    edit(
        script,
        (LOSS, retried + LOSS),
        ('"epochs": 1,', '"epochs": 5,'),
        ('"warmup_steps": 5,', '"warmup_steps": 0,'),
        ("attempt.trial.should_prune()", "len(attempt.curve) < len(attempt.reported)"),
        ('"prune_from": 0.2,', '"prune_from": 0.0,'),
        ('("extreme", "smoke")', '("smoke",)'),
    )
    total(script, 3)
    trial = study_of(script).trials[2]
    assert (trial.state, trial.user_attrs["micro_batch"]) == (TrialState.COMPLETE, 256)
    assert trial.user_attrs["epochs_trained"] == 5


def test_a_study_of_another_direction_is_refused(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(QUICK, study={"n_trials": 1}, metric="auc"))
    (tmp_path / "outputs" / script.stem).mkdir(parents=True)
    storage = f"sqlite:///{tmp_path}/outputs/{script.stem}/study.db"
    optuna.create_study(study_name=script.stem, storage=storage)
    done = run(script)
    assert done.returncode == 2
    assert (
        f"error: study {script.stem} was made to minimize, but auc is to maximize" in done.stderr
    )
    assert study_of(script).trials == []


def test_what_is_skipped_takes_no_memory(sp500: Path, tmp_path: Path) -> None:
    config = changed(QUICK, study={"n_trials": 6}, sampler={"type": "random"})
    script = render_to(tmp_path, changed(config, architecture={"skip": [{"n_layers": 2}]}))
    given = '    if device.type == "cuda":\n        torch.cuda.empty_cache()  # what'
    edit(script, (given, f"    return 36_000\n{given}"))
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert "warning: " not in done.stderr
    assert {trial.state for trial in study_of(script).trials} == {TrialState.COMPLETE}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--log", "."], "error: --log . is a folder, not a file\n"),
        (
            ["--storage", "sqlite://"],
            "error: --storage sqlite:// is lost with the run: name a file",
        ),
        (["--storage", "sqlite:///:memory:"], "is lost with the run: name a file"),
    ],
)
def test_a_place_that_keeps_nothing_is_refused(
    arguments: list[str], said: str, sp500: Path, tmp_path: Path
) -> None:
    done = run(render_to(tmp_path, QUICK), *arguments)
    assert done.returncode == 2
    assert said in done.stderr
