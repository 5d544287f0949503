"""Properties of a file of questions and answers, read when a script is rendered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpo_script.families.text.examples import (
    SUFFIXES,
    Example,
    evenly_spread,
    read_rows,
    splits_of,
)
from hpo_script.families.text.spans.examples import (
    SpanExample,
    span_examples,
    span_positions,
)
from hpo_script.families.text.spans.word_buckets import encode
from hpo_script.families.text.spans.words import word_places
from hpogen.configuration.yaml_file import shown
from hpogen.errors import DataError
from hpogen.families.family import DataFacts, with_defaults
from hpogen.families.shared import local_path
from hpogen.families.text.examples_file import repeated_texts
from hpogen.families.text.spans.constants import CONSTANTS


def read_span_examples(path: str, given: Mapping[str, Any], task: str) -> DataFacts:
    """Return the properties of a file of questions and answers. Raises DataError."""
    del task
    values = with_defaults(CONSTANTS, given)
    return span_facts(path, *read_file(path, values), values)


def read_file(path: str, values: Mapping[str, Any]) -> tuple[list[list[SpanExample]], int, str]:
    """Return the examples of each split, the number of texts, and a digest. Raises DataError."""
    place = shown(path, 200)
    if Path(path).suffix not in SUFFIXES:
        raise DataError(f"{place}: not one of {', '.join(SUFFIXES)}")
    try:
        content = Path(path).read_bytes()
        train, val, test = read_splits(Path(path), content, values)
    except ImportError as error:
        raise DataError(f"{place}: {error}; run: python -m pip install pandas pyarrow") from None
    except OSError as error:
        raise DataError(f"{place}: {error.strerror}") from None
    except Exception as error:  # each reader raises its own types for a damaged file
        raise DataError(f"{place}: {shown(str(error), 200)}") from None
    n_texts = len(train) + len(val) + len(test)
    train = [train[row] for row in evenly_spread(range(len(train)), values["train_subset"])]
    return [train, val, test], n_texts, hashlib.sha256(content).hexdigest()


def span_facts(
    path: str,
    splits: Sequence[Sequence[SpanExample]],
    n_texts: int,
    digest: str,
    values: Mapping[str, Any],
) -> DataFacts:
    """Return the properties of examples. Raises DataError for too few answers."""
    train, val, test = splits
    for name, part in (("training", train), ("validation", val)):
        n_answers, least = sum(bool(one.answer) for one in part), values["min_answers"]
        if n_answers < least:
            raise DataError(
                f"{shown(path, 200)}: {n_answers} {name} texts have an answer, fewer than"
                f" splits.min_answers, {least}"
            )
    known = [*train, *val]  # the answers of test texts may be hidden
    answered = sum(bool(one.answer) for one in known) / len(known)
    sizes = f"{len(train):,} for training, {len(val):,} validation, {len(test):,} test"
    notes = [f"{n_texts:,} texts, {answered:.0%} with an answer: {sizes}"]
    constants = {"data_path": local_path(path), "data_sha256": digest}
    warnings = repeated_texts([[one.text for one in part] for part in splits])
    warnings += warnings_about(known, values)
    return DataFacts(constants, notes, warnings, len(train))


def read_splits(path: Path, content: bytes, values: Mapping[str, Any]) -> list[list[SpanExample]]:
    """Return the examples of training, validation and test. Raises ValueError."""
    by_answer = values["answer_column"] is not None
    columns = {
        "text": values["text_column"],
        "question": values["question_column"],
        "start": None if by_answer else values["start_column"],
        "end": None if by_answer else values["end_column"],
        "answer": values["answer_column"],
        "group": values["group_column"],
        "split": values["split_column"],
        "label": values.get("label_column"),
    }
    hidden = ("start", "end", "answer", "label")
    examples = span_examples(read_rows(path, content), columns, hidden)
    splits = splits_of(
        [Example(one.text, one.kind, one.group, one.split) for one in examples],
        shares=(values["train_fraction"], values["val_fraction"]),
        seed=values["split_seed"],
    )
    return [[examples[row] for row in rows] for rows in splits]


def warnings_about(examples: Sequence[SpanExample], values: Mapping[str, Any]) -> list[str]:
    """Return a warning if more than 2 % of the answers are out of reach of the model.

    None with a pretrained encoder, whose tokens only the script can count.
    """
    if values.get("encoder"):
        return []
    length, longest = values["context_length"], values["max_answer"]
    lost = 0
    for one in examples:
        n_kept = length - encode(one.question, one.text, length)[1]
        places = word_places(one.text)
        lost += bool(one.answer) and span_positions(one, places, n_kept, longest) is None
    if lost <= len(examples) / 50:
        return []
    share = lost / len(examples)
    warning = (
        f"{share:.0%} of the answers are beyond model.context_length, {length} words, or longer"
        f" than model.max_answer, {longest}; they count as wrong"
    )
    return [warning]
