"""Properties of a file of texts with labels and spans, read when a script is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpogen.configuration.yaml_file import shown
from hpogen.families.family import DataFacts, with_defaults
from hpogen.families.text.examples_file import check_counts, check_labels
from hpogen.families.text.shared.constants import CONSTANTS
from hpogen.families.text.spans.examples_file import read_file, span_facts


def read_both_examples(path: str, given: Mapping[str, Any], task: str) -> DataFacts:
    """Return the properties of a file of texts with labels and spans. Raises DataError."""
    del task
    values = with_defaults(CONSTANTS, given)
    place = shown(path, 200)
    splits, n_texts, digest = read_file(path, values)
    facts = span_facts(path, splits, n_texts, digest, values)
    present = [[one.label for one in part] for part in splits]
    found = {label for part in present for label in part if label}
    labels = given.get("labels") or sorted(found)
    check_labels(place, values["label_column"], labels, found)
    check_counts(place, labels, present, values["min_class_samples"])
    notes = [f"{note}, {len(labels)} labels" for note in facts.notes]
    return facts._replace(constants={**facts.constants, "labels": list(labels)}, notes=notes)
