"""Seeds: a trial's metrics are the means of trainings with several seeds on the same split."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from hpogen.errors import ConfigError
from hpogen.final.command import final_spec
from hpogen.report.view import StudyView
from recover_trials import read_trials
from scripts import QUICK, changed, curve_of, load_task, log_of, render_to, run, spec_of, study_of

SEEDS = changed(QUICK, study={"seeds": [1, 3], "n_trials": 1}, fixed={"epochs": 2})


def test_an_evaluation_is_the_mean_of_the_seeds_on_their_own(sp500: Path, tmp_path: Path) -> None:
    names, task = load_task(render_to(tmp_path, SEEDS))
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / sp500.name).symlink_to(sp500)
    one = changed(SEEDS, study={"seeds": None})
    alone = load_task(render_to(tmp_path / "one", one))
    curves = [curve_of(*alone, key=(42 + seed, 0)) for seed in (1, 3)]
    assert curves[0] != curves[1]
    for found, *expected in zip(curve_of(names, task), *curves, strict=True):
        values = [point["val_loss"] for point in expected]
        assert found.pop("val_loss_sd") == statistics.stdev(values) > 0
        assert found == {
            name: statistics.mean(point[name] for point in expected) for name in expected[0]
        }


def test_a_trial_whose_trainings_are_collapsed_is_collapsed(sp500: Path, tmp_path: Path) -> None:
    config = changed(SEEDS, options={"start": "none"}, fixed={"epochs": 1})
    (point,) = curve_of(*load_task(render_to(tmp_path, config)))
    assert point["prediction_range"] < 0.2
    assert point["collapsed"] is True  # not the mean of True, which is no truth value in JSON


@pytest.mark.study
def test_a_study_of_several_seeds_continues_and_says_what_it_knows(
    sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, SEEDS)
    assert run(script).returncode == 0
    done = run(script, "--n-trials", "2")
    assert done.returncode == 0, done.stderr
    assert "one seed" not in done.stderr
    trials = study_of(script).trials
    assert [trial.state for trial in trials.values()] == ["COMPLETE"] * 2
    assert all(trial.attributes["val_loss_sd"] > 0 for trial in trials.values())
    view = StudyView(read_trials(log_of(script)).studies[0])
    assert view.metric == "val_loss"
    assert view.why_no_noise.startswith("Each value is a mean over seeds, SD ")
    (final, _) = final_spec(log_of(script), top=1, n_seeds=2, script=None)
    assert not {*final.seeds} & {42, 42 + 1, 42 + 3}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": {"walk_forward": 2}}, "study.seeds: splits.walk_forward trains several"),
        ({"sections": ["fsdp"]}, "study.seeds: fsdp trains one model"),
        ({"study": {"seeds": [1]}}, "study.seeds: needs 2 or more items"),
        ({"study": {"seeds": [1, 1]}}, "study.seeds: 1 occurs twice"),
    ],
)
def test_seeds_that_make_no_sense_are_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        spec_of(tmp_path, changed(SEEDS, **changes))
