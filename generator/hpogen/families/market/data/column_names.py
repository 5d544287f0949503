"""Names of columns: which column of a file holds the dates, the prices and the volume."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.yaml_file import is_plain, shown
from hpogen.families.market.data.problems import Problems

MAX_NAME = 100
# In CSV and in Parquet. pandas reads the second as a column with the name index.
UNNAMED = re.compile(r"Unnamed: [0-9]+|__index_level_[0-9]+__")
# Other names, without case, marks and leading numbers ("1. open"); an earlier one is preferred.
OTHER_NAMES = {
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
    said: Mapping[str, str],
    first_is_date: Callable[[str], bool],
    problems: Problems,
) -> dict[str, str]:
    """Return {name in the script: name in the file} of dates, prices and volume.

    `said` comes first, then equal names, then well-known ones. Without any of those, a column
    without a name holds the dates if its first value is one.
    """
    found = dict(said)
    for wanted, (own, *others) in OTHER_NAMES.items():
        free = [name for name in names if name not in found.values()]
        if wanted in found:
            continue
        if wanted in free:
            found[wanted] = wanted
            continue
        alike = [name for name in free if normalised(name) == own]
        known = [name for other in others for name in free if normalised(name) == other]
        if len(alike) > 1 or (not alike and len(known) > 1 and wanted != "Date"):
            several = ", ".join(map(shown, alike or known))
            problems.add(f"{several}: any of these could be {wanted}")
            problems.columns[wanted] = (alike or known)[0]
        if alike or known:
            found[wanted] = (alike or known)[0]
    unnamed = [name for name in names if is_unnamed(name) and first_is_date(name)]
    if "Date" not in found and unnamed:
        found["Date"] = unnamed[0]
    return found


def normalised(name: str) -> str:
    """Return a name without case, marks and a number in front."""
    return re.sub(r"[^a-z]", "", re.sub(r"^[0-9]+[a-z]?\.", "", name.lower()))


def is_unnamed(name: str) -> bool:
    """Return whether a column has no name of its own."""
    return not name.strip() or UNNAMED.fullmatch(name) is not None


def check_names(names: Sequence[str], said: Mapping[str, str], problems: Problems) -> None:
    """Find names that cannot be told apart or shown, and given ones that are not there."""
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
    for there in said.values():
        if there not in seen:
            problems.add(f"no column {shown(there)}; {did_you_mean(there, names)}")
