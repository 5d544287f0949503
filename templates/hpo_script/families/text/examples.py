"""Examples: the rows of a CSV, TSV, JSON Lines or Parquet file as texts, and their splits."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

SPLITS = ("train", "val", "test")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


class Example(NamedTuple):
    """A text; without a column of groups or splits, `group` or `split` is empty."""

    text: str
    label: str
    group: str = ""
    split: str = ""


def read_rows(path: Path, content: bytes) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a file, {column: value}. Raises ValueError."""
    if path.suffix == ".parquet":
        import pandas as pd

        frame = pd.read_parquet(io.BytesIO(content))
        yield from (dict(zip(frame.columns, row, strict=True)) for row in frame.to_numpy())
    elif path.suffix == ".jsonl":
        for number, line in enumerate(io.StringIO(content.decode("utf-8-sig")), 1):
            row = json.loads(line) if line.strip() else {}
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is not a JSON object")
            if row:
                yield row
    else:
        csv.field_size_limit(2**31 - 1)
        delimiter = "\t" if path.suffix == ".tsv" else ","
        lines = io.StringIO(content.decode("utf-8-sig"), newline="")
        yield from csv.DictReader(lines, delimiter=delimiter)


def read_cells(
    rows: Iterable[Mapping[str, Any]],
    columns: Mapping[str, str | None],
    needed: Collection[str],
    hidden: Collection[str] = (),
) -> list[dict[str, str]]:
    """Return the cells of each row as text, {key: cell}; "" for a key without a column.

    In rows whose split is test, the cells of the keys `hidden` are not read. Raises ValueError for
    a missing column, and for an empty cell of a key in `needed`.
    """
    found, lost, split = [], [], columns.get("split")
    for number, row in enumerate(rows, 1):
        unread = hidden if split and row.get(split) == "test" else ()
        asked = {key: name for key, name in columns.items() if name and key not in unread}
        if lacking := [f"{n} ({key}_column)" for key, n in asked.items() if n not in row]:
            names = (", ".join(map(str, found)) for found in (lacking, row))
            raise ValueError("missing columns: {}; the file has {}".format(*names))
        cells = {key: cell(row[name]) for key, name in asked.items()}
        if empty := [name for key, name in asked.items() if key in needed and not cells[key]]:
            lost.append(f"row {number}: {empty[0]} is empty")
        if re.search("[\ud800-\udfff]", " ".join(cells.values())):
            raise ValueError(f"row {number}: half of a surrogate pair is not a character")
        found.append({**dict.fromkeys(columns, ""), **cells})
    if lost:
        raise ValueError(f"{lost[0]}; rows with an empty cell: {len(lost)}; fill or remove them")
    return found


def cell(value: object) -> str:
    """Return a value as text; a missing number is empty."""
    return "" if value is None or value != value else str(value)  # NaN is not itself


def split_examples(
    labels: Sequence[str], groups: Sequence[Hashable], shares: Sequence[float], seed: int
) -> list[list[int]]:
    """Return the rows of each split; a group is in one split, labels have the same shares in each.

    Groups in random order, the largest first, go where their labels are missing most.
    """
    totals = Counter(labels)
    members: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    order = list(members.values())
    random.Random(seed).shuffle(order)  # noqa: S311  no secret
    splits: list[list[int]] = [[] for _ in shares]
    missing = [dict.fromkeys(totals, 1.0) for _ in shares]  # as a part of the split's share
    for rows in sorted(order, key=len, reverse=True):
        counts = Counter(labels[row] for row in rows)
        gains = [sum(n * need[label] for label, n in counts.items()) for need in missing]
        chosen = gains.index(max(gains))
        splits[chosen] += rows
        for label, n in counts.items():
            missing[chosen][label] -= n / (shares[chosen] * totals[label])
    return [sorted(rows) for rows in splits]


def splits_of(
    examples: Sequence[Example], *, shares: tuple[float, float], seed: int
) -> list[list[int]]:
    """Return the rows for training, validation and test: as the file names them, else random ones.

    Raises ValueError for the name of a split that does not exist, and for a group in two splits.
    """
    names = [one.split for one in examples]
    if any(names):
        return fixed_splits(names, [one.group for one in examples])
    groups = [one.group or one.text for one in examples]  # equal texts stay together
    labels = [one.label for one in examples]
    return split_examples(labels, groups, (*shares, 1 - shares[0] - shares[1]), seed)


def fixed_splits(names: Sequence[str], groups: Sequence[str]) -> list[list[int]]:
    """Return the rows of each split that the file names; see `splits_of`."""
    if others := sorted({*names} - {*SPLITS}):
        raise ValueError(f"split {others[0]!r} is not one of {', '.join(SPLITS)}")
    split_of: dict[str, str] = {}
    for name, group in zip(names, groups, strict=True):
        if group and split_of.setdefault(group, name) != name:
            raise ValueError(
                f"group {group!r} is in {split_of[group]} and in {name}; correct the split column,"
                " or leave out the group column"
            )
    return [[row for row, name in enumerate(names) if name == split] for split in SPLITS]


def evenly_spread(rows: Sequence[int], share: float) -> list[int]:
    """Return a share of the rows, evenly spread: neighbours in a file often have one label."""
    return [rows[int(place / share)] for place in range(math.ceil(len(rows) * share))]
