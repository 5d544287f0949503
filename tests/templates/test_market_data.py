"""Market data: splits without leaks, and refusals that say what and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from hpo_script.experiment import UnusableError
from hpo_script.losses.bce import bce_loss
from hpo_script.patchtst.data import Task, read_prices
from scripts import MARKET, changed, load, render_to

COLUMNS = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]
CPU = torch.device("cpu")


def make_task(path: Path, **changes: Any) -> Task:
    arguments: dict[str, Any] = {
        "data_path": str(path),
        "feature_columns": COLUMNS,
        "task": "threshold_1pct",
        "horizon": 1,
        "train_fraction": 0.7,
        "val_fraction": 0.15,
        "train_end": None,
        "val_end": None,
        "min_val_samples": 100,
        "min_class_samples": 10,
        "context_length": 60,
        "max_context_length": 60,
        "patch_length": 10,
        "stride": 5,
        "losses": {"bce": bce_loss},
        "data_sha256": None,
        "data_range": None,
        "train_subset": 1.0,
    }
    task = Task(**{**arguments, **changes})
    task.load(CPU)
    return task


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
    assert len(task.dates) == len(task.labels) == n_seen
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
    assert torch.equal(one.labels[one.val_index], two.labels[two.val_index])
    first, second = one.describe(), two.describe()
    assert first.pop("data_sha256") != second.pop("data_sha256")
    assert first == second


@pytest.mark.parametrize("context_length", [20, 60, 120])
def test_label_days_do_not_depend_on_the_context(sp500: Path, context_length: int) -> None:
    task = make_task(sp500, context_length=context_length, max_context_length=120)
    known = make_task(sp500, context_length=60, max_context_length=120)
    assert (task.train_days == known.train_days).all()
    assert (task.val_days == known.val_days).all()
    assert task.train_days[0] == 119


def test_a_window_ends_on_its_label_day(sp500: Path, tmp_path: Path) -> None:
    raw = changed(MARKET, options={"inputs": "revin"}, model={"context_length": 20})
    task = load(render_to(tmp_path, raw))["make_task"](str(sp500))
    task.load(CPU)
    frame = pd.read_csv(sp500)
    day = int(task.val_days[7])
    window = task.window(torch.tensor([day]))[0]
    expected = frame[COLUMNS].to_numpy(np.float32)[day - 19 : day + 1]
    assert task.windows.shape[1:] == (6, 20)
    np.testing.assert_array_equal(window.numpy(), expected)


def test_explicit_dates_split_at_those_dates(sp500: Path) -> None:
    task = make_task(sp500, train_end="2009-12-31", val_end="2013-12-31")
    about = task.describe()
    assert about["train_days"] == "1999-03-30 to 2009-12-30"
    assert about["val_days"] == "2010-01-04 to 2013-12-30"


def test_what_to_beat_is_told(sp500: Path) -> None:
    about = make_task(sp500).describe()
    assert about["train_samples"] == 3462
    assert about["val_samples"] == 753
    assert round(about["prior_loss"], 3) == 0.456
    assert round(about["one_feature_auc"], 3) == 0.748


def test_standardised_inputs_know_the_training_rows_only(sp500: Path, tmp_path: Path) -> None:
    names = load(render_to(tmp_path, changed(MARKET, options={"inputs": "scale_free"})))
    frame, _ = read_prices(sp500, COLUMNS)
    n_train = round(len(frame) * 0.7)
    one = names["input_features"](frame, COLUMNS, n_train)
    later = frame.copy()
    later.loc[n_train:, COLUMNS] *= 3.0
    two = names["input_features"](later, COLUMNS, n_train)
    np.testing.assert_array_equal(one[:n_train], two[:n_train])
    assert abs(one[1:n_train].mean(0)).max() < 0.01
    assert abs(one[1:n_train].std(0) - 1).max() < 0.02  # all but what is cut off at 10


def test_scale_free_inputs_do_not_change_with_the_currency(sp500: Path, tmp_path: Path) -> None:
    names = load(render_to(tmp_path, changed(MARKET, options={"inputs": "scale_free"})))
    frame, _ = read_prices(sp500, COLUMNS)
    dearer = frame.assign(**{name: frame[name] * 7 for name in COLUMNS[:5]})
    one = names["input_features"](frame, COLUMNS, 3000)
    two = names["input_features"](dearer, COLUMNS, 3000)
    np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-9)


def test_a_model_under_revin_does_not_see_the_scale_of_a_window(
    sp500: Path, tmp_path: Path
) -> None:
    names = load(render_to(tmp_path, changed(MARKET, options={"inputs": "revin"})))
    task = names["make_task"](str(sp500))
    task.load(CPU)
    torch.manual_seed(0)
    model = task.build_model(names["ARCHITECTURES"][0], 0.0).eval()
    windows = task.window(task.val_index[:8])
    with torch.inference_mode():
        torch.testing.assert_close(model(windows), model(windows * 6), rtol=1e-3, atol=1e-4)


def test_the_removed_statistics_reach_a_model_that_is_given_them(
    sp500: Path, tmp_path: Path
) -> None:
    names = load(render_to(tmp_path, changed(MARKET, options={"inputs": "revin_stats"})))
    task = names["make_task"](str(sp500))
    task.load(CPU)
    torch.manual_seed(0)
    model = task.build_model(names["ARCHITECTURES"][0], 0.0).eval()
    windows = task.window(task.val_index[:8])
    middle = windows.mean(1, keepdim=True)
    with torch.inference_mode():
        calm = model(middle + 0.5 * (windows - middle))
        assert not torch.allclose(model(windows), calm, atol=1e-4)
    train = task.window(task.train_index)
    statistics = torch.cat(model.inputs.statistics(train), 1) - model.inputs.center
    assert (statistics / model.inputs.width).mean(0).abs().max() < 1e-3


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
        (7, "Close", "", "row 7: Close is '', not a finite number"),
        (9, "Volume", "many", "row 9: Volume is 'many', not a finite number"),
        (9, "Low", "inf", "row 9: Low is 'inf', not a finite number"),
        (5, "Date", "1999-01-04", "row 5: Date is '1999-01-04', earlier than the row"),
        (5, "Date", "1999-01-06", "row 5: Date is '1999-01-06', the date of the row before"),
        (5, "Date", "soon", "row 5: Date is 'soon', not a date such as 1999-01-04"),
    ],
)
def test_a_bad_cell_is_named_with_row_and_column(
    sp500: Path, row: int, column: str, value: str, message: str
) -> None:
    spoil(sp500, row, column, value)
    with pytest.raises(UnusableError, match=message):
        read_prices(sp500, COLUMNS)


@pytest.mark.parametrize(
    ("row", "column", "value", "what"),
    [
        (9, "Low", "0", "not above 0"),
        (4000, "Close", "-3", "not above 0"),
        (9, "High", "1", "below Low"),
    ],
)
def test_prices_that_cannot_be_are_refused_with_their_row(
    sp500: Path, row: int, column: str, value: str, what: str
) -> None:
    spoil(sp500, row, column, value)
    with pytest.raises(UnusableError, match=f"row {row}: {column} is '{value}', {what}"):
        read_prices(sp500, COLUMNS)


def test_a_column_that_never_changes_in_training_is_refused(sp500: Path) -> None:
    frame = pd.read_csv(sp500)
    frame.loc[: round(len(frame) * 0.7), "Volume"] = 0
    frame.to_csv(sp500, index=False)
    with pytest.raises(UnusableError, match="Volume never changes in the training rows"):
        make_task(sp500)


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
        read_prices(path, COLUMNS)


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
    names = load(render_to(tmp_path, changed(MARKET, options={"inputs": inputs}, model=sizes)))
    task = names["make_task"](str(sp500))
    task.load(CPU)
    torch.manual_seed(0)
    model = task.build_model(names["ARCHITECTURES"][0], 0.0).eval()
    window = task.window(task.val_index[:1]).clone().requires_grad_()
    model(window).sum().backward()
    assert window.grad is not None
    assert float(window.grad[0, -1].abs().max()) > 0


def test_a_missing_column_is_named_with_those_there_are(sp500: Path) -> None:
    with pytest.raises(UnusableError, match=r"no column vix; it has \['Date', 'Open'"):
        read_prices(sp500, [*COLUMNS, "vix"])


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="hpogen demo-data sp500"):
        read_prices(tmp_path / "none.csv", COLUMNS)


def test_small_validation_sets_are_refused(sp500: Path) -> None:
    with pytest.raises(UnusableError, match=r"validation samples .* at least 100"):
        make_task(sp500, val_fraction=0.015)


def test_validation_sets_of_one_class_are_refused(sp500: Path) -> None:
    with pytest.raises(UnusableError, match=r"with 0 positives; .* 10 of each class"):
        make_task(sp500, task="threshold_15pct")
