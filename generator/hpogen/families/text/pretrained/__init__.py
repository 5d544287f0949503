"""Fine-tuning of a pretrained encoder: a variant of the text family.

The architectures are the numbers of layers that are kept, counted from the embeddings, so that
budgets keep their meaning.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hpo_script.experiment.block_parameter_count import saved_bytes
from hpo_script.families.text.parameter_counts import head_params
from hpogen.families.family import Constant, Family
from hpogen.families.shared import Digest, Positive
from hpogen.families.text.heads import POOLING
from hpogen.families.text.pretrained.search_space import ALL_LAYERS, SEARCH_SPACE

BERT = {"d_model": (768,), "n_layers": (*range(1, 13),), "n_heads": (12,), "d_ff": (3072,)}
CONTEXT = Constant(
    "context_length", "model", 128, Positive, "tokens of a text that the model sees"
)
CONSTANTS = (  # which follow from `encoder`
    Constant("encoder_sha256", "model", None, Digest | None, "of its model.safetensors"),
    Constant("encoder_sizes", "model", {}, dict[str, int], "of its config.json", hidden=True),
    Constant("encoder_params", "model", [], list[int], "with 1, 2, … layers", hidden=True),
)
REPLACED = {
    "experiment/transformer": ["families/text/pretrained/encoder"],
    "families/text/encoder": [],
    "families/text/model": ["{pooling}", "families/text/pretrained/model"],
    "{vocabulary}": [],
    "{tokens}": ["families/text/pretrained/noise", "families/text/pretrained/tokens"],
    "families/text/optimizer": ["families/text/pretrained/optimizer"],
    "families/text/spans/word_buckets": [],
    "families/text/spans/model": ["families/text/pretrained/span_model"],
    "families/text/spans/word_inputs": [
        "families/text/pretrained/noise",
        "families/text/pretrained/span_inputs",
    ],
}


def describe_inputs(constants: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """Return the form in which a text enters the model."""
    del options
    return f"the first {constants['context_length']:,} tokens of {constants['encoder']}"


def check(base: Family, constants: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (constant, what is wrong) for values that do not go together."""
    wrong = base.check(constants)
    longest = constants["encoder_sizes"]["n_positions"]
    if constants["context_length"] > longest:
        wrong.append(("context_length", f"longer than the encoder's {longest:,} positions"))
    if constants.get("vocab_size") is not None:
        wrong.append(("vocab_size", "the encoder has a tokenizer of its own; leave it out"))
    return wrong


def kept_layers(axes: Mapping[str, Any]) -> Iterator[dict[str, int]]:
    """Yield every combination of axes."""
    for values in itertools.product(*(axes[name] for name in BERT)):
        yield dict(zip(BERT, values, strict=True))


def count_params(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return the exact number of parameters of the encoder with its lowest layers, and a head."""
    encoder: int = constants["encoder_params"][arch["n_layers"] - 1]
    return encoder + head_params(arch["d_model"], len(constants["labels"]), options["head"])


def sample_bytes(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return an estimate of what one sample keeps for the backward pass."""
    del options
    length: int = constants["context_length"]
    return saved_bytes(arch, length) + 4 * length * 4 * arch["d_model"]


def idle(values: Mapping[str, Sequence[Any]]) -> dict[str, tuple[str, str]]:
    """Return why `layer_decay` has no effect: no trained layer is below another one."""
    most = max(values["trained_layers"])
    if most >= ALL_LAYERS or min(most, max(values["n_layers"])) > 1:
        return {}
    return {"layer_decay": ("at most one layer is trained", "trained_layers")}


def pretrained(base: Family) -> Family:
    """Return the variant of a family of texts, for any model."""
    replaced = [REPLACED.get(part, [part]) for part in base.parts]
    constants = [CONTEXT if c.name == CONTEXT.name else c for c in base.constants]
    return dataclasses.replace(
        base,
        axes=BERT,
        small_below=0,
        candidates=kept_layers,
        count_params=count_params,
        sample_bytes=sample_bytes,
        free_axes=(),
        extreme_axes=("n_layers",),
        describe_inputs=describe_inputs,
        constants=(*constants, *CONSTANTS),
        check=functools.partial(check, base),
        idle=idle,
        params=SEARCH_SPACE,
        options={**base.options, "pooling": POOLING},
        default_options={**base.default_options, "pooling": "mean"},
        parts=tuple(part for parts in replaced for part in parts),
    )


def with_sizes(family: Family, sizes: Mapping[str, int]) -> Family:
    """Return the variant with the axes of a model."""
    n_layers = tuple(range(1, sizes["n_layers"] + 1))
    axes = {name: n_layers if name == "n_layers" else (sizes[name],) for name in BERT}

    def candidates(chosen: Mapping[str, Any]) -> Iterator[dict[str, int]]:
        """Yield the chosen rows that the model has."""
        rows = kept_layers(chosen)
        return (row for row in rows if all(row[name] in axes[name] for name in BERT))

    return dataclasses.replace(family, axes=axes, candidates=candidates)
