"""Pictures, importance and coverage of recovered studies."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from hpogen.report.coverage import architectures_for, coverage_of, coverage_sentence
from hpogen.report.importance import LEAST_TRIALS, importances_of
from hpogen.report.objectives import front_table
from hpogen.report.setting_pictures import parallel
from hpogen.report.study_pictures import pictures
from hpogen.report.view import StudyView
from recover_samples import SampleLog2, recover_one

GRID = [
    {"d_model": width, "n_layers": depth, "n_heads": 2, "d_ff": 4 * width, "params": 1000}
    for width in (8, 16)
    for depth in (1, 2)
]


SPACE = {
    "shape_idx": {"name": "IntDistribution", "attributes": {"low": 0, "high": 3}},
    "learning_rate": {"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}},
    "dropout": {"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}},
}


def searched(n_trials: int, **about: Any) -> StudyView:
    """Return a study whose value is its learning rate and a little noise, whatever its dropout."""
    log, chance = SampleLog2(), random.Random(0)  # noqa: S311
    known = {"baselines": {"class prior": {"val_loss": 0.9}}, "search_space": SPACE}
    log.open_run(**{**known, **about})
    for number in range(n_trials):
        rate, dropout = chance.random(), chance.random()
        sizes = {**GRID[number % 3], "arch_idx": number % 3, "extreme": "min d_model"}
        found = {"learning_rate": rate, "dropout": dropout, **sizes, "seconds": 2.0}
        log.start(number)
        for epoch in (1, 2, 3):
            log.evaluate(number, epoch, val_loss=rate + 1 / epoch)
        value = rate + 0.05 * chance.random()
        log.end(number, value=value, train_flops=10**9, peak_memory_bytes=10**8, **found)
    return StudyView(recover_one(log.lines))


def test_pictures_are_valid_for_plotly() -> None:
    graphs = pytest.importorskip("plotly.graph_objects", reason="plotly is not installed")
    view = searched(LEAST_TRIALS)
    found = pictures(view, importances_of(view)[0])
    keys = ["history", "curves", "parallel", "importance", "grid", "costs"]
    assert [picture.key for picture in found] == keys
    for picture in found:
        graphs.Figure(picture.data, picture.layout)
        json.dumps([picture.data, picture.layout], allow_nan=False)
        axes = [
            axis for name, axis in picture.layout.items() if name.startswith(("xaxis", "yaxis"))
        ]
        assert any(axis.get("title") or axis.get("ticktext") for axis in axes)


def test_what_determines_the_value_is_the_most_important_and_above_chance() -> None:
    found, reason = importances_of(searched(60))
    assert (reason, found[0].name) == ("", "learning_rate")
    assert found[0].share > 0.5
    assert found[0].share > found[0].by_chance
    assert {item.name for item in found} == {
        *("learning_rate", "dropout", "d_model", "n_layers", "d_ff"),
    }
    assert sum(item.share for item in found) == pytest.approx(1)


def test_importance_is_not_shown_of_few_trials_but_said() -> None:
    found, reason = importances_of(searched(LEAST_TRIALS - 1))
    assert found == []
    assert f"{LEAST_TRIALS - 1} complete trials of at least {LEAST_TRIALS}" in reason


def test_without_optuna_the_importance_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)  # as where it is not installed
    found, reason = importances_of(searched(LEAST_TRIALS))
    assert found == []
    assert "python -m pip install optuna" in reason


def test_long_studies_are_thinned_and_say_so() -> None:
    view = searched(500)
    captions = {picture.key: picture.caption for picture in pictures(view, [])}
    assert "of 500 curves are shown" in captions["curves"]
    assert "of 500 trials are shown" in captions["parallel"]


def test_parallel_coordinates_have_an_axis_per_setting_that_varies_and_never_an_index() -> None:
    picture = parallel(searched(5))
    assert picture is not None
    names = picture.layout["xaxis"]["ticktext"]
    assert names == ["d_model", "n_layers", "d_ff", "learning_rate", "dropout", "val_loss"]


def test_the_best_trial_is_at_the_top_of_the_value_axis() -> None:
    for direction in ("minimize", "maximize"):
        picture = parallel(searched(5, direction=direction))
        assert picture is not None
        (best,) = [trace for trace in picture.data if trace.get("name") == "best trial"]
        assert best["y"][:-1][-1] == 1.0


def test_coverage_without_the_grid_counts_what_the_log_has() -> None:
    coverage = coverage_of(searched(3))
    assert coverage is not None
    assert (coverage.n_tried, coverage.total, coverage.untried) == (3, 4, [])
    assert (
        coverage_sentence(coverage) == "3 of 4 shapes tried; --arch-list SCRIPT shows the others."
    )


def test_coverage_with_the_grid_names_the_gaps(tmp_path: Path) -> None:
    view = searched(3)
    path = tmp_path / "grid.json"
    path.write_text(json.dumps(GRID))
    view.architectures = architectures_for(view.study, path)
    coverage = coverage_of(view)
    assert coverage is not None
    assert coverage.empty == [(16, 2)]
    sentence = coverage_sentence(coverage).encode("ascii", "replace").decode()
    assert sentence == "3 of 4 shapes tried; untried (d_model ? n_layers): 16 ? 2."


@pytest.mark.parametrize("other", [GRID[1:], [{**GRID[0], "d_model": 9}, *GRID[1:]], GRID[:3]])
def test_the_grid_of_another_study_is_not_used(
    other: list[dict[str, int]], tmp_path: Path
) -> None:
    path = tmp_path / "grid.json"
    path.write_text(json.dumps(other))
    assert architectures_for(searched(3).study, path) == []


def test_a_study_of_other_programs_has_no_grid() -> None:
    line = "[I 2026-03-01 10:01:10,120] Trial 0 finished with value: 0.5 and parameters: {'x': 1}."
    view = StudyView(recover_one([f"{line} Best is trial 0 with value: 0.5."]))
    assert coverage_of(view) is None
    assert [picture.key for picture in pictures(view, [])] == ["history"]


def test_a_study_of_two_metrics_shows_its_front() -> None:
    log = SampleLog2()
    log.open_run(second_metric="ece", second_direction="minimize")
    for number, (loss, ece) in enumerate([(0.5, 0.3), (0.4, 0.4), (0.6, 0.35), (0.7, 0.1)]):
        log.start(number)
        log.end(number, value=loss, ece=ece)
    view = StudyView(recover_one(log.lines))
    rows = [["1", "0.4", "0.4"], ["0", "0.5", "0.3"], ["3", "0.7", "0.1"]]
    assert front_table(view) == (["trial", "val_loss", "ece"], rows)
    (picture,) = [item for item in pictures(view, []) if item.key == "objectives"]
    assert {trace["name"]: trace["x"] for trace in picture.data} == {
        "other trials": [0.6],
        "Pareto front": [0.4, 0.5, 0.7],
    }


def test_values_of_unknown_direction_are_shown_without_a_front() -> None:
    lines = [
        f"[I 2026-03-01 10:01:1{n},120] Trial {n} finished with values: [0.5, {n}.0] and"
        " parameters: {'x': 1}."
        for n in (1, 2)
    ]
    view = StudyView(recover_one(lines))
    assert front_table(view) is None
    (picture,) = pictures(view, [])
    assert [trace["name"] for trace in picture.data] == ["other trials"]
