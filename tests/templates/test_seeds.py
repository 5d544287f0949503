"""Seeds: a trial's metrics are the means of trainings with several seeds on the same split."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from hpogen.errors import ConfigError
from scripts import QUICK, changed, curve_of, load_task, render_to, run, spec_of, study_of

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


@pytest.mark.study
def test_the_deviation_over_seeds_is_recorded(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, SEEDS)
    assert run(script).returncode == 0
    (trial,) = study_of(script).trials.values()
    assert trial.attributes["val_loss_sd"] > 0


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
