"""Fine-tuning of a pretrained encoder for span extraction: a variant of the family."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from hpogen.families.family import Family, Variant
from hpogen.families.text.pretrained import pretrained, with_sizes
from hpogen.families.text.pretrained.checkpoint import read_checkpoint
from hpogen.families.text.pretrained.search_space import TUNING
from hpogen.families.text.spans.search_space import NO_ANSWER_WEIGHT

SHORTEST = 16  # context; a quarter of it is for the question
OTHERS = {
    "context_length": (128, "tokens of question and text"),
    "max_answer": (30, "tokens of an answer"),
}


def describe_inputs(constants: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """Return the form in which question and text enter the model."""
    del options
    length = constants["context_length"]
    return f"the first {length:,} tokens of question and text, by {constants['encoder']}"


def count_params(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return the exact number of parameters of the encoder with its lowest layers, and a head."""
    del options
    encoder: int = constants["encoder_params"][arch["n_layers"] - 1]
    return encoder + 2 * (arch["d_model"] + 1)


def with_encoder(scratch: Family) -> Family:
    """Return a family of spans that has a variant with a pretrained encoder."""
    base = pretrained(scratch)

    def check(constants: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return (constant, what is wrong) for values that do not go together."""
        short = constants["context_length"] < SHORTEST
        wrong = [("context_length", f"fewer than {SHORTEST} tokens")] if short else []
        return [*base.check(constants), *wrong]

    constants = [
        dataclasses.replace(c, default=OTHERS[c.name][0], description=OTHERS[c.name][1])
        if c.name in OTHERS
        else c
        for c in base.constants
        if c.name != "hash_buckets"
    ]
    variant = dataclasses.replace(
        base,
        count_params=count_params,
        describe_inputs=describe_inputs,
        constants=tuple(constants),
        check=check,
        params=(*TUNING, NO_ANSWER_WEIGHT),
        options={},
        default_options={},
    )

    def fitted(constants: Mapping[str, Any]) -> Family:
        """Return the variant that fine-tunes the model of some constants."""
        return with_sizes(variant, constants["encoder_sizes"])

    return dataclasses.replace(
        scratch, variant=Variant("encoder", variant, read_checkpoint, fitted)
    )
