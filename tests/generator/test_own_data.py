"""Files as people have them: read at the first try, or refused with all that mends them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from hpogen.configuration.yaml_file import ConfigFile
from hpogen.errors import DataError
from hpogen.families.family import DataFacts
from hpogen.families.market.constants_from_file import read_market_data
from hpogen.rendering.render import render
from hpogen.spec import Findings, Spec, make_spec
from own_files import ACCEPTED, Day, OwnFile, days, holidays, macro, prices, table
from scripts import MARKET, load, load_task, spec_of

NOTES = {
    "pandas_index": ["column Unnamed: 0 is an index"],
    "unnamed_dates": [
        "open as Open, high as High, low as Low, close as Close",
        "Unnamed: 0 as Date",
    ],
    "alpha_vantage": ["timestamp as Date", "4. close as Close", "the newest row is first"],
    "binance": ["Open time as Date", "1514764800000 are read as milliseconds since 1970"],
    "american": ["Close/Last as Close", "currency signs", "08/09/2019 are read as %m/%d/%Y"],
    "german_bank": [
        "cp1252",
        "semicolons",
        "the decimal separator is a comma",
        "separator is '.'",
    ],
    "investing": ["Price as Close", "1.2M is 1200000", "Aug 09, 2019 are read as %b %d, %Y"],
    "with_zone": ["ticker holds text ('SPX')", "Adj Close repeats Close"],
    "macro": ["column SP500, the only numeric one, is read as Close"],
    "utf_16": ["utf-16", "tabs", "'Source: exchange, all rights reserved'"],
}


def rendered(folder: Path, file: OwnFile, **changes: Any) -> tuple[Spec, Findings]:
    """Return the specification of a small script for a file, and what was said about the file."""
    path = folder / file.name
    path.write_bytes(file.content)
    findings = Findings()
    small = {"min_val_samples": 30, "min_class_samples": 5}
    content = {**MARKET, "budget": "11K", "splits": small, "data": changes, "task": file.task}
    config = ConfigFile("x.yaml", content, {})
    spec = make_spec(config=config, data=str(path), findings=findings, tolerance=0.9)
    (folder / "script.py").write_text(render(spec))
    return spec, findings


def frame_of(folder: Path, spec: Spec) -> pd.DataFrame:
    """Return what the script reads."""
    names = load(folder / "script.py")
    frame: pd.DataFrame
    frame, _ = names["read_prices"](folder / spec.constants["data_path"])
    return frame


def assert_days(frame: pd.DataFrame, expected: list[Day], scale: float = 1.0) -> None:
    """Assert that a script reads these days."""
    assert [moment.date() for moment in frame["Date"]] == [day.date for day in expected]
    for name, values in zip(
        ("Open", "High", "Low", "Close"), list(zip(*expected, strict=True))[1:5], strict=True
    ):
        found = frame[name] / scale
        assert found.tolist() == pytest.approx(values, abs=0.0051 / scale), name


@pytest.mark.parametrize("make", ACCEPTED, ids=lambda make: make.__name__)
def test_a_file_as_people_have_it_is_read_at_the_first_try(
    make: Callable[[], OwnFile], tmp_path: Path
) -> None:
    file = make()
    spec, findings = rendered(tmp_path, file)
    said = "\n".join(findings.notes)
    for part in NOTES[make.__name__]:
        assert part in said
    assert findings.warnings == []
    frame = frame_of(tmp_path, spec)
    if file.task != "direction":
        assert_days(frame, days(), 20.0 if make.__name__ == "investing" else 1.0)
    _, task = load_task(tmp_path / "script.py")
    assert set(task.baselines()) >= {"class prior", "linear start"}


def test_the_volumes_of_units_are_numbers(tmp_path: Path) -> None:
    file = next(make() for make in ACCEPTED if make.__name__ == "investing")
    spec, _ = rendered(tmp_path, file)
    assert "Change %" in spec.constants["feature_columns"]
    volumes = frame_of(tmp_path, spec)["Volume"].tolist()
    assert volumes == pytest.approx([day.volume for day in days()], abs=5001)


def test_a_series_of_one_price_has_its_return_as_range(tmp_path: Path) -> None:
    spec, _ = rendered(tmp_path, macro())
    assert spec.constants["price_columns"] == ["Close"]
    frame = frame_of(tmp_path, spec)
    closes = frame["Close"]
    expected = (closes / closes.shift(1, fill_value=closes[0])).tolist()
    assert (frame["High"] / frame["Low"]).tolist() == pytest.approx(
        [max(ratio, 1 / ratio) for ratio in expected]
    )


def test_a_series_of_one_price_is_refused_for_a_threshold(tmp_path: Path) -> None:
    file = macro()._replace(task="threshold_1pct", content=table(
        ["Date", "Close"], [(day.date, day.close) for day in days()]
    ).encode())  # fmt: skip
    with pytest.raises(DataError) as caught:
        rendered(tmp_path, file)
    assert "without High and Low, use the task direction" in str(caught.value)
    assert yaml.safe_load(fix_in(caught.value)) == {"task": "direction"}


def fix_in(error: DataError) -> str:
    """Return the lines of YAML in an error."""
    return str(error).partition("--config:\n")[2]


def test_missing_values_and_repeated_dates_are_one_report_that_mends_them(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        rendered(tmp_path, holidays())
    path = tmp_path / "holidays.csv"
    assert str(caught.value).splitlines()[:2] == [
        f"{path}: row 42, column Open: '-' is a missing value"
        " (4 rows in Open, High, Low, Close, Volume: 42, 92, 152, …)",
        f"{path}: row 203, column Date: '2018-10-08' is also the date of an earlier row",
    ]
    mend = yaml.safe_load(fix_in(caught.value))["data"]
    assert mend == {"fill": "previous", "duplicates": "last"}
    spec, findings = rendered(tmp_path, holidays(), **mend)
    frame = frame_of(tmp_path, spec)
    filled = days()
    for row in (40, 90, 150, 151):
        filled[row] = filled[row - 1]._replace(date=filled[row].date)
    assert_days(frame, filled)
    spec, findings = rendered(tmp_path, holidays(), fill="drop", duplicates="last")
    kept = [day for row, day in enumerate(days()) if row not in (40, 90, 150, 151)]
    assert_days(frame_of(tmp_path, spec), kept)
    assert "5 of 421 rows are left out" in findings.notes


@pytest.mark.parametrize("by_date", [True, False])
@pytest.mark.parametrize("names", [("AAA", "BBB"), (10107, 14593)])
def test_rows_of_several_instruments_are_refused_without_a_line_that_mixes_them(
    names: tuple[object, object], by_date: bool, tmp_path: Path
) -> None:
    found = [(d.date, name, *prices(d)) for name in names for d in days()]
    header = ["Date", "code", "Open", "High", "Low", "Close", "Volume"]
    text = table(header, sorted(found, key=str) if by_date else found)
    with pytest.raises(DataError) as caught:
        rendered(tmp_path, OwnFile("panel.csv", text.encode()))
    assert "column code names 2 instruments" in str(caught.value)
    assert "duplicates" not in str(caught.value)


def facts(path: Path, text: str, **said: Any) -> DataFacts:
    """Return what render reads from a text."""
    path.write_text(text, encoding="utf-8")
    return read_market_data(str(path), said, "threshold_1pct")


def own_table(more: dict[str, Callable[[int], object]], **formats: Callable[[Day], object]) -> str:
    """Return a plain file with further columns, and with dates in another form."""
    date = formats.get("date", lambda day: day.date)
    rows = [
        (date(day), day.open, day.high, day.low, day.close, *(make(n) for make in more.values()))
        for n, day in enumerate(days())
    ]
    return table(["Date", "Open", "High", "Low", "Close", *more], rows)


def test_dates_that_no_row_decides_are_refused_with_both_formats(tmp_path: Path) -> None:
    months = [f"{n % 12 + 1:02d}/{n % 12 + 1:02d}/{1750 + n}" for n in range(400)]
    rows = [(text, 10, 12, 9, 10 + n % 3) for n, text in enumerate(months)]
    text = table(["Date", "Open", "High", "Low", "Close"], rows)
    assert facts(tmp_path / "x.csv", text).constants["date_format"] == "%m/%d/%Y"  # the same
    text = text.replace("01/01/1750", "01/02/1750")
    with pytest.raises(DataError, match="'01/02/1750' is ambiguous") as caught:
        facts(tmp_path / "x.csv", text)
    assert yaml.safe_load(fix_in(caught.value)) == {"data": {"date_format": "%m/%d/%Y"}}
    assert '# or "%d/%m/%Y"' in str(caught.value)
    for chosen, first in (("%m/%d/%Y", "1750-01-02"), ("%d/%m/%Y", "1750-02-01")):
        found = facts(tmp_path / "x.csv", text, date_format=chosen).constants
        assert found["data_range"][0] == first


def test_a_comma_that_no_cell_decides_is_refused_with_both_readings(tmp_path: Path) -> None:
    rows = [(day.date, 10, 12, 9, 10 + n % 3, f"{n + 1},{n + 100}") for n, day in
            enumerate(days(400))]  # fmt: skip
    text = table(["Date", "Open", "High", "Low", "Close", "Volume"], rows)
    with pytest.raises(DataError, match="a comma in numbers may be the decimal") as caught:
        facts(tmp_path / "x.csv", text)
    assert yaml.safe_load(fix_in(caught.value)) == {"data": {"thousands": ","}}
    assert facts(tmp_path / "x.csv", text, decimal=",").constants["thousands"] == ""
    assert facts(tmp_path / "x.csv", text, thousands=",").constants["decimal"] == "."


def test_all_problems_are_one_report(tmp_path: Path) -> None:
    lines = own_table({}).splitlines()
    lines[9] = lines[9].rpartition(",")[0] + ",soon"
    lines[19] += ",1"
    lines[29], lines[30] = lines[30], lines[29]
    lines[39] = lines[39].rpartition(",")[0] + ",-1"
    with pytest.raises(DataError) as caught:
        facts(tmp_path / "x.csv", "\n".join(lines))
    problems = [line.partition("x.csv: ")[2] for line in str(caught.value).splitlines()]
    assert [text.partition(":")[0] for text in problems if text] == [
        "row 20", "row 10, column Close", "row 31, column Date", "row 40, column Close",
    ]  # fmt: skip
    assert yaml.safe_load(fix_in(caught.value)) == {"data": {"sort": True}}


def test_all_columns_that_have_to_be_named_are_one_line_of_yaml(tmp_path: Path) -> None:
    text = (
        own_table({"Last": lambda n: n % 7 + 1}).replace("Date", "When").replace("Close", "Price")
    )
    with pytest.raises(DataError) as caught:
        facts(tmp_path / "x.csv", text)
    mend = yaml.safe_load(fix_in(caught.value))
    assert mend == {"data": {"columns": {"Close": "Last", "Date": "..."}}}
    named = {"Close": "Last", "Date": "When"}
    assert facts(tmp_path / "x.csv", text, columns=named).constants["columns"] == named


def test_columns_that_add_nothing_are_left_out_with_a_note(tmp_path: Path) -> None:
    more: dict[str, Callable[[int], object]] = {
        "n": lambda n: n,
        "one": lambda n: n // 1000,
        "copy": lambda n: days()[n].close,
    }
    found = facts(tmp_path / "x.csv", own_table(more))
    assert found.constants["feature_columns"] == ["Open", "High", "Low", "Close"]
    assert found.warnings == []
    assert found.notes == [
        "column n only counts rows and is left out",
        "column one never changes in the training rows and is left out",
        "column copy repeats Close and is left out",
    ]
    named = {"feature_columns": ["Close", "copy"]}
    (warning,) = facts(tmp_path / "x.csv", own_table(more), **named).warnings
    assert warning.endswith("copy repeats Close; leave it out: feature_columns: [Close]")


def test_a_column_with_a_later_price_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    closes = [day.close for day in days()]
    text = own_table({"target": lambda n: closes[n + 1] if n + 1 < len(closes) else 1.0})
    with pytest.raises(
        DataError, match="target holds Close of 1 row later, which is unk"
    ) as caught:
        facts(tmp_path / "x.csv", text)
    mend = yaml.safe_load(fix_in(caught.value))["data"]
    assert mend == {"feature_columns": ["Open", "High", "Low", "Close"]}
    assert facts(tmp_path / "x.csv", text, **mend).warnings == []
    named = {"feature_columns": ["Close", "target"]}
    assert len(facts(tmp_path / "x.csv", text, **named).warnings) == 1


@pytest.mark.parametrize("form", ["log_ratio", "difference", "zscore", "none"])
def test_a_transform_looks_at_earlier_rows_only(form: str, tmp_path: Path) -> None:
    text = own_table({"VIX": lambda n: days()[n].vix})
    file = OwnFile("x.csv", text.encode())
    spec, _ = rendered(tmp_path, file, transforms={"VIX": form})
    whole = frame_of(tmp_path, spec)["VIX"]
    vix = pd.Series([day.vix for day in days()])
    if form == "difference":
        assert whole.tolist() == pytest.approx([0.0, *vix.diff()[1:]])
    if form == "none":
        assert whole.tolist() == vix.tolist()
    lines = text.splitlines(keepends=True)
    (tmp_path / "x.csv").write_text("".join(lines[:301]))
    assert frame_of(tmp_path, spec)["VIX"].tolist() == pytest.approx(whole[:300].tolist())


def test_a_log_ratio_needs_values_above_0(tmp_path: Path) -> None:
    text = own_table({"rate": lambda n: n % 5 - 1})
    facts(tmp_path / "x.csv", text, transforms={"rate": "difference"})
    with pytest.raises(DataError, match="row 2, column rate: '-1' is not above 0"):
        facts(tmp_path / "x.csv", text, transforms={"rate": "log_ratio"})


def test_plain_files_have_a_script_without_the_reader_of_others(tmp_path: Path) -> None:
    plain = OwnFile("x.csv", own_table({}).encode())
    spec, _ = rendered(tmp_path, plain)
    assert "fill" not in spec.constants
    assert "parse_number" not in (tmp_path / "script.py").read_text()
    spec, _ = rendered(tmp_path, plain, fill="drop")
    assert spec.constants["separator"] == ","
    assert "parse_number" in (tmp_path / "script.py").read_text()


def test_a_script_without_a_file_has_the_constants_that_were_said(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, {**MARKET, "data": {"date_format": "%d.%m.%Y", "decimal": ","}})
    assert (spec.constants["date_format"], spec.constants["decimal"]) == ("%d.%m.%Y", ",")
