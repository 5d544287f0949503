"""Reruns of the best trial in a report and in the table of recover-trials."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest

from hpogen.report.progress_pictures import history
from hpogen.report.smoothed import LEAST_TRIALS, smoothed_of, smoothed_sentence
from hpogen.report.study_verdict import short_verdict, verdicts
from hpogen.report.tables import best_table
from hpogen.report.view import StudyView
from recover_samples import SampleLog2, recover, recover_one
from recover_trials import Study, Trial, seed_noise
from recover_trials.output.table import to_table


def log_of(values: list[float], reruns: dict[int, list[float]], **about: Any) -> SampleLog2:
    """Return a log of trials with these values, and of reruns of some of them."""
    log = SampleLog2()
    log.open_run(**about)
    again = [(of, value) for of, found in reruns.items() for value in found]
    for number, (of, value) in enumerate([*((None, value) for value in values), *again]):
        place = number if of is None else of
        known = {"learning_rate": 0.001 * (place + 1), "config_id": f"c{place}"}
        known |= {} if of is None else {"kind": "noise", "rerun_of": of}
        log.start(number, **known)
        log.end(number, value=value, **known)
    return log


def view_of(values: list[float], reruns: dict[int, list[float]], **about: Any) -> StudyView:
    return StudyView(recover_one(log_of(values, reruns, **about).lines))


def test_a_rerun_is_not_the_best_trial_and_not_in_the_ranking() -> None:
    view = view_of([0.5, 0.4, 0.6], {1: [0.1, 0.45, 0.47]})
    assert view.best is not None
    assert (view.best.number, [trial.number for trial in view.ranking]) == (1, [1, 0, 2])
    assert [trial.number for trial in view.reruns] == [3, 4, 5]
    assert view.best_so_far == [(0, 0.5), (1, 0.4)]


@pytest.mark.parametrize(
    ("again", "kind", "missed"),
    [
        ([0.40, 0.41, 0.42], "good", ""),
        (
            [0.44, 0.46, 0.48],
            "bad",
            "of the reruns is not better than prior (val_loss 0.45).",
        ),
    ],
)
def test_a_best_trial_is_good_only_if_its_reruns_beat_the_baselines(
    again: list[float], kind: str, missed: str
) -> None:
    view = view_of([0.7, 0.4, 0.8], {1: again}, baselines={"prior": {"val_loss": 0.45}})
    found = verdicts(view)
    assert (found[0].kind == "good", short_verdict(view)[0]) == (kind == "good", kind)
    (noise,) = [v for v in found if v.sentence.startswith("Seed noise")]
    assert noise.kind == ("note" if kind == "good" else "bad")
    assert noise.sentence.endswith(missed)
    assert ("not better than" in noise.sentence) == bool(missed)


@pytest.mark.parametrize(
    ("again", "kind", "words"),
    [
        ([0.40, 0.41, 0.42], "note", "0.09 better than the median trial, more than seed noise"),
        ([0.40, 0.49, 0.58], "bad", "0.01 better than the median trial, not more than seed noise"),
        ([0.58, 0.60, 0.62], "bad", "0.1 worse than the median trial, not more than seed noise"),
    ],
)
def test_the_verdict_compares_the_lead_with_seed_noise(
    again: list[float], kind: str, words: str
) -> None:
    view = view_of([0.5, 0.4, 0.6], {1: again})
    (found,) = [v for v in verdicts(view) if v.sentence.startswith("Seed noise")]
    assert found.kind == kind
    assert "over 3 reruns of trial 1 with other seeds" in found.sentence
    assert words in found.sentence


def test_the_picture_has_the_band_and_the_reruns() -> None:
    picture = history(view_of([0.5, 0.4, 0.6], {1: [0.41, 0.42, 0.43]}))
    assert picture is not None
    assert "Band: ±1 SD of the seed (0.01, from 3 reruns of trial 1)." in picture.caption
    assert ("diamond", "rerun with another seed") in picture.keys
    (marks,) = [trace for trace in picture.data if trace["name"] == "rerun"]
    assert (marks["x"], marks["y"]) == ([3, 4, 5], [0.41, 0.42, 0.43])


def test_the_best_trials_stand_beside_the_means_of_their_reruns() -> None:
    view = view_of([0.5, 0.4, 0.6], {1: [0.4, 0.42], 0: [0.55]})
    head, rows = best_table(view, None)
    assert head == ["trial", "1", "0", "2"]
    assert rows[1] == ["in reruns", "0.41 (2)", "0.55 (1)", ""]


def test_the_table_of_recover_trials_marks_reruns_and_says_the_noise() -> None:
    text = to_table(recover(log_of([0.5, 0.4, 0.6], {1: [0.40, 0.41, 0.42]}).lines))
    assert text.splitlines()[-1] == (
        "seed noise: SD 0.01 over 3 reruns of trial 1, mean 0.41; lead over the median trial:"
        " 0.09, more than seed noise (2 SD); 0 other trials lie within one SD of the best"
    )
    worse = to_table(recover(log_of([0.5, 0.4, 0.6], {1: [0.58, 0.60, 0.62]}).lines))
    assert "lead over the median trial: -0.1, not more than seed noise" in worse
    assert [line.startswith("*") for line in text.splitlines()[2:5]] == [False, True, False]
    assert "rerun_of" in text.splitlines()[1]


def test_a_log_without_reruns_has_no_noise_of_reruns() -> None:
    study = recover_one(log_of([0.5, 0.4], {}).lines)
    assert seed_noise(study) == {}
    assert "seed noise" not in to_table(recover(log_of([0.5, 0.4], {}).lines))


# --- Smoothed pick -------------------------------------------------------------------------------


def lucky() -> StudyView:
    """Return a valley of values with one lucky trial far from its bottom."""
    chance = random.Random(0)  # noqa: S311
    values = [abs(place - 20) / 20 + 0.05 * chance.gauss(0, 1) for place in range(30)]
    values[3] = -0.1
    return view_of(values, {3: [0.80, 0.85, 0.90]})


def test_the_smoothed_pick_is_not_a_lucky_trial() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    view = lucky()
    found, reason = smoothed_of(view)
    assert found is not None
    assert (view.ranking[0].number, reason) == (3, "")
    assert 16 <= found.trial.number <= 24
    assert found.chances[3] < 0.05
    assert [*found.chances] == [trial.number for trial in view.ranking[:5]]
    assert sum(found.chances.values()) + found.others == pytest.approx(1)
    sentence = smoothed_sentence(view, found)
    assert f"Smoothed pick: trial {found.trial.number}, not trial 3: val_loss" in sentence
    assert "learning_rate 0.0" in sentence
    assert ["truly best", *(f"{p:.0%}" for p in found.chances.values())] in best_table(
        view, found
    )[1]


def bowl(seed: int) -> tuple[StudyView, list[float]]:
    """Return a study of 47 trials in six dimensions and 3 reruns, and the values without noise."""
    chance = random.Random(seed)  # noqa: S311
    weights = [chance.expovariate(1) for _ in range(6)]
    centre = [chance.uniform(0.2, 0.8) for _ in range(6)]
    study, values = Study("a", "a", "a", about={"direction": "minimize"}), []
    for number in range(50):
        draw = chance.random if number < 20 else None
        places = [draw() if draw else min(1.0, max(0.0, chance.gauss(c, 0.25))) for c in centre]
        known: dict[str, Any] = {}
        if number >= 47:
            known = {"rerun_of": min(range(47), key=lambda n: study.trials[n][0].values[0])}
            places = list(study.trials[known["rerun_of"]][0].params.values())
        params = {f"p{i}": place for i, place in enumerate(places)}
        squares = zip(weights, places, centre, strict=True)
        value = sum(w * (x - c) ** 2 for w, x, c in squares) / sum(weights) * 8
        values.append(value)
        noisy = (value + 0.2 * chance.gauss(0, 1),)
        study.trials[number] = [Trial(number, "COMPLETE", noisy, params=params, user_attrs=known)]
    return StudyView(study), values[:47]


@pytest.mark.slow
def test_smoothed_picks_are_better_and_small_probabilities_are_right() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    gain, chances, hits = 0.0, 0.0, 0
    for seed in range(60):
        view, values = bowl(seed)
        found, _ = smoothed_of(view)
        assert found is not None
        gain += values[view.ranking[0].number] - values[found.trial.number]
        for number, chance in found.chances.items():
            if chance < 0.3:
                chances += chance
                hits += number == values.index(min(values))
    assert gain > 0
    assert abs(hits - chances) < 3 * chances**0.5


def test_a_smoothed_pick_needs_trials_that_differ() -> None:
    assert smoothed_of(view_of([0.5] * (LEAST_TRIALS - 1), {}))[0] is None
    log = SampleLog2()
    log.open_run()
    for number in range(LEAST_TRIALS):
        log.start(number)
        log.end(number, value=0.5)
    found, reason = smoothed_of(StudyView(recover_one(log.lines)))
    assert (found, "no setting differs" in reason) == (None, True)


@pytest.mark.parametrize(
    "values", [[0.5] * LEAST_TRIALS, [*[0.5] * LEAST_TRIALS, 0.4], [*[0.5] * LEAST_TRIALS, 0.9]]
)
def test_settings_may_be_texts_and_values_equal(values: list[float]) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    log = SampleLog2()
    log.open_run(search_space={"act": {}})
    for number, value in enumerate(values):
        known = {"act": ["gelu", "relu", None][number % 3], "learning_rate": 10.0**number}
        log.start(number, **known)
        log.end(number, value=value, **known)
    found, reason = smoothed_of(StudyView(recover_one(log.lines)))
    assert (found is None) == (reason == "Smoothed pick: not shown, because all values are equal.")
    assert (found is None) == (len(set(values)) == 1)


def test_without_scikit_learn_the_report_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("sklearn.gaussian_process", "sklearn"):
        monkeypatch.setitem(sys.modules, name, None)  # as where it is not installed
    found, reason = smoothed_of(lucky())
    assert found is None
    assert "python -m pip install scikit-learn" in reason
