"""One encoder with two heads: the label of a text, and the span in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpo_script.families.text.shared.parameter_counts import count_params, sample_bytes
from hpogen.families.family import Switch, TaskKind
from hpogen.families.text.losses import LOSSES
from hpogen.families.text.optimizers import SWITCHES
from hpogen.families.text.shared.constants import CONSTANTS, DEMO_PATH
from hpogen.families.text.shared.examples_file import read_both_examples
from hpogen.families.text.shared.part_order import FINAL_PARTS, PARTS
from hpogen.families.text.shared.search_space import SEARCH_SPACE
from hpogen.families.text.spans import FROM_SCRATCH, check_spans

DEMO_TEXTS = 1876  # of `hpogen demo-data licence-joint`


def check_both(constants: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (constant, what is wrong) for values that do not go together."""
    wrong = check_spans(constants)
    if len({*constants["labels"]}) < len(constants["labels"]):
        wrong.append(("labels", "a label is given twice"))
    return wrong


def count_samples(
    constants: Mapping[str, Any], horizon: int | None, n_train_rows: int | None
) -> int | None:
    """Return the number of training texts; None if the file is unknown."""
    del horizon
    if n_train_rows is None and constants["data_path"] == DEMO_PATH:
        n_train_rows = round(DEMO_TEXTS * constants["train_fraction"] * constants["train_subset"])
    return n_train_rows


def count_shared_params(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return the exact number of parameters of an architecture."""
    del options
    return count_params(
        arch,
        context_length=constants["context_length"],
        hash_buckets=constants["hash_buckets"],
        n_labels=len(constants["labels"]),
    )


def shared_sample_bytes(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return an estimate of what one sample keeps for the backward pass."""
    del options
    return sample_bytes(arch, context_length=constants["context_length"])


TEXT_SHARED = replace(
    FROM_SCRATCH,
    name="text_shared",
    tasks=(
        TaskKind(
            "text_shared", "text_shared", "Which label does a text have, and which span shows it?"
        ),
    ),
    count_params=count_shared_params,
    sample_bytes=shared_sample_bytes,
    read_data=read_both_examples,
    count_samples=count_samples,
    constants=CONSTANTS,
    check=check_both,
    params=SEARCH_SPACE,
    switches={"loss": Switch("losses", "_loss", LOSSES), **SWITCHES},
    metrics={
        "mean_f1": "maximize",
        "macro_f1": "maximize",
        "token_f1": "maximize",
        "exact_match": "maximize",
        "accuracy": "maximize",
        "val_loss": "minimize",
    },
    second_metrics={"ece": "minimize"},
    default_metric="mean_f1",
    parts=PARTS,
    final_parts=FINAL_PARTS,
)
