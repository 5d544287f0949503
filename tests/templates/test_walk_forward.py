"""Walk-forward: each fold trains as a script of its own would, and saved trainings continue."""

from __future__ import annotations

import itertools
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch

from hpogen.errors import ConfigError
from scripts import (
    QUICK,
    changed,
    curve_of,
    load,
    load_task,
    mortal,
    render_to,
    run,
    run_until_done,
    spec_of,
    table,
)

FOLDS = changed(QUICK, splits={"walk_forward": 3}, fixed={"epochs": 2})
SHARES = (0.4, 0.55, 0.7)
CPU = torch.device("cpu")


def folder(path: Path, sp500: Path) -> Path:
    """Return a new folder with the data."""
    path.mkdir()
    (path / sp500.name).symlink_to(sp500)
    return path


def test_an_evaluation_is_the_mean_of_the_folds_on_their_own(sp500: Path, tmp_path: Path) -> None:
    names, task = load_task(render_to(tmp_path, FOLDS))
    alone = []
    for share in SHARES:
        config = changed(FOLDS, splits={"walk_forward": None, "train_fraction": share})
        own_names, own_task = load_task(render_to(folder(tmp_path / f"{share}", sp500), config))
        alone.append((curve_of(own_names, own_task), own_task))
    for found, *expected in zip(
        curve_of(names, task), *(curve for curve, _ in alone), strict=True
    ):
        for name, value in found.items():
            assert value == statistics.mean(point[name] for point in expected)
    baselines = [own_task.baselines()["linear start"]["auc"] for _, own_task in alone]
    assert task.baselines()["linear start"]["auc"] == statistics.mean(baselines)


def test_validation_blocks_do_not_overlap_and_follow_their_training_days(
    sp500: Path, tmp_path: Path
) -> None:
    names, task = load_task(render_to(tmp_path, FOLDS))
    blocks = [(int(fold.val_days[0]), int(fold.val_days[-1])) for fold in task.folds]
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(blocks))
    for fold in task.folds:
        assert fold.train_days.max() + names["HORIZON"] < fold.val_days[0]


@pytest.mark.parametrize("place", [1, 5])
def test_a_saved_training_continues_in_the_fold_where_it_stopped(
    place: int, sp500: Path, tmp_path: Path
) -> None:
    names, task = load_task(render_to(tmp_path, FOLDS))
    config = {**names["FIXED_PARAMS"], "learning_rate": 0.003, "dropout": 0.2, "batch_size": 128}
    states: list[dict[str, Any]] = []

    def train(state: dict[str, Any] | None) -> list[dict[str, Any]]:
        training = names["Training"](task, names["ARCHITECTURES"][0], config, (1, 0), CPU)
        if state:
            training.restore(state)

        def save(_share: float) -> None:
            path = tmp_path / f"{len(states)}.pt"
            torch.save(training.state(), path)
            states.append(torch.load(path, weights_only=True))

        return list(names["train"](training, micro_batch=128, after_batch=save))

    whole = train(None)
    assert len(whole) == 2
    assert train(states[place])[-1] == whole[-1]


def test_a_killed_trial_gives_the_same_table(sp500: Path, tmp_path: Path) -> None:
    config = changed(FOLDS, study={"n_trials": 2})
    calm = render_to(folder(tmp_path / "calm", sp500), config)
    killed = render_to(folder(tmp_path / "killed", sp500), config)
    assert run(calm).returncode == 0
    script = mortal(killed, [(0, 2)])
    script.write_text(
        script.read_text().replace(
            "die(number, training.step)", "die(number, training.members[1].step)"
        )
    )
    assert run_until_done(script, "--checkpoint-minutes", "0") == 1
    timed = ("seconds", "samples_per_second", "datetime", "memory", "duration", "n_resumed")
    for one, two in zip(table(calm), table(killed), strict=True):
        differing = {name for name in one if one[name] != two[name]}
        assert {n for n in differing if not any(t in n for t in timed)} <= {
            "study_id",
            "run",
            "claims",
        }


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"walk_forward": 5}, "the first fold trains on less than 0.2 of the rows"),
        (
            {"walk_forward": 2, "train_end": "2010-12-31", "val_end": "2014-12-31"},
            "give train_fraction and val_fraction, not dates",
        ),
    ],
)
def test_folds_that_cannot_be_cut_are_refused(
    splits: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        spec_of(tmp_path, changed(QUICK, splits=splits))


def test_a_script_without_folds_holds_nothing_of_them(tmp_path: Path, sp500: Path) -> None:
    assert "WALK_FORWARD" not in load(render_to(tmp_path, QUICK))
