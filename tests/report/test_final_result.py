"""The result on the test split leads the report of a final script's log."""

from __future__ import annotations

from typing import Any

import pytest

from hpogen.report.final_result import gains, reliability
from hpogen.report.html_page import page_of
from hpogen.report.study_verdict import short_verdict, verdicts
from hpogen.report.view import StudyView
from recover_samples import SampleLog2, recover

GAIN = {"baseline": "linear start", "measure": "log loss", "value": 0.01, "low": 0.0, "high": 0.02}
BIN = {"from": 0.2, "to": 0.4, "samples": 100, "predicted": 0.3, "observed": 0.25}
RESULT = {
    "evaluation_number": 1,
    "verdict": "beats linear start by 0.0100 [0.0020, 0.0180]",
    "measure": "log loss",
    "comparisons": [GAIN],
    "results": [],
    "reliability": [BIN],
    "test_samples": 754,
}


def final_study(*results: dict[str, Any]) -> tuple[StudyView, list[str]]:
    """Return a study of one training with these results on the test split, and its report."""
    log = SampleLog2()
    log.open_run()
    log.start(0)
    log.end(0)
    for result in results:
        log.add("test_opened", {"evaluation_number": 1})
        log.add("test_result", {**RESULT, **result})
    found = recover(log.lines)
    return StudyView(found.studies[0]), found.report()


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        ("beats linear start by 0.0100 [0.0020, 0.0180]", "good"),
        ("within noise of linear start", "note"),
        ("loses to linear start", "bad"),
        ("collapsed", "bad"),
        ("too few positives", "bad"),
    ],
)
def test_the_verdict_comes_first(verdict: str, kind: str) -> None:
    view, report = final_study({"verdict": verdict})
    sentence = f"On the test split (754 samples), by log loss: {verdict}."
    assert verdicts(view)[0] == (kind, sentence)
    assert short_verdict(view) == (kind, verdict)
    assert report[0].endswith(f"; test split: {verdict}")
    assert verdict in page_of([view], [], "")


def test_the_last_evaluation_counts_and_is_marked_as_a_repetition() -> None:
    view, _ = final_study({}, {"verdict": "loses to linear start", "evaluation_number": 2})
    sentence = verdicts(view)[0].sentence
    assert "loses to linear start. This is evaluation 2 of this split" in sentence


def test_gains_and_calibration_are_those_of_the_log() -> None:
    view, _ = final_study({})
    assert [gain.cells for gain in gains(view)] == [
        ["log loss", "linear start", "+0.01", "+0 to +0.02"]
    ]
    picture = reliability(view)
    assert picture
    assert (picture.data[1]["x"], picture.data[1]["y"]) == ([0.3], [0.25])
    assert reliability(final_study({"reliability": []})[0]) is None


@pytest.mark.parametrize(
    "value", [None, 7, "x", [7], [{}], [{"value": "high", "samples": []}], {}]
)
def test_values_of_other_types_are_left_out(value: Any) -> None:
    names = ("verdict", "measure", "comparisons", "reliability", "test_samples")
    view, _ = final_study({**dict.fromkeys(names, value), "evaluation_number": value})
    assert verdicts(view)[0].sentence.startswith("On the test split")
    assert (gains(view), reliability(view)) == ([], None)
    assert page_of([view], [], "")


def test_a_study_without_a_test_split_has_no_such_sentence() -> None:
    view, report = final_study()
    assert "test split" not in " ".join([*report, *(v.sentence for v in verdicts(view))])
