"""Properties of a file of labelled texts, read when a script is rendered."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from hpo_script.families.text.examples import (
    SUFFIXES,
    Example,
    evenly_spread,
    read_cells,
    read_rows,
    splits_of,
)
from hpogen.configuration.yaml_file import shown
from hpogen.errors import DataError
from hpogen.families.family import DataFacts, with_defaults
from hpogen.families.shared import local_path
from hpogen.families.text.byte_pairs import share_cut, tokenizer_of
from hpogen.families.text.constants import CONSTANTS

MAX_LABELS = 100


def read_text_examples(path: str, given: Mapping[str, Any], task: str) -> DataFacts:
    """Return the properties of a file of labelled texts. Raises DataError."""
    del task
    values = with_defaults(CONSTANTS, given)
    place = shown(path, 200)
    if Path(path).suffix not in SUFFIXES:
        raise DataError(f"{place}: not one of {', '.join(SUFFIXES)}")
    columns = {key: values[f"{key}_column"] for key in ("text", "label", "group", "split")}
    try:
        content = Path(path).read_bytes()
        rows = read_rows(Path(path), content)
        cells = read_cells(rows, columns, needed=columns, hidden=["label"])
        examples = [Example(**row) for row in cells]
        train, val, test = splits_of(
            examples,
            shares=(values["train_fraction"], values["val_fraction"]),
            seed=values["split_seed"],
        )
        train = evenly_spread(train, values["train_subset"])
    except ImportError as error:
        raise DataError(f"{place}: {error}; run: python -m pip install pandas pyarrow") from None
    except OSError as error:
        raise DataError(f"{place}: {error.strerror}") from None
    except Exception as error:  # each reader raises its own types for a damaged file
        raise DataError(f"{place}: {shown(str(error), 200)}") from None
    present = [[examples[row].label for row in rows] for rows in (train, val)]
    found = {one.label for one in examples if one.label}  # those of test texts may be hidden
    labels = given.get("labels") or sorted(found)
    check_labels(place, values["label_column"], labels, found)
    check_counts(place, labels, present, values["min_class_samples"])
    texts = [one.text for one in examples]
    sizes = f"{len(train):,} for training, {len(val):,} validation, {len(test):,} test"
    notes = [f"{len(examples):,} texts, {len(labels)} labels: {sizes}"]
    parts = [[texts[row] for row in rows] for rows in (train, val, test)]
    warnings = repeated_texts(parts)
    if not values["encoder"]:
        more, cut = about_lengths(place, texts, parts[0], values)
        notes, warnings = [*notes, *more], [*warnings, *cut]
    constants = {
        "data_path": local_path(path),
        "data_sha256": hashlib.sha256(content).hexdigest(),
        "labels": list(labels),
    }
    return DataFacts(constants, notes, warnings, len(train))


def repeated_texts(splits: Sequence[Sequence[str]]) -> list[str]:
    """Return a warning if a text is in two splits, which groups or a split column can cause."""
    times = Counter(text for texts in splits for text in {*texts})
    if not (number := sum(n > 1 for n in times.values())):
        return []
    warning = (
        f"texts in more than one split: {number:,}, so results are too good; give equal texts one"
        " group, or one split in the split column"
    )
    return [warning]


def about_lengths(
    place: str, texts: Sequence[str], training: Sequence[str], values: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Return notes and warnings on tokens per text. Raises DataError for too few tokens."""
    length, size = values["context_length"], values["vocab_size"]
    lengths = [len(text.encode()) for text in texts]
    share, unit = share_cut(lengths, length), "bytes"
    notes = []
    if size is not None:
        tokenizer = tokenizer_of(place, training, size)
        n_bytes, as_bytes = sum(lengths), share
        lengths = [len(tokenizer.encode(text)) for text in texts]
        share, unit = share_cut(lengths, length), "tokens"
        notes.append(
            f"{size:,} tokens, {n_bytes / sum(lengths):.1f} bytes each on average: {share:.0%} of"
            f" the texts are cut at {length} tokens, {as_bytes:.0%} at {length} bytes"
        )
    if share <= 0.1:
        return notes, []
    warning = (
        f"{share:.0%} of the texts are longer than model.context_length, {length} {unit}, and are"
        " cut"
    )
    return notes, [warning]


def check_labels(place: str, column: str, labels: Sequence[str], present: Collection[str]) -> None:
    """Raise DataError for an unlisted label, fewer than 2 or more than MAX_LABELS labels."""
    if others := sorted({*present} - {*labels}):
        raise DataError(f"{place}: the label {shown(others[0])} is not one of data.labels")
    if not 2 <= len(labels) <= MAX_LABELS:
        raise DataError(
            f"{place}: labels in the column {shown(column)}: {len(labels):,}; a classifier needs 2"
            f" to {MAX_LABELS}; name another column, data.label_column, or merge rare labels"
        )


def check_counts(
    place: str, labels: Sequence[str], present: Sequence[Sequence[str]], least: int
) -> None:
    """Raise DataError if a label has fewer than `least` texts for training or validation."""
    for name, part in zip(("training", "validation"), present, strict=False):
        counts = Counter(part)
        if few := [label for label in labels if counts[label] < least]:
            raise DataError(
                f"{place}: {counts[few[0]]} {name} texts have the label {shown(few[0])}, fewer"
                f" than splits.min_class_samples, {least}; merge or remove rare labels"
            )
