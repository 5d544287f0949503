"""Demo data: real prices and real text from packages on this machine."""

from __future__ import annotations

import gzip
import importlib.util
import sysconfig
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from hpogen.demo_licence_joint import licence_joint
from hpogen.demo_licence_spans import licence_spans
from hpogen.demo_licences import licences
from hpogen.errors import HpogenError, MissingDependencyError


def prices(name: str) -> bytes:
    """Return daily OHLCV of 1999 to 2018 from the `arch` package, as CSV with ISO dates.

    The package is located, not imported: an import takes seconds.
    """
    spec = importlib.util.find_spec("arch")
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            "demo data need the package arch; run: python -m pip install arch"
        )
    packed = Path(spec.origin).parent / "data" / name / f"{name}.csv.gz"
    header, *rows = gzip.decompress(packed.read_bytes()).decode("utf-8").splitlines()
    lines = [header]
    for row in rows:
        date, _, values = row.partition(",")
        lines.append(f"{datetime.strptime(date, '%m/%d/%Y'):%Y-%m-%d},{values}")
    return "\n".join([*lines, ""]).encode()


def standard_library(name: str) -> bytes:
    """Return the sources of this Python's standard library, without its tests."""
    del name
    root = Path(sysconfig.get_paths()["stdlib"])
    skipped = {"site-packages", "test", "tests", "idlelib", "__pycache__"}
    files = sorted(
        path for path in root.rglob("*.py") if not skipped & set(path.relative_to(root).parts)
    )
    if not files:
        raise HpogenError(
            f"{root}: no sources of the standard library; run hpogen with another Python"
        )
    return b"\n".join(path.read_bytes() for path in files)


SOURCES: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "sp500": ("data/sp500.csv", prices),
    "nasdaq": ("data/nasdaq.csv", prices),
    "licences": ("data/licences.csv", licences),
    "licence-spans": ("data/licence-spans.csv", licence_spans),
    "licence-joint": ("data/licence-joint.csv", licence_joint),
    "stdlib": ("data/stdlib.txt", standard_library),
}
