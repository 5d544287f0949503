"""Examples: the rows of a CSV, TSV, JSON Lines or Parquet file as texts, and their splits."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SPLITS = ("train", "val", "test")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def read_rows(path: Path, content: bytes) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a file, {column: value}. Raises ValueError."""
    if path.suffix == ".parquet":
        import pandas as pd

        frame = pd.read_parquet(io.BytesIO(content))
        yield from (dict(zip(frame.columns, row, strict=True)) for row in frame.to_numpy())
    elif path.suffix == ".jsonl":
        for number, line in enumerate(content.decode("utf-8-sig").splitlines(), 1):
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


def read_examples(path: Path, content: bytes, columns: Sequence[str]) -> list[list[str]]:
    """Return some columns of each row as text. Raises ValueError for a missing value."""
    examples = []
    for number, row in enumerate(read_rows(path, content), 1):
        for column in columns:
            if column not in row:
                names = ", ".join(map(str, row))
                raise ValueError(f"column {column} is missing; the file has {names}")
            if row[column] in (None, ""):
                raise ValueError(f"row {number}: {column} is empty")
        values = [str(row[column]) for column in columns]
        if re.search("[\ud800-\udfff]", " ".join(values)):
            raise ValueError(f"row {number}: half of a surrogate pair is not a character")
        examples.append(values)
    return examples


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
    examples: Sequence[Sequence[str]],
    *,
    grouped: bool,
    fixed: bool,
    shares: tuple[float, float],
    seed: int,
) -> list[list[int]]:
    """Return the rows for training, validation and test of (text, label, group or split).

    Raises ValueError for the name of a split that does not exist.
    """
    if fixed:
        return fixed_splits([example[-1] for example in examples])
    groups = [example[2 if grouped else 0] for example in examples]  # equal texts stay together
    labels = [example[1] for example in examples]
    return split_examples(labels, groups, (*shares, 1 - shares[0] - shares[1]), seed)


def fixed_splits(names: Sequence[str]) -> list[list[int]]:
    """Return the rows of each split that a column names. Raises ValueError for other names."""
    if others := sorted({*names} - {*SPLITS}):
        raise ValueError(f"split {others[0]!r} is not one of {', '.join(SPLITS)}")
    return [[row for row, name in enumerate(names) if name == split] for split in SPLITS]


def evenly_spread(rows: Sequence[int], share: float) -> list[int]:
    """Return a share of the rows, evenly spread: neighbours in a file often have one label."""
    return [rows[int(place / share)] for place in range(math.ceil(len(rows) * share))]
