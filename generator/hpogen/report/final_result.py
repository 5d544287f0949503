"""Result on the test split, from the log of a final script: gains over baselines, calibration.

The log may be damaged or foreign: values that are not finite numbers are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from hpogen.report.plotly_figure import BEST, OTHER, Picture, dots, lines
from hpogen.report.view import StudyView
from hpogen.report.words import finite, text_of


class Gain(NamedTuple):
    """The gain over a baseline in a measure, with its interval; above 0 is better."""

    measure: str
    baseline: str
    value: float
    low: float
    high: float

    @property
    def cells(self) -> list[str]:
        interval = f"{self.low:+.3g} to {self.high:+.3g}"
        return [self.measure, self.baseline, f"{self.value:+.3g}", interval]


class Bin(NamedTuple):
    """Samples with about the same predicted probability."""

    samples: float
    predicted: float
    observed: float


GAIN_HEAD = ["measure", "baseline", "gain", "interval"]


def items(view: StudyView, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the mappings of a list of the test result."""
    found = view.study.test_result.get(name)
    yield from (
        item for item in (found if isinstance(found, list) else ()) if isinstance(item, dict)
    )


def gains(view: StudyView) -> list[Gain]:
    """Return the gains of the chosen configuration over the baselines."""
    found = []
    for item in items(view, "comparisons"):
        value, low, high = (finite(item.get(name)) for name in ("value", "low", "high"))
        if value is not None and low is not None and high is not None:
            names = text_of(item.get("measure"), 30), text_of(item.get("baseline"), 30)
            found.append(Gain(*names, value, low, high))
    return found


def verdict_sentence(view: StudyView) -> tuple[str, str] | None:
    """Return (kind, sentence) about the test split; None if the log has no result of it."""
    result = view.study.test_result
    if not result:
        return None
    verdict = text_of(result.get("verdict"), 120)
    kind = "good" if verdict.startswith("beats ") else "bad"
    if verdict.startswith("within noise of "):
        kind = "note"
    samples, number = finite(result.get("test_samples")), finite(result.get("evaluation_number"))
    text = "On the test split" + ("" if samples is None else f" ({samples:,.0f} samples)")
    text += f", by {text_of(result.get('measure'), 30)}: {verdict}."
    if number is not None and number > 1:
        text += f" This is evaluation {number:.0f} of this split, so it may be too optimistic."
    return kind, text


def reliability(view: StudyView) -> Picture | None:
    """Return the reliability diagram; None if the log has no table of it."""
    bins = []
    for item in items(view, "reliability"):
        values = [number for name in Bin._fields if (number := finite(item.get(name))) is not None]
        if len(values) == len(Bin._fields):
            bins.append(Bin(*values))
    if not bins:
        return None
    texts = [
        f"{found.samples:,.0f} samples<br>predicted {found.predicted:.3f}"
        f"<br>observed {found.observed:.3f}"
        for found in bins
    ]
    points = [(found.predicted, found.observed) for found in bins]
    most = max(found.samples for found in bins) or 1.0
    sizes = [6 + 24 * (found.samples / most) ** 0.5 for found in bins]
    data = [
        lines("perfect calibration", [[(0, 0), (1, 1)]], OTHER, line={"dash": "dot"}),
        dots("samples by probability", points, texts, BEST, size=sizes, opacity=0.8),
    ]
    axes = [
        {"title": {"text": title}, "range": [-0.04, 1.04]} for title in ("predicted", "observed")
    ]
    layout = {"xaxis": axes[0], "yaxis": axes[1]}
    caption = (
        "Share of positive labels on the test split, by predicted probability after the"
        " temperature. A larger point has more samples."
    )
    return Picture(
        "reliability",
        "Calibration on the test split",
        caption,
        data,
        layout,
        most_width=560,
        height=420,
    )
