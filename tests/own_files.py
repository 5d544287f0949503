"""Data files as people have them: one generator for each, from the same random prices."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from typing import NamedTuple

N_ROWS = 420
NEW_YORK = timezone(timedelta(hours=-5))


class Day(NamedTuple):
    """A trading day."""

    date: date
    open: float
    high: float
    low: float
    close: float
    volume: int
    vix: float


class OwnFile(NamedTuple):
    """A file, and the task that is rendered with it."""

    name: str
    content: bytes
    task: str = "threshold_1pct"


def days(n_rows: int = N_ROWS, seed: int = 7) -> list[Day]:
    """Return days from 2018-01-01, without week-ends, with prices of a random walk."""
    draw = random.Random(seed)  # noqa: S311  no secret
    found: list[Day] = []
    close, vix, day = 100.0, 15.0, date(2018, 1, 1)
    while len(found) < n_rows:
        if day.weekday() < 5:
            start = close * (1 + draw.gauss(0, 0.004))
            close = start * (1 + draw.gauss(0, 0.012))
            high = max(start, close) * (1 + abs(draw.gauss(0, 0.006)))
            low = min(start, close) * (1 - abs(draw.gauss(0, 0.006)))
            vix = max(9.0, vix + draw.gauss(0, 0.8))
            volume = draw.randrange(800_000, 9_000_000)
            prices = (round(price, 2) for price in (start, high, low, close))
            found.append(Day(day, *prices, volume, round(vix, 2)))
        day += timedelta(days=1)
    return found


def table(header: Sequence[str], rows: Iterable[Sequence[object]], separator: str = ",") -> str:
    """Return a CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerows([header, *rows])
    return text.getvalue()


def prices(day: Day) -> tuple[float, float, float, float, int]:
    """Return the prices and the volume of a day in the usual order."""
    return day.open, day.high, day.low, day.close, day.volume


def german(number: float) -> str:
    """Return a number with a decimal comma and points between thousands."""
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


def pandas_index() -> OwnFile:
    """Return what `frame.to_csv` writes: the row numbers first, without a name."""
    rows = [(n, d.date, *prices(d)) for n, d in enumerate(days())]
    header = ["", "Date", "Open", "High", "Low", "Close", "Volume"]
    return OwnFile("pandas_index.csv", table(header, rows).encode())


def unnamed_dates() -> OwnFile:
    """Return what `frame.to_csv` writes where dates are the index: lower-case names."""
    header = ["", "open", "high", "low", "close", "volume"]
    return OwnFile(
        "unnamed_dates.csv", table(header, [(d.date, *prices(d)) for d in days()]).encode()
    )


def alpha_vantage() -> OwnFile:
    """Return the names of Alpha Vantage, newest row first."""
    header = ["timestamp", "1. open", "2. high", "3. low", "4. close", "5. volume"]
    rows = [(d.date, *prices(d)) for d in reversed(days())]
    return OwnFile("alpha_vantage.csv", table(header, rows).encode())


def binance() -> OwnFile:
    """Return milliseconds since 1970 and lower-case names."""
    header = ["Open time", "Open", "High", "Low", "Close", "Volume", "Number of trades"]
    rows = [(milliseconds(d.date), *prices(d), n * n % 977) for n, d in enumerate(days())]
    return OwnFile("binance.csv", table(header, rows).encode())


def milliseconds(day: date) -> int:
    """Return the time of midnight in UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()) * 1000


def american() -> OwnFile:
    """Return dates such as 01/31/2020, the name Trade Date, prices with a dollar sign."""
    header = ["Trade Date", "Close/Last", "Volume", "Open", "High", "Low"]
    rows = [
        (f"{d.date:%m/%d/%Y}", f"${d.close}", d.volume, f"${d.open}", f"${d.high}", f"${d.low}")
        for d in reversed(days())
    ]
    return OwnFile("american.csv", table(header, rows).encode())


def german_bank() -> OwnFile:
    """Return semicolons, decimal commas, points between thousands, 31.01.2020, CP1252."""
    header = ["Datum", "Open", "High", "Low", "Close", "Volume", "Währung"]
    rows = [
        (f"{d.date:%d.%m.%Y}", *map(german, prices(d)[:4]), f"{d.volume:,}".replace(",", "."), "€")
        for d in days()
    ]
    return OwnFile("german_bank.csv", table(header, rows, ";").encode("cp1252"))


def investing() -> OwnFile:
    """Return the columns of Investing.com: Price, 1.2M and %, quoted, newest first, with BOM."""
    header = ["Date", "Price", "Open", "High", "Low", "Vol.", "Change %"]
    found = days()
    changes = [0.0, *(b.close / a.close - 1 for a, b in pairwise(found))]
    rows = [
        (f"{d.date:%b %d, %Y}", f"{d.close * 20:,.2f}", f"{d.open * 20:,.2f}",
         f"{d.high * 20:,.2f}", f"{d.low * 20:,.2f}", f"{d.volume / 1e6:.2f}M", f"{c:.2%}")
        for d, c in zip(found, changes, strict=True)
    ]  # fmt: skip
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([header, *reversed(rows)])
    return OwnFile("investing.csv", text.getvalue().encode("utf-8-sig"))


def with_zone() -> OwnFile:
    """Return dates of yfinance in New York, a ticker, sentiment and a copy of Close."""
    header = ["Date", "Open", "High", "Low", "Close", "Volume", "Adj Close", "ticker", "VIX"]
    rows = [
        (datetime(*d.date.timetuple()[:3], tzinfo=NEW_YORK), *prices(d), d.close, "SPX", d.vix)
        for d in days()
    ]
    return OwnFile("with_zone.csv", table(header, rows).encode())


def macro() -> OwnFile:
    """Return a series of FRED: one column of numbers and no other prices."""
    rows = [(d.date, d.close) for d in days()]
    return OwnFile("macro.csv", table(["observation_date", "SP500"], rows).encode(), "direction")


def utf_16() -> OwnFile:
    """Return tabs in UTF-16, quoted numbers, and a last line that names the source."""
    rows = [(f"{d.date:%Y%m%d}", *prices(d)) for d in days()]
    header = ["Date", "Open", "High", "Low", "Close", "Volume"]
    text = table(header, rows, "\t") + "\nSource: exchange, all rights reserved\n"
    return OwnFile("utf_16.csv", text.encode("utf-16"))


def holidays() -> OwnFile:
    """Return rows without values on holidays, and one date twice: both are the user's choice."""
    header = ["Date", "Open", "High", "Low", "Close", "Volume"]
    rows: list[tuple[object, ...]] = [(d.date, *prices(d)) for d in days()]
    for n, text in ((40, "-"), (90, "null"), (150, "N/A"), (151, "")):
        rows[n] = (rows[n][0], *[text] * 5)
    rows.insert(200, rows[200])
    return OwnFile("holidays.csv", table(header, rows).encode())


ACCEPTED: tuple[Callable[[], OwnFile], ...] = (
    pandas_index,
    unnamed_dates,
    alpha_vantage,
    binance,
    american,
    german_bank,
    investing,
    with_zone,
    macro,
    utf_16,
)
