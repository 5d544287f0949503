"""Names of columns: which column of a file holds the dates, the prices and the volume."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.yaml_file import is_plain, shown
from hpogen.families.market.data.problems import Problems

MAX_NAME = 100
# Names of columns without a name in CSV and in Parquet; pandas calls the latter column index.
UNNAMED = re.compile(r"Unnamed: [0-9]+|__index_level_[0-9]+__")
# Aliases in the form that `normalised` returns; the first one that a file has is taken.
ALIASES = {
    "Date": (
        *("date", "datetime", "timestamp", "tradedate", "tradingdate", "observationdate"),
        *("pricedate", "businessdate", "day", "time", "opentime", "gmttime", "localtime"),
        *("unix", "period", "month", "datum", "dateutc", "datetimeutc"),
    ),
    "Open": ("open", "openprice", "openingprice"),
    "High": ("high", "highprice", "dayhigh"),
    "Low": ("low", "lowprice", "daylow"),
    "Close": ("close", "closeprice", "closingprice", "closelast", "last", "lastprice", "price"),
    "Adj Close": ("adjclose", "adjustedclose", "adjcloseprice"),
    "Volume": ("volume", "vol", "tickvol", "tickvolume", "sharevolume"),
}


def find_names(
    names: Sequence[str],
    configured: Mapping[str, str],
    first_is_date: Callable[[str], bool],
    problems: Problems,
) -> dict[str, str]:
    """Return {name in the script: name in the file} of dates, prices and volume.

    `configured` names take precedence, then equal names, then aliases. If none gives the dates, a
    column without a name is taken whose first value is a date.
    """
    columns = dict(configured)
    for wanted, (own, *aliases) in ALIASES.items():
        free = [name for name in names if name not in columns.values()]
        if wanted in columns:
            continue
        if wanted in free:
            columns[wanted] = wanted
            continue
        same = [name for name in free if normalised(name) == own]
        aliased = [name for alias in aliases for name in free if normalised(name) == alias]
        matches = same or aliased
        if len(same) > 1 or (not same and len(aliased) > 1 and wanted != "Date"):
            several = ", ".join(map(shown, matches))
            problems.add(f"column {wanted} is ambiguous: {several}")
            problems.columns[wanted] = matches[0]
        if matches:
            columns[wanted] = matches[0]
    unnamed = [name for name in names if is_unnamed(name) and first_is_date(name)]
    if "Date" not in columns and unnamed:
        columns["Date"] = unnamed[0]
    return columns


def normalised(name: str) -> str:
    """Return a name in lower case, without punctuation and a leading number ("1. open")."""
    return re.sub(r"[^a-z]", "", re.sub(r"^[0-9]+[a-z]?\.", "", name.lower()))


def is_unnamed(name: str) -> bool:
    """Return whether a column has no name in its file."""
    return not name.strip() or UNNAMED.fullmatch(name) is not None


def check_names(names: Sequence[str], configured: Mapping[str, str], problems: Problems) -> None:
    """Report repeated or unprintable names, and configured columns that are missing."""
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        if len(name) > MAX_NAME:
            problems.add(
                f"column {number}: the name {shown(name)} has {len(name):,} characters;"
                f" at most {MAX_NAME}"
            )
        elif not all(map(is_plain, name)):
            problems.add(
                f"column {number}: the name {shown(name)} holds a control character; rename it"
            )
        elif name in seen and not is_unnamed(name):
            problems.add(f"column {number}: the name {shown(name)} is given twice; rename one")
        seen.add(name)
    for name in configured.values():
        if name not in seen:
            problems.add(f"column {shown(name)} is missing; {did_you_mean(name, names)}")
