"""Rules that all families of texts share: splits, labels, and the samples of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Constants = Mapping[str, Any]
Problems = list[tuple[str, str]]


def check_splits(constants: Constants) -> Problems:
    """Return (constant, what is wrong) for fractions that leave no test split."""
    if constants["train_fraction"] + constants["val_fraction"] < 1:
        return []
    return [("val_fraction", "no texts are left for the test split")]


def check_labels(constants: Constants) -> Problems:
    """Return (constant, what is wrong) for labels that are not distinct."""
    labels = constants["labels"]
    return [("labels", "a label is given twice")] if len({*labels}) < len(labels) else []


def counts_of(
    demo_path: str, demo_texts: int
) -> Callable[[Constants, int | None, int | None], int | None]:
    """Return a function that counts the training texts, also of demo data without its file."""

    def count_samples(
        constants: Constants, horizon: int | None, n_train_rows: int | None
    ) -> int | None:
        """Return the number of training texts; None if the file is unknown."""
        del horizon
        if n_train_rows is None and constants["data_path"] == demo_path:
            n_train_rows = round(
                demo_texts * constants["train_fraction"] * constants["train_subset"]
            )
        return n_train_rows

    return count_samples


def bytes_of(
    sample_bytes: Callable[..., int],
) -> Callable[[Mapping[str, int], Constants, Mapping[str, str]], int]:
    """Return a function that estimates what one sample keeps for the backward pass."""

    def of_constants(
        arch: Mapping[str, int], constants: Constants, options: Mapping[str, str]
    ) -> int:
        del options
        return sample_bytes(arch, context_length=constants["context_length"])

    return of_constants
