"""Data files: render refuses every fault with its place; the script reads what render accepts."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import hpogen
from hpo_script.experiment.shared import UnusableError
from hpo_script.families.market import default_csv
from hpogen.errors import DataError, HpogenError, MissingDependencyError
from hpogen.families.family import with_defaults
from hpogen.families.market import MARKET
from hpogen.families.market.constants import CONSTANTS, parts_by_constants
from hpogen.families.market.constants_from_file import read_market_data
from hpogen.families.market.data.read import MarketFile, read_market
from own_files import days

HEADER = "Date,Open,High,Low,Close,Volume"
ROWS = [f"1999-01-{day:02d},10,12,9,11,{day * 100}" for day in range(4, 9)]
TASK = "threshold_1pct"
VALUES = ["Open", "High", "Low", "Close", "Volume"]


def read_prices(path: Path, columns: list[str]) -> tuple[pd.DataFrame, str]:
    """Return what a script with these feature columns reads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default_csv, "FEATURE_COLUMNS", columns)
        return default_csv.read_prices(path)


def table(*changes: tuple[int, str], header: str = HEADER) -> str:
    """Return a good file with some lines replaced; the first row is line 2."""
    lines = [header, *ROWS]
    for number, line in changes:
        lines[number - 1] = line
    return "\n".join(lines) + "\n"


def cell(number: int, name: str, value: str) -> str:
    """Return a good file with one cell replaced."""
    cells = ROWS[number - 2].split(",")
    cells[HEADER.split(",").index(name)] = value
    return table((number, ",".join(cells)))


BAD = {
    "empty": ("", "no header|column Date is missing"),
    "blank": ("\n\n", "no header|column Date is missing"),
    "header_only": (HEADER + "\n", "no rows"),
    "no_header": ("\n".join(ROWS), "columns Date, High, Low, Close are missing"),
    "no_date": (table(header=HEADER.replace("Date", "When")), "column Date is missing"),
    "no_close": (table(header=HEADER.replace("Close", "End")), "column Close is missing"),
    "twice": (
        table(header=HEADER.replace("Volume", "Close")),
        "Close is given twice",
    ),
    "short": (table((4, "1999-01-06,10,12,9,11")), "row 4: 5 fields, the header has 6"),
    "long": (table((4, ROWS[2] + ",7")), "row 4: 7 fields, the header has 6"),
    "all_long": (f"{HEADER}\n" + "".join(f"{row},1\n" for row in ROWS), "row 2: 7 fields"),
    "after_blank": (table((3, "")).replace("-07,10", "-07,x"), "row 5, column Open: 'x' is not"),
    "missing": (cell(3, "Close", ""), "row 3, column Close: '' is a missing value"),
    "spaces": (cell(3, "Close", "  "), "row 3, column Close: '  ' is a missing value"),
    "nan": (cell(4, "Volume", "NaN"), "row 4, column Volume: 'NaN' is a missing value"),
    "inf": (cell(6, "Low", "-inf"), "row 6, column Low: '-inf' is not a finite"),
    "overflow": (cell(6, "Volume", "1e999"), "row 6, column Volume: '1e999' is not a finite"),
    "words": (cell(5, "Volume", "many"), "row 5, column Volume: 'many' is not a finite"),
    "price_words": (cell(2, "Open", "many"), "row 2, column Open: 'many' is not a finite"),
    "underscore": (cell(5, "Volume", "1_000"), "row 5, column Volume: '1_000' is not a finite"),
    "hexadecimal": (cell(5, "Volume", "0x10"), "row 5, column Volume: '0x10' is not a finite"),
    "digits": (cell(5, "Volume", "\uff11"), "row 5, column Volume: '\uff11' is not a finite"),
    "zero": (cell(5, "Low", "0"), "row 5, column Low: '0' is not above 0"),
    "tiny": (cell(5, "Low", "1e-999"), "row 5, column Low: '0' is not above 0"),
    "negative": (cell(5, "Close", "-3"), "row 5, column Close: '-3' is not above 0"),
    "high_low": (cell(6, "High", "8"), "row 6, column High: '8' is below Low"),
    "no_date_given": (cell(4, "Date", ""), "row 4, column Date: '' is not a date"),
    "bad_date": (cell(4, "Date", "soon"), "row 4, column Date: 'soon' is not a date"),
    "now": (cell(6, "Date", "now"), "row 6, column Date: 'now' is not a date"),
    "year": (cell(2, "Date", "1998"), "row 2, column Date: '1998' is not a date"),
    "american": (cell(4, "Date", "01/06/1999"), "row 4, column Date: '01/06/1999' is not a date"),
    "february": (cell(6, "Date", "1999-02-30"), "row 6, column Date: '1999-02-30' is not a date"),
    "second": (
        cell(6, "Date", "1999-02-03 10:00:60"),
        "row 6, column Date: '1999-02-03 10:00:60' is not",
    ),
    "same_date": (
        cell(4, "Date", "1999-01-05"),
        "row 4, column Date: '1999-01-05' is also the date of an earlier row",
    ),
    "same_time": (
        cell(4, "Date", "1999-01-05 00:00:00.000"),
        "row 4, column Date: '1999-01-05 00:00:00.000' is also the date of an earlier",
    ),
    "unsorted": (
        cell(4, "Date", "1999-01-01"),
        "row 4, column Date: '1999-01-01' is earlier than",
    ),
    "break": (cell(4, "Volume", '"a\nb"'), r"row 5, column Volume: 'a\\nb' is not a finite"),
    "bidi": (cell(4, "Volume", "\u202e1"), r"row 4, column Volume: '\\u202e1' is not a finite"),
    "endless": (cell(4, "Volume", "x" * 5000), "row 4, column Volume: 'x{60}…?' is not a finite"),
    "open_quote": (cell(4, "Volume", '"7'), "not CSV|not a table"),
    "half_quoted": (cell(4, "Volume", '"7"8'), "not CSV|not a table"),
}


# Faults that only render sees; a script checks the digest of the data it was rendered for.
UNSEEN = {"half_quoted", "header_only", "now", "year"}


def is_line(message: str) -> bool:
    """Return whether a message is of characters that can be shown, line by line."""
    return all(c in " \n" or unicodedata.category(c)[0] not in "CZ" for c in message)


def refusal(path: Path) -> str:
    """Return how render refuses a file; the script refuses it, too, or reads it as a table."""
    with pytest.raises(DataError) as caught:
        read_market(path, min_rows=1)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert is_line(message)
    if said := refusal_of_script(path):
        assert said.startswith(str(path))
        assert is_line(said)
    return message


def refusal_of_script(path: Path) -> str:
    """Return how a script refuses a file, nothing if it reads it."""
    try:
        read_prices(path, VALUES)
    except UnusableError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return ""


@pytest.mark.parametrize("name", BAD)
def test_a_fault_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    content, pattern = BAD[name]
    path = tmp_path / "x.csv"
    path.write_text(content, encoding="utf-8", newline="")
    message = refusal(path)
    assert re.search(pattern, message), message
    assert len(message) < 2 * len(str(path)) + 450
    assert bool(refusal_of_script(path)) == (name not in UNSEEN)


@pytest.mark.parametrize(
    "content", [b"\x00\xff\xfe", table().encode("utf-16-le"), "Date,Prix\xe9".encode("latin-1")]
)
def test_a_file_of_other_text_than_utf8_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    refusal(path)
    assert refusal_of_script(path)


def test_a_folder_or_missing_file_is_refused(tmp_path: Path) -> None:
    assert "hpogen demo-data sp500" in refusal(tmp_path / "none.csv")
    assert "No such file" in refusal_of_script(tmp_path / "none.csv")
    refusal(tmp_path)
    assert refusal_of_script(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 101, "column 7: the name x{60}… has 101 characters; at most 100"),
        ("\x00", r"column 7: the name \\x00 holds a control character"),
        ('"a\nb"', r"column 7: the name a\\nb holds a control character"),
        ("\u202eemuloV", r"column 7: the name \\u202eemuloV holds a control character"),
        ("Close", "column 7: the name Close is given twice"),
    ],
)
def test_names_of_columns_must_be_fit_for_a_script(
    name: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{HEADER},{name}\n" + "".join(f"{row},1\n" for row in ROWS), newline="")
    assert re.search(message, refusal(path))


def test_too_few_rows_are_told_with_both_numbers(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(table())
    assert read_market(path, min_rows=5).dates == [f"1999-01-{day:02d}" for day in range(4, 9)]
    with pytest.raises(DataError, match=r"x\.csv: 5 rows; at least 1,200 are needed"):
        read_market(path, min_rows=1200)


def test_the_real_file_is_read_alike(sp500: Path) -> None:
    found = read_market(sp500, min_rows=100)
    assert found.feature_columns == ["Open", "High", "Low", "Close", "Adj Close", "Volume"]
    assert (found.dates[0], found.dates[-1]) == ("1999-01-04", "2018-12-31")
    assert (len(found.dates), found.notes) == (5031, [])
    frame, digest = read_prices(sp500, found.feature_columns)
    assert found.sha256 == digest == hashlib.sha256(sp500.read_bytes()).hexdigest()
    assert list(frame.columns) == ["Date", *found.feature_columns]
    pd.testing.assert_frame_equal(
        frame.drop(columns="Date").astype(float),
        pd.read_csv(sp500).drop(columns="Date").astype(float),
    )


GOOD = {
    "no_name": f"{HEADER},\n" + "".join(f"{row},1\n" for row in ROWS),
    "semicolons": table().replace(",", ";"),
    "descending": "\n".join([HEADER, *reversed(ROWS)]),
    "thousands": cell(5, "Volume", "1 000"),
    "spaces_in_names": table(header=HEADER.replace(",", " , ")),
    "plain": table(),
    "bom": "\ufeff" + table(),
    "crlf": table().replace("\n", "\r\n"),
    "quoted": table((3, '"1999-01-05","10","12","9","11","5"'), header='"Date"' + HEADER[4:]),
    "no_last_break": table()[:-1],
    "blank_lines": table() + "\n\n",
    "times": cell(3, "Date", "1999-01-05 16:00:00"),
    "same_day": cell(3, "Date", "1999-01-04T00:00:00.5"),
    "digits": table().replace("-", ""),
    "spaces": cell(3, "Close", " 11 "),
    "exponent": cell(3, "Close", "+1.1E+01"),
    "open_above_high": cell(3, "Open", "15"),
    "close_below_low": cell(3, "Close", "1"),
    "zone": cell(6, "Date", "1999-01-08 00:00:00-05:00"),
    "utc": cell(6, "Date", "1999-01-08T00:00:00Z"),
    "spaces_in_a_line": table().replace("\n1999-01-06", "\n   \n1999-01-06"),
}


@pytest.mark.parametrize("name", GOOD)
def test_both_readers_accept_the_same_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(GOOD[name], encoding="utf-8", newline="")
    accepted_by_both(path, VALUES)


def accepted_by_both(path: Path, columns: list[str]) -> None:
    """Assert that both readers find the same in a file."""
    found = read_market(path, min_rows=1)
    assert found.feature_columns == columns
    assert_read_alike(path, found)


def assert_read_alike(path: Path, found: MarketFile) -> None:
    """Assert that a script with the constants that render recognised reads the same."""
    frame, digest = read_as_recognised(path, found)
    assert found.sha256 == digest
    assert found.dates == [f"{date:%Y-%m-%d}" for date in frame["Date"]]
    for name, values in found.values.items():
        assert frame[name].tolist() == pytest.approx(values, rel=1e-15)


def read_as_recognised(path: Path, found: MarketFile) -> tuple[pd.DataFrame, str]:
    """Return what a script reads that has the constants of a file."""
    constants = {
        **with_defaults(CONSTANTS, found.read_options),
        "feature_columns": found.feature_columns,
    }
    *_, part = parts_by_constants(MARKET.without_unused(constants))["prices"]
    module = import_module(f"hpo_script.{part.replace('/', '.')}")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in constants.items():
            if hasattr(module, name.upper()):
                patch.setattr(module, name.upper(), value)
        read: tuple[pd.DataFrame, str] = module.read_prices(path)
    return read


def test_columns_of_text_are_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    more = ["NA,a\x1b[31m", "EU,b", "EU,c", "EU,3", "5,"]
    rows = [f"{row},{cells},,{n}" for n, (row, cells) in enumerate(zip(ROWS, more, strict=True))]
    path.write_text("\n".join([f"{HEADER},region,note,none,rank", *rows]))
    found = read_market(path, min_rows=1)
    assert found.feature_columns == [*VALUES, "rank"]
    texts = {"region": "NA", "note": r"a\x1b[31m", "none": ""}
    assert found.notes == [
        f"column {name} holds text ('{text}') and is left out" for name, text in texts.items()
    ]
    accepted_by_both(path, [*VALUES, "rank"])


def test_an_indicator_that_starts_late_is_not_taken_for_text(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [f"{row},{'' if n < 2 else n}" for n, row in enumerate(ROWS)]
    path.write_text("\n".join([f"{HEADER},sma", *rows]))
    assert "row 2, column sma: '' is a missing value (2 rows: 2, 3)" in refusal(path)
    with pytest.raises(UnusableError, match="row 2: sma 'nan' is not a finite number"):
        read_prices(path, ["sma"])


def parquet(path: Path, index: bool = False, **columns: Any) -> Path:
    """Write a Parquet file of the good rows, with other or further columns."""
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame([row.split(",") for row in ROWS], columns=HEADER.split(","))
    frame = frame.astype(dict.fromkeys(VALUES, float)).assign(**columns)
    (frame.set_index("Date") if index else frame).to_parquet(path)
    return path


DATES = pd.date_range("1999-01-04", periods=5)


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"Date": DATES},
        {"Date": DATES.date},
        {"Date": DATES + pd.Timedelta(microseconds=1)},
        {"Date": range(19990104, 19990109)},
        {"Date": DATES, "index": True},
        {"Date": DATES.tz_localize("UTC")},
        {"Date": DATES.tz_localize("America/New_York")},
        {"Volume": range(5)},
        {"Volume": ["1", "2", "3", "4", "5"]},
        {"Volume": pd.Categorical(["1", "2", "1", "2", "1"])},
        {"flag": [True] * 5, "part": [[1]] * 5, "wait": DATES - DATES[0], "raw": [b"1"] * 5},
    ],
    ids=str,
)
def test_both_readers_accept_the_same_parquet_files(
    columns: dict[str, Any], tmp_path: Path
) -> None:
    accepted_by_both(parquet(tmp_path / "x.parquet", **columns), VALUES)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"Close": [1.0, 2.0, float("nan"), 4.0, 5.0]},
            "row 3, column Close: '(nan)?' is a missing value",
        ),
        (
            {"Close": pd.array([1, 2, 3, None, 5], "Int64")},
            "row 4, column Close: '.*' is a missing value",
        ),
        ({"Low": [9.0, 9.0, 0.0, 9.0, 9.0]}, "row 3, column Low: '0' is not above 0"),
        ({"Low": [9.0, 99.0, 9.0, 9.0, 9.0]}, "row 2, column High: '12' is below Low"),
        (
            {"Date": DATES[[0, 1, 1, 2, 3]]},
            "row 3, column Date: '1999-01-05.*' is also the date of an",
        ),
        ({"Date": DATES[[0, 1, 2, 4, 3]]}, "row 5, column Date: '1999-01-07.*' is earlier"),
        ({"Open": [True] * 5}, "row 1, column Open: '.*' is not a finite"),
    ],
)
def test_a_fault_of_a_parquet_file_is_refused_with_its_row(
    columns: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = parquet(tmp_path / "x.parquet", **columns)
    assert re.search(message, refusal(path))


def test_the_index_of_a_parquet_file_may_hold_the_dates(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    frame = pd.read_parquet(parquet(path)).drop(columns="Date").set_axis(DATES)
    frame.to_parquet(path)
    found = read_market(path, min_rows=1)
    assert found.read_options["columns"] == {"Date": "index"}
    assert_read_alike(path, found)


def test_a_parquet_file_with_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    columns = [arrow.array(values) for values in zip(*(r.split(",") for r in ROWS), strict=True)]
    path = tmp_path / "x.parquet"
    pq.write_table(arrow.table([*columns, columns[1]], [*HEADER.split(","), "Open"]), path)
    refusal(path)


@pytest.mark.parametrize("content", [b"", b"PAR1", table().encode(), b"PAR1" * 9])
def test_a_file_that_is_not_parquet_is_refused(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    refusal(path)


def test_a_missing_pyarrow_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match="python -m pip install pyarrow") as caught:
        read_market(path, min_rows=1)
    assert caught.value.exit_code == 3


ODD = """1 0 -1 .5 5. 1e5 1e-400 1e309 1_0 nan inf x True 1999 1999-01-04 19990105
1999-01-06T10:00:00.1 "" " \u2028 \u202e \u0663 a\x00"""
CELLS = st.one_of(
    st.sampled_from(re.split("[ \n]", ODD)),
    st.sampled_from(["", " 1", "1" * 400, "\r", "\n", "1999-01-06 10:00"]),
    st.floats().map(repr),
    st.dates().map(str),
    st.text(max_size=5),
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Return a good file with some cells, names or bytes replaced."""
    names = HEADER.split(",") + draw(st.lists(st.one_of(st.just("x"), CELLS), max_size=1))
    lines = [names, *([*row.split(","), "3"][: len(names)] for row in ROWS)]
    for _ in range(draw(st.integers(0, 3))):
        line = draw(st.integers(0, len(lines) - 1))
        lines[line][draw(st.integers(0, len(names) - 1))] = draw(CELLS)
    content = "\n".join(map(",".join, lines)).encode("utf-8", "surrogatepass")
    at = draw(st.integers(0, len(content)))
    return content[:at] + draw(st.one_of(st.just(b""), st.binary(max_size=3))) + content[at:]


@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.one_of(files(), files(), st.binary()))
@example(table().encode())
def test_whatever_a_file_holds_it_is_read_alike_or_refused_in_one_line(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    refused: list[Exception] = []
    try:
        accepted_by_both(path, read_market(path, min_rows=1).feature_columns)
    except HpogenError as error:
        refused.append(error)
    try:
        read_prices(path, VALUES)  # not always refused with it: fewer columns are looked at
    except UnusableError as error:
        refused.append(error)
    assert all(is_line(str(error)) for error in refused)


FORMATS = ["%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d", "%b %d, %Y", "%d-%b-%y", "seconds"]
FORMATS += ["%Y-%m-%d %H:%M:%S-05:00", "%Y-%m-%dT%H:%M:%SZ", "%d/%m/%Y %H:%M"]
NAMES = [
    ["Date", "Open", "High", "Low", "Close", "Volume"],
    ["timestamp", "1. open", "2. high", "3. low", "4. close", "5. volume"],
    ["Trade Date", "OPEN", "HIGH", "LOW", "Last", "Vol."],
    ["", "open", "high", "low", "close", "volume"],
]


class People(NamedTuple):
    """How a person writes a file, and what is said when it is rendered."""

    names: list[str]
    date_format: str
    separator: str
    decimal: str
    thousands: str
    encoding: str
    newest_first: bool
    suffix: str  # of volumes
    missing: list[tuple[int, int, str]]  # row, column, text
    repeated: list[int]
    footer: list[str]
    said: dict[str, str]


def date_text(day: date, date_format: str) -> str:
    """Return a date as it stands in a file."""
    if date_format == "seconds":
        return str((day - date(1970, 1, 1)).days * 86400)
    return datetime(day.year, day.month, day.day).strftime(date_format)


def number_text(value: float, people: People) -> str:
    """Return a number as it stands in a file."""
    text = f"{value:,.2f}".replace(",", "\0").replace(".", people.decimal)
    return text.replace("\0", people.thousands)


people = st.builds(
    People,
    names=st.sampled_from(NAMES),
    date_format=st.sampled_from(FORMATS),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    thousands=st.sampled_from(["", ".", ",", " ", "'"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    newest_first=st.booleans(),
    suffix=st.sampled_from(["", "", "K", "M", "%"]),
    missing=st.lists(
        st.tuples(
            st.integers(0, 59),
            st.integers(1, 5),
            st.sampled_from(["", "-", "null", "N/A", "NaN", "."]),
        ),
        max_size=3,
    ),
    repeated=st.lists(st.integers(0, 59), max_size=2),
    footer=st.sampled_from([[], ["Source: exchange"], ["", "All rights reserved", ""]]),
    said=st.fixed_dictionaries(
        {},
        optional={
            "fill": st.sampled_from(["previous", "drop"]),
            "duplicates": st.just("last"),
            "transforms": st.just({}),
        },
    ),
)


def written(found: People) -> bytes:
    """Return the file that a person writes, of 60 days."""
    table: list[list[str]] = []
    for n, day in enumerate(days(60)):
        prices = [1000 * price for price in (day.open, day.high, day.low, day.close)]
        cells = [number_text(price, found) for price in prices]
        volume = number_text(day.volume, found) + found.suffix
        table.append([date_text(day.date, found.date_format), *cells, volume])
        for row, column, text in found.missing:
            if row == n:
                table[-1][column] = text
    for row in found.repeated:
        table.insert(row, [*table[row][:5], "77"])
    if found.newest_first:
        table.reverse()
    text = io.StringIO()
    writer = csv.writer(text, delimiter=found.separator, lineterminator="\n")
    writer.writerows([found.names, *table])
    return (text.getvalue() + "\n".join(found.footer)).encode(found.encoding)


def read_or_reasons(path: Path, said: dict[str, str]) -> tuple[MarketFile | None, list[str]]:
    """Return what render reads, or the reasons why it refuses the file."""
    try:
        return read_market(path, said, min_rows=1), []
    except DataError as error:
        return None, str(error).partition("to fix this")[0].splitlines()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people)
def test_files_of_people_are_read_alike_or_refused_for_what_only_they_can_decide(
    tmp_path: Path, found: People
) -> None:
    assume(found.thousands != found.decimal)
    path = tmp_path / "x.csv"
    path.write_bytes(written(found))
    file, reasons = read_or_reasons(path, found.said)
    allowed = ("is a missing value", "is also the date of an earlier row", "is below Low")
    assert all(any(text in reason for text in allowed) for reason in reasons), reasons
    if file is None:
        return
    assert_read_alike(path, file)
    if not (found.missing or found.repeated):
        closes = [1000 * day.close for day in days(60)]
        assert file.values["Close"] == pytest.approx(closes)
        assert file.dates == [day.date.isoformat() for day in days(60)]


def test_reading_imports_no_package_for_numbers(sp500: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from hpogen.families.market.data.read import read_market\n"
        "read_market(Path(sys.argv[1]), min_rows=1)\n"
        "print({'pandas', 'numpy', 'torch', 'pyarrow'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(sp500)],
        env={**os.environ, "PYTHONPATH": str(Path(hpogen.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"


def rows_of(n_rows: int, volume: Callable[[int], int]) -> str:
    """Return daily rows from 2000-01-01 with a volume for each."""
    days = [date(2000, 1, 1) + timedelta(n) for n in range(n_rows)]
    lines = [f"{day},10,12,9,{10 + n % 3},{volume(n)}" for n, day in enumerate(days)]
    return "\n".join([HEADER, *lines])


def test_a_column_that_never_changes_in_the_training_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(rows_of(400, lambda n: n // 300))
    chosen = {"feature_columns": ["Close", "Volume"]}
    with pytest.raises(DataError, match="Volume never changes in the training rows"):
        read_market_data(str(path), chosen, TASK)
    read_market_data(str(path), {**chosen, "train_fraction": 0.8}, TASK)
    read_market_data(str(path), {"feature_columns": ["Close"]}, TASK)


def test_an_end_of_validation_that_leaves_no_test_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(rows_of(400, lambda n: n))
    ends = {"feature_columns": ["Close"], "train_end": "2000-10-01"}
    read_market_data(str(path), {**ends, "val_end": "2001-02-02"}, TASK)
    with pytest.raises(DataError, match="no row is left for the test split"):
        read_market_data(str(path), {**ends, "val_end": "2001-02-03"}, TASK)
