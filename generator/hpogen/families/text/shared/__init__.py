"""One encoder with two heads: the label of a text, and the span in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpo_script.families.text.shared.parameter_counts import count_params, sample_bytes
from hpogen.families.family import Switch, TaskKind
from hpogen.families.text.losses import LOSSES
from hpogen.families.text.optimizers import SWITCHES
from hpogen.families.text.samples import bytes_of, check_labels, counts_of
from hpogen.families.text.shared.constants import CONSTANTS, DEMO_PATH
from hpogen.families.text.shared.examples_file import read_both_examples
from hpogen.families.text.shared.part_order import FINAL_PARTS, PARTS
from hpogen.families.text.shared.search_space import SEARCH_SPACE
from hpogen.families.text.spans import FROM_SCRATCH, check_spans

DEMO_TEXTS = 1876  # of `hpogen demo-data licence-joint`


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


TEXT_SHARED = replace(
    FROM_SCRATCH,
    name="text_shared",
    tasks=(
        TaskKind(
            "text_shared", "text_shared", "Which label does a text have, and which span shows it?"
        ),
    ),
    count_params=count_shared_params,
    sample_bytes=bytes_of(sample_bytes),
    read_data=read_both_examples,
    count_samples=counts_of(DEMO_PATH, DEMO_TEXTS),
    constants=CONSTANTS,
    check=lambda constants: [*check_spans(constants), *check_labels(constants)],
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
