"""Labels are those of the horizon and the task, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hpo_script.families.market import labels_direction, labels_threshold

#                     t:  0      1      2      3      4      5
TABLE = pd.DataFrame({
    "High":             [101.0, 100.9, 102.0, 100.5, 99.0, 103.0],
    "Close":            [100.0, 100.0, 100.0, 99.0, 98.0, 102.0],
})  # fmt: skip
NAN = float("nan")


@pytest.mark.parametrize(
    ("horizon", "labels"),
    [
        # Needed at 1 %: 101, 101, 101, 99.99, 98.98, 103.02
        (1, [0, 1, 0, 0, 1, NAN]),
        (3, [1, 1, 1, NAN, NAN, NAN]),
        (5, [1, NAN, NAN, NAN, NAN, NAN]),
    ],
)
def test_a_threshold_is_reached_by_the_high_of_the_days_ahead(
    horizon: int, labels: list[float]
) -> None:
    found = labels_threshold.make_labels(TABLE, task="threshold_1pct", horizon=horizon)
    np.testing.assert_array_equal(found, labels)


def test_a_threshold_that_is_just_reached_counts() -> None:
    table = pd.DataFrame({"High": [0.0, 101.0], "Close": [100.0, 0.0]})
    assert labels_threshold.make_labels(table, task="threshold_1pct", horizon=1)[0] == 1
    assert labels_threshold.make_labels(table, task="threshold_1.001pct", horizon=1)[0] == 0


@pytest.mark.parametrize("percent", [1, 2, 3, 5])
def test_rounding_does_not_take_a_price_from_its_threshold(percent: int) -> None:
    cents = np.arange(100, 100_000, 100)
    table = pd.DataFrame({"High": np.nan, "Close": cents / 100})
    task = f"threshold_{percent}pct"
    for more, label in ((0, 1), (-1, 0)):
        goal = (cents * (100 + percent) // 100 + more) / 100
        pairs = np.stack([np.full(len(cents), np.nan), goal], 1).ravel()
        rows = pd.DataFrame({"High": pairs, "Close": table["Close"].repeat(2).to_numpy()})
        found = labels_threshold.make_labels(rows, task=task, horizon=1)[::2]
        assert (found == label).all()


@pytest.mark.parametrize(("horizon", "labels"), [(1, [0, 0, 0, 0, 1, NAN]), (5, [1] + [NAN] * 5)])
def test_direction_compares_two_closes(horizon: int, labels: list[float]) -> None:
    found = labels_direction.make_labels(TABLE, task="direction", horizon=horizon)
    np.testing.assert_array_equal(found, labels)


def independent_rate(path: Path, horizon: int, percent: float) -> tuple[float, int]:
    """Compute the positive rate of a whole file line by line, without pandas or numpy."""
    lines = path.read_text().splitlines()
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
    highs = [float(row["High"]) for row in rows]
    positive = n_days = 0
    for day, row in enumerate(rows):
        ahead = highs[day + 1 : day + 1 + horizon]
        if len(ahead) < horizon:
            break
        positive += max(ahead) >= float(row["Close"]) * (1 + percent / 100)
        n_days += 1
    return positive / n_days, n_days


@pytest.mark.parametrize(("horizon", "rate"), [(1, 0.219), (3, 0.455), (5, 0.571)])
def test_the_positive_rates_of_the_sp500_are_the_known_ones(
    horizon: int, rate: float, sp500_file: Path
) -> None:
    frame = pd.read_csv(sp500_file)
    labels = labels_threshold.make_labels(frame, task="threshold_1pct", horizon=horizon)
    known = labels[~np.isnan(labels)]
    assert (known.mean(), len(known)) == pytest.approx(independent_rate(sp500_file, horizon, 1.0))
    assert known.mean() == pytest.approx(rate, abs=0.0006)
