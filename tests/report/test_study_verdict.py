"""Sentences of a report on a study, the gravest first."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hpogen.cli import main
from hpogen.report.study_verdict import short_verdict, verdicts
from hpogen.report.view import StudyView
from recover_samples import SampleLog2, recover_one

BASELINES = {"class prior": {"val_loss": 0.6}, "daily range": {"auc": 0.7}}


def study(*ends: dict[str, Any], **about: Any) -> StudyView:
    """Return a study whose trials end as given, with a value of 0.5 unless it says another."""
    log = SampleLog2()
    log.open_run(**{"baselines": BASELINES, **about})
    for number, end in enumerate(ends):
        log.start(number)
        log.end(number, **end)
    return StudyView(recover_one(log.lines))


def said(view: StudyView) -> list[tuple[str, str]]:
    return [(verdict.kind, verdict.sentence) for verdict in verdicts(view)]


def test_a_best_trial_beside_the_baselines_that_it_beats() -> None:
    view = study({"value": 0.5, "auc": 0.8, "collapsed": False}, {"value": 0.55})
    assert said(view)[0] == (
        "good",
        "Trial 0 is the best of 2 complete trials: val_loss 0.5, better than class prior (val_loss"
        " 0.5 against 0.6) and daily range (auc 0.8 against 0.7).",
    )
    assert short_verdict(view) == ("good", "better than its baselines")


@pytest.mark.parametrize(
    ("end", "first", "short"),
    [
        ({"auc": 0.8, "collapsed": True}, "Trial 0, the best, is collapsed:", "collapsed"),
        (
            {"value": 0.65, "auc": 0.8},
            "Trial 0, the best, is not better than class prior (val_loss 0.65 against 0.6).",
            "not better than class prior",
        ),
        (
            {"auc": 0.6},
            "Trial 0, the best, is not better than daily range (auc 0.6 against 0.7).",
            "not better than daily range",
        ),
        (
            {"value": 0.6, "auc": 0.8},
            "Trial 0, the best, is not better",
            "not better than class prior",
        ),
    ],
)
def test_what_spoils_the_best_trial_comes_first(
    end: dict[str, Any], first: str, short: str
) -> None:
    view = study(end)
    kind, sentence = said(view)[0]
    assert (kind, sentence[: len(first)]) == ("bad", first)
    assert short_verdict(view)[0] == "bad"
    assert short_verdict(view)[1].startswith(short)
    assert all(kind != "good" for kind, _ in said(view))


def test_a_collapsed_trial_below_a_baseline_is_both() -> None:
    kinds = [kind for kind, _ in said(study({"value": 0.7, "collapsed": True}))]
    assert kinds[:3] == ["bad", "bad", "note"]


def test_a_metric_that_the_best_trial_lacks_is_not_compared() -> None:
    text = " ".join(sentence for _, sentence in said(study({"value": 0.5})))
    assert "auc" not in text
    assert "better than class prior (val_loss 0.5 against 0.6)." in text


def test_without_a_baseline_nothing_is_called_good() -> None:
    view = study({"value": 0.5}, baselines={})
    assert ("note", "The log has no baselines to compare with.") in said(view)
    assert "good" not in dict(said(view))


def test_seed_noise_is_the_pooled_deviation_of_repeated_configurations() -> None:
    repeats = [("a", 0.50), ("a", 0.52), ("b", 0.60), ("b", 0.60), ("b", 0.63), ("c", 0.7)]
    view = study(*({"value": value, "config_id": name} for name, value in repeats))
    assert view.noise is not None
    squares = 2 * 0.01**2 + 2 * 0.01**2 + 0.02**2
    assert view.noise.deviation == pytest.approx((squares / 3) ** 0.5)
    assert view.noise[1:] == (2, 5)
    assert any(
        "trained 5 times; the lead over the next configuration, 0.1, is beyond two SD" in sentence
        for _, sentence in said(view)
    )


@pytest.mark.parametrize("ends", [[{}], [{"value": 0.5}, {"value": 0.4}]])
def test_noise_that_was_not_measured_is_said(ends: list[dict[str, Any]]) -> None:
    sentences = [sentence for _, sentence in said(study(*ends))]
    assert any("Seed noise was not measured" in sentence for sentence in sentences)


def test_repeats_that_failed_or_were_pruned_measure_nothing() -> None:
    view = study({"config_id": "a"}, {"config_id": "a", "state": "PRUNED"})
    assert view.noise is None


def test_a_study_that_has_not_ended_says_how_far_it_is() -> None:
    assert said(study({}, n_trials=3))[-1] == (
        "note",
        "The study is not finished: 1 of 3 trials have ended.",
    )


@pytest.mark.parametrize(
    ("value", "sentence"),
    [(math.inf, "No trial has a finite value."), (None, "No trial has finished: 1 FAIL.")],
)
def test_a_study_without_a_best_trial_says_why(value: float | None, sentence: str) -> None:
    view = study({"value": value, "state": "FAIL" if value is None else "COMPLETE"})
    assert said(view) == [("note", sentence)]


def test_states_are_counted_with_their_reasons() -> None:
    view = study(
        {"ended_by": "schedule"},
        {"ended_by": "patience"},
        {"ended_by": "schedule"},
        {"state": "FAIL", "value": None, "fail_reason": "oom"},
    )
    assert view.states == ["3 COMPLETE (2 schedule, 1 patience)", "1 FAIL (1 oom)"]


def test_sizes_replace_indices_in_settings() -> None:
    (trial,) = study({}).study.rows
    names = list(StudyView(study({}).study).settings(trial))
    assert names == ["d_model", "n_layers", "n_heads", "d_ff", "learning_rate", "dropout"]


@pytest.mark.parametrize("metric", ["auc", "macro_f1", "token_f1", "exact_match", "accuracy"])
def test_a_higher_score_beats_a_baseline(metric: str) -> None:
    view = study({"value": 0.5, metric: 0.8}, baselines={"rule": {metric: 0.7}})
    assert short_verdict(view) == ("good", "better than its baselines")


def test_a_smoke_run_is_named_as_its_log(tmp_path: Path) -> None:
    log = SampleLog2()
    log.open_run(smoke=True)
    log.start(0)
    log.end(0)
    view = StudyView(recover_one(log.lines))
    assert view.name == f"{view.study.name}-smoke"
    path = tmp_path / f"{view.name}.log"
    path.write_text("\n".join([*log.lines, ""]))
    found = CliRunner().invoke(main, ["status", str(path), "--json"])
    assert [row["name"] for row in json.loads(found.stdout)] == [view.name]
