"""Market data: splits without leaks, and refusals that say what and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from hpo_script.experiment.shared import UnusableError
from hpo_script.families.market import default_csv
from hpo_script.families.market.default_csv import read_prices
from scripts import MARKET, changed, load, load_task, render_to

COLUMNS = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]


def make_task(data_file: Path, **changes: Any) -> Any:
    """Return the task of a script that was rendered with some changes."""
    return load_task(render_to(data_file.parent, changed(MARKET, **changes)))[1]


@pytest.mark.parametrize("horizon", [1, 3, 5])
def test_no_label_window_crosses_a_boundary(sp500: Path, horizon: int) -> None:
    task = make_task(sp500, horizon=horizon)
    n_train, n_seen = round(5031 * 0.7), round(5031 * 0.85)
    assert task.train_days[-1] + horizon == n_train - 1
    assert task.val_days[0] == n_train
    assert task.val_days[-1] + horizon == n_seen - 1


def test_the_test_rows_are_dropped_on_reading(sp500: Path) -> None:
    task = make_task(sp500)
    n_seen = round(5031 * 0.85)
    assert len(task.frame) == len(task.labels) == n_seen
    assert len(task.windows) == n_seen - 60 + 1


def test_a_change_of_the_test_rows_changes_nothing_but_the_digest(sp500: Path) -> None:
    one = make_task(sp500)
    lines = sp500.read_text().splitlines()
    for row in range(round(5031 * 0.85) + 1, len(lines)):
        date = lines[row].split(",")[0]
        lines[row] = f"{date},1,2,1,1.5,1.5,7"
    sp500.write_text("\n".join(lines) + "\n")
    two = make_task(sp500)
    assert torch.equal(one.windows, two.windows)
    assert torch.equal(one.labels[one.val_days], two.labels[two.val_days])
    first, second = one.describe(), two.describe()
    assert first.pop("data_sha256") != second.pop("data_sha256")
    assert first == second
    assert one.baselines() == two.baselines()


def test_the_last_date_of_a_split_belongs_to_it_with_a_time_of_day(sp500: Path) -> None:
    ends = {"train_end": "2009-12-31", "val_end": "2013-12-31"}
    dates = make_task(sp500, splits=ends)
    pd.read_csv(sp500).assign(Date=lambda f: f["Date"] + " 16:00").to_csv(sp500, index=False)
    times = make_task(sp500, splits=ends)
    assert times.frame["Date"].iloc[-1] == pd.Timestamp("2013-12-31 16:00")
    for name in ("train_days", "val_days"):
        assert torch.equal(getattr(times, name), getattr(dates, name))


@pytest.mark.parametrize("context_length", [20, 120])
def test_label_days_do_not_depend_on_the_context(sp500: Path, context_length: int) -> None:
    longest = {"max_context_length": 120}
    task = make_task(sp500, model={"context_length": context_length, **longest})
    known = make_task(sp500, model={"context_length": 60, **longest})
    assert (task.train_days == known.train_days).all()
    assert (task.val_days == known.val_days).all()
    assert task.train_days[0] == 119


def test_a_window_ends_on_its_label_day(sp500: Path) -> None:
    task = make_task(
        sp500, options={"inputs": "revin", "start": "none"}, model={"context_length": 20}
    )
    frame = pd.read_csv(sp500)
    day = int(task.val_days[7])
    window = task.training_batch(torch.tensor([day]))[0][0]
    expected = frame[COLUMNS].to_numpy(np.float32)[day - 19 : day + 1]
    assert task.windows.shape[1:] == (6 + 3, 20)  # columns, start features
    np.testing.assert_array_equal(window[:, :6].numpy(), expected)


def test_explicit_dates_split_at_those_dates(sp500: Path) -> None:
    task = make_task(sp500, splits={"train_end": "2009-12-31", "val_end": "2013-12-31"})
    about = task.describe()
    assert about["train_days"] == "1999-03-30 to 2009-12-30"
    assert about["val_days"] == "2010-01-04 to 2013-12-30"


def test_baselines_are_those_of_the_validation_days(sp500: Path) -> None:
    task = make_task(sp500)
    about, beat = task.describe(), task.baselines()
    assert (about["train_samples"], about["val_samples"]) == (3462, 753)
    assert round(beat["class prior"]["val_loss"], 3) == 0.456
    assert round(beat["daily range"]["auc"], 3) == 0.748


def test_standardised_inputs_depend_on_the_training_rows_only(sp500: Path) -> None:
    names = load(render_to(sp500.parent, changed(MARKET, options={"inputs": "scale_free"})))
    frame, _ = names["read_prices"](sp500)
    n_train = round(len(frame) * 0.7)

    def inputs(frame: pd.DataFrame) -> Any:
        features = names["input_features"](frame, COLUMNS)
        return names["scaled_inputs"](features, names["input_scale"](features[:n_train]))

    one = inputs(frame)
    later = frame.copy()
    later.loc[n_train:, COLUMNS] *= 3.0
    two = inputs(later)
    np.testing.assert_array_equal(one[:n_train], two[:n_train])
    assert abs(one[1:n_train].mean(0)).max() < 0.01
    assert abs(one[1:n_train].std(0) - 1).max() < 0.02  # all but those cut off at 10
    dearer = frame.assign(**{name: frame[name] * 7 for name in COLUMNS[:5]})
    three = inputs(dearer)
    np.testing.assert_allclose(one, three, rtol=1e-6, atol=1e-9)  # no effect of the currency


def test_revin_hides_the_scale_of_a_window(sp500: Path) -> None:
    script = render_to(sp500.parent, changed(MARKET, options={"inputs": "revin", "start": "none"}))
    names, task = load_task(script)
    torch.manual_seed(0)
    model = task.build_model(names["ARCHITECTURES"][0], 0.0).eval()
    windows = task.training_batch(task.val_days[:8])[0]
    with torch.inference_mode():
        torch.testing.assert_close(model(windows), model(windows * 6), rtol=1e-3, atol=1e-4)


def test_revin_stats_gives_spread_and_position_to_the_model(sp500: Path) -> None:
    options = {"inputs": "revin_stats", "start": "none"}
    script = render_to(sp500.parent, changed(MARKET, options=options))
    names, task = load_task(script)
    torch.manual_seed(0)
    model = task.build_model(names["ARCHITECTURES"][0], 0.0).eval().model
    windows = task.training_batch(task.val_days[:8])[0][:, :, : task.n_inputs]
    middle = windows.mean(1, keepdim=True)
    with torch.inference_mode():
        calm = model(middle + 0.5 * (windows - middle))
        assert not torch.allclose(model(windows), calm, atol=1e-4)
    train = task.training_batch(task.train_days)[0][:, :, : task.n_inputs]
    statistics = model.statistics(train) - model.center
    assert (statistics / model.width).mean(0).abs().max() < 1e-3
    scaled = model.statistics(windows * 6)
    torch.testing.assert_close(scaled, model.statistics(windows), rtol=1e-4, atol=1e-4)


def spoil(path: Path, row: int, column: str, value: str) -> None:
    """Set one cell; row 2 is the first after the header."""
    lines = path.read_text().splitlines()
    index = lines[0].split(",").index(column)
    cells = lines[row - 1].split(",")
    cells[index] = value
    lines[row - 1] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (7, "Close", "", "Close 'nan' is not a finite number"),
        (9, "Volume", "many", "Volume 'many' is not a finite number"),
        (9, "Low", "inf", "Low 'inf' is not a finite number"),
        (9, "Low", "0", "Low '0' is not above 0"),
        (4000, "Close", "-3", "Close '-3' is not above 0"),
        (9, "High", "1", "High '1' is below Low"),
        (5, "Date", "1999-01-04", "Date '1999-01-04' is not after the row before"),
        (5, "Date", "1999-01-06", "Date '1999-01-06' is not after the row before"),
        (5, "Date", "soon", "Date 'soon' is not a date such as 1999-01-04"),
    ],
)
def test_a_bad_cell_is_named_with_row_and_column(
    sp500: Path, row: int, column: str, value: str, message: str
) -> None:
    spoil(sp500, row, column, value)
    with pytest.raises(UnusableError, match=f"row {row}: {message}"):
        read_prices(sp500)


def test_a_day_without_volume_stays_one_day(sp500: Path) -> None:
    spoil(sp500, 4000, "Volume", "0")
    task = make_task(sp500)
    assert float(task.windows.abs().max()) <= 10.0
    assert bool(task.windows.isfinite().all())


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", "Date,Prix\xe9".encode("latin-1")])
def test_a_file_that_is_no_table_is_one_message(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(UnusableError, match=r"x\.csv"):
        read_prices(path)


def test_dates_written_as_whole_numbers_are_dates(sp500: Path) -> None:
    frame = pd.read_csv(sp500)
    frame["Date"] = frame["Date"].str.replace("-", "").astype(int)
    frame.to_csv(sp500, index=False)
    assert make_task(sp500).describe()["val_days"] == "2013-01-03 to 2015-12-29"


@pytest.mark.parametrize("inputs", ["revin", "revin_stats", "scale_free"])
@pytest.mark.parametrize(("patch_length", "stride"), [(16, 8), (10, 7)])
def test_the_newest_day_reaches_the_model(
    inputs: str, patch_length: int, stride: int, sp500: Path, tmp_path: Path
) -> None:
    sizes = {"patch_length": patch_length, "stride": stride}
    config = changed(MARKET, options={"inputs": inputs}, model=sizes)
    names, task = load_task(render_to(tmp_path, config))
    torch.manual_seed(0)
    model = task.build_model(names["ARCHITECTURES"][0], 0.0).eval()
    window = task.training_batch(task.val_days[:1])[0].clone().requires_grad_()
    model(window).sum().backward()
    assert window.grad is not None
    assert float(window.grad[0, -1].abs().max()) > 0


def test_a_missing_column_is_named(sp500: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_csv, "FEATURE_COLUMNS", [*COLUMNS, "vix"])
    with pytest.raises(UnusableError, match=r"vix.* not in index"):
        read_prices(sp500)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": {"val_fraction": 0.015}}, r"validation samples.*MIN_VAL_SAMPLES"),
        ({"task": "threshold_15pct"}, r" 0 of them positive, .*MIN_CLASS_SAMPLES=10"),
    ],
    ids=["small", "one class"],
)
def test_splits_that_decide_nothing_are_refused(
    changes: dict[str, Any], message: str, sp500: Path
) -> None:
    with pytest.raises(Exception, match=message):
        make_task(sp500, **changes)
