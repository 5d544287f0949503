"""Reruns of the best trials: which ones, with which seeds, and what they say about a study."""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import pytest

from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial
from recover_trials import read_trials
from scripts import (
    QUICK,
    changed,
    log_of,
    mortal,
    render_to,
    result_of,
    run,
    run_until_done,
    start,
    study_of,
    table,
)

pytestmark = pytest.mark.study
CONFIG = changed(
    QUICK,
    study={"n_trials": 12, "n_confirm": 2},
    options={"start": "none"},
    pruner={"type": "none"},
)
RERUNS = {7: "confirm", 8: "confirm", 9: "noise", 10: "noise", 11: "noise"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, sp500_file: Path) -> Any:
    """Return the script of a finished study with reruns, and how its run ended."""
    folder = tmp_path_factory.mktemp("reruns")
    (folder / "sp500.csv").symlink_to(sp500_file)
    script = render_to(folder, CONFIG)
    done = run(script)
    assert done.returncode == 0, done.stderr
    return script, done


def ranked(study: LoggedStudy) -> list[LoggedTrial]:
    """Return the trials that are no reruns, the best first."""
    first = [trial for trial in study.trials.values() if trial.number not in RERUNS]
    return sorted(first, key=lambda trial: trial.value or 0.0)


def test_the_last_trials_rerun_the_best_ones(finished: Any) -> None:
    study = study_of(finished[0])
    known = {
        n: trial.attributes for n, trial in study.trials.items() if "rerun_of" in trial.attributes
    }
    assert {number: about["kind"] for number, about in known.items()} == RERUNS
    best, second, *_ = (trial.number for trial in ranked(study))
    assert [about["rerun_of"] for about in known.values()] == [best, second, best, best, best]


def test_a_rerun_has_the_configuration_of_its_trial_and_another_seed(finished: Any) -> None:
    study = study_of(finished[0])
    for number in RERUNS:
        again = study.trials[number]
        first = study.trials[again.attributes["rerun_of"]]
        assert again.attributes["config_id"] == first.attributes["config_id"]
        assert again.curve != first.curve
    assert len({str(trial.curve) for trial in study.trials.values()}) == 12


def test_a_run_says_whether_its_lead_is_more_than_seed_noise(finished: Any) -> None:
    script, done = finished
    study = study_of(script)
    first = [trial.value or 0.0 for trial in ranked(study)]
    number = ranked(study)[0].number
    again = [
        trial.value or 0.0
        for trial in study.trials.values()
        if trial.attributes.get("rerun_of") == number
    ]
    noise = result_of(done)["seed_noise"]
    assert noise == {
        "sd": pytest.approx(stdev(again)),
        "rerun_of": number,
        "reruns": 4,
        "mean": pytest.approx(fmean(again)),
        "median": pytest.approx(median(first)),
        "lead": pytest.approx(median(first) - fmean(again)),
        "within_sd": sum(value - first[0] <= stdev(again) for value in first[1:]),
    }
    words = "more" if noise["lead"] > 2 * noise["sd"] else "NOT more"
    lead = f"lead over the median trial: {noise['lead']:.3g}"
    assert f"  {lead}, {words} than noise (2 SD)\n" in done.stderr
    near = f"within it of the best: {noise['within_sd']} others\n"
    assert f"seed noise: SD {noise['sd']:.3g}; {near}" in done.stderr


def test_the_mean_of_the_reruns_is_compared_with_each_baseline(finished: Any) -> None:
    _, done = finished
    result = result_of(done)
    mean = result["seed_noise"]["mean"]
    for name, metrics in result["baselines"].items():
        value = metrics["val_loss"]
        words = "better than" if mean < value else "NOT better than"
        sentence = f"  val_loss {mean:.6g} in reruns is {words} the {name} with {value:.6g}\n"
        assert sentence in done.stderr


def test_a_lucky_rerun_is_not_the_best_trial(finished: Any) -> None:
    script, done = finished
    study = study_of(script)
    best = ranked(study)[0]
    assert result_of(done)["best_trial"] == best.number
    lucky = LoggedTrial(11, attributes=study.trials[11].attributes, state="COMPLETE", value=-1.0)
    study.trials[11] = lucky
    assert study.best("minimize") == best


def test_reruns_stand_in_every_table(finished: Any) -> None:
    script, _ = finished
    trials = study_of(script).trials
    rows = table(script)
    (recovered,) = read_trials([log_of(script)]).studies
    for number, trial in trials.items():
        of = trial.attributes.get("rerun_of")
        assert rows[number]["user_attrs_kind"] == trial.attributes["kind"]
        assert rows[number]["user_attrs_rerun_of"] == ("" if of is None else str(of))
        assert recovered.trials[number][0].user_attrs.get("rerun_of") == of
    assert recovered.best is not None
    assert recovered.best.number == ranked(study_of(script))[0].number


def test_a_study_that_is_killed_in_its_reruns_has_the_same_table(
    finished: Any, sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, CONFIG)
    places = [(6, 1), (7, 1), (8, 1), (9, 1), (10, 1), (11, 1)]
    mortal(script, places)
    assert run_until_done(script, "--checkpoint-minutes=0") == len(places)
    assert table(script) == table(finished[0])


def test_a_rerun_whose_lines_are_damaged_is_chosen_again(
    finished: Any, sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, CONFIG)
    log, lines = log_of(script), log_of(finished[0]).read_text().splitlines(keepends=True)
    log.parent.mkdir()
    lost = ("Trial 8:", "Trial 8 ended", "Trial 10:", "Trial 10 ended", "Run ")
    kept = [line for line in lines[1:] if not any(f"] {head}" in line for head in lost)]
    log.write_text("".join([lines[0], *kept]))
    assert run(script).returncode == 0
    assert table(script) == table(finished[0])


def test_workers_share_the_reruns(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(CONFIG, study={"n_confirm": 0}))
    workers = [start(script) for _ in range(3)]
    outputs = [worker.said() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 3, outputs
    kinds = [trial.attributes["kind"] for _, trial in sorted(study_of(script).trials.items())]
    assert kinds[9:] == ["noise"] * 3
    assert "noise" not in kinds[:9]


def test_a_raised_total_adds_reruns_for_a_new_best_trial_only(
    finished: Any, sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, CONFIG)
    log_of(script).parent.mkdir()
    shutil.copy(log_of(finished[0]), log_of(script))
    (tmp_path / "next.json").write_text('[{"arch_idx": 1, "dropout": 0.25}]')
    for total, options in ((13, ["--enqueue=next.json"]), (20, [])):
        assert run(script, f"--n-trials={total}", *options).returncode == 0
    trials = study_of(script).trials
    kinds = [trials[number].attributes["kind"] for number in range(20)]
    assert (kinds[7:12], kinds[12]) == (list(RERUNS.values()), "enqueued")
    for number, trial in trials.items():
        if trial.attributes["kind"] == "noise":
            known = [t for t in trials.values() if t.number < number and t.rerun_of is None]
            best = min(known, key=lambda t: (t.value or 0.0, t.number))
            assert trial.rerun_of == best.number
            assert sum(t.rerun_of == best.number for t in trials.values()) <= 4


def test_a_study_of_fewer_than_ten_trials_has_no_reruns(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, CONFIG)
    done = run(script, "--n-trials", "9")
    assert done.returncode == 0, done.stderr
    trials = study_of(script).trials.values()
    assert {trial.rerun_of for trial in trials} == {None}
    assert result_of(done)["seed_noise"] == {}
    assert "has one seed: part of its lead may be the noise of its seed." in done.stderr
