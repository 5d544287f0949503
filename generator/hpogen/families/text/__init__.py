"""The text family: labels of texts, predicted by a transformer on their bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from hpo_script.families.text.parameter_counts import BYTES, count_params, sample_bytes
from hpogen.families.family import Family, Switch, TaskKind, Variant
from hpogen.families.shared import AXES, SMALL_AXES, epoch_schedule, shapes
from hpogen.families.text.byte_pairs import parts_by_constants, starts_by_constants
from hpogen.families.text.constants import CONSTANTS, DEMO_PATH
from hpogen.families.text.examples_file import read_text_examples
from hpogen.families.text.heads import HEADS
from hpogen.families.text.losses import LOSSES
from hpogen.families.text.optimizers import SWITCHES
from hpogen.families.text.part_order import FINAL_PARTS, PARTS
from hpogen.families.text.pretrained import pretrained, with_sizes
from hpogen.families.text.pretrained.checkpoint import read_checkpoint
from hpogen.families.text.samples import bytes_of, check_labels, check_splits, counts_of
from hpogen.families.text.search_space import SEARCH_SPACE

DEMO_TEXTS = 5642  # of `hpogen demo-data licences`


def describe_inputs(constants: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """Return the form in which a text enters the model."""
    del options
    length, size = constants["context_length"], constants.get("vocab_size")
    if size is None:
        return f"the first {length:,} bytes of a text"
    return f"the first {length:,} tokens of a text, from a vocabulary of {size:,}"


def count_text_params(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return the exact number of parameters of an architecture."""
    return count_params(
        arch,
        context_length=constants["context_length"],
        n_labels=len(constants["labels"]),
        head=options["head"],
        vocab_size=constants.get("vocab_size") or BYTES,
    )


FROM_SCRATCH = Family(
    name="text",
    tasks=(TaskKind("text_classification", "text_classification", "Which label has a text?"),),
    default_task=None,
    has_horizon=False,
    axes=AXES,
    small_axes=SMALL_AXES,
    small_below=3_000_000,
    candidates=shapes,
    count_params=count_text_params,
    sample_bytes=bytes_of(sample_bytes),
    free_axes=("n_heads",),
    extreme_axes=("d_model", "n_layers", "n_heads"),
    read_data=read_text_examples,
    describe_inputs=describe_inputs,
    count_samples=counts_of(DEMO_PATH, DEMO_TEXTS),
    schedule=epoch_schedule,
    length_params=("epochs", "batch_size"),
    constants=CONSTANTS,
    slots=parts_by_constants,
    starts=starts_by_constants,
    check=lambda constants: [*check_splits(constants), *check_labels(constants)],
    params=SEARCH_SPACE,
    options={"head": HEADS},
    default_options={"head": "linear"},
    switches={"loss": Switch("losses", "_loss", LOSSES), **SWITCHES},
    metrics={"macro_f1": "maximize", "val_loss": "minimize", "accuracy": "maximize"},
    second_metrics={"ece": "minimize"},
    default_metric="macro_f1",
    parts=PARTS,
    final_parts=FINAL_PARTS,
)
PRETRAINED = pretrained(FROM_SCRATCH)


def fitted(constants: Mapping[str, Any]) -> Family:
    """Return the variant that fine-tunes the model of some constants."""
    return with_sizes(PRETRAINED, constants["encoder_sizes"])


TEXT = dataclasses.replace(
    FROM_SCRATCH, variant=Variant("encoder", PRETRAINED, read_checkpoint, fitted)
)
