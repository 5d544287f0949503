"""The language family: the next byte of a text, predicted by GPT."""

from __future__ import annotations

from hpogen.families.family import Family, TaskKind
from hpogen.families.language.constants import CONSTANTS
from hpogen.families.language.part_order import FINAL_PARTS, PARTS
from hpogen.families.language.search_space import SEARCH_SPACE
from hpogen.families.language.text import (
    check_text,
    count_text_params,
    count_text_samples,
    describe_text_inputs,
    read_text_data,
    text_sample_bytes,
    text_schedule,
)
from hpogen.families.shared import AXES, SMALL_AXES, shapes

LANGUAGE = Family(
    name="language",
    tasks=(TaskKind("byte_lm", "byte_lm", "Which byte of a text comes next?"),),
    default_task=None,
    has_horizon=False,
    axes={**AXES, "d_ff_ratio": (4,)},
    small_axes={**SMALL_AXES, "d_ff_ratio": (4,)},
    small_below=3_000_000,
    candidates=shapes,
    count_params=count_text_params,
    sample_bytes=text_sample_bytes,
    free_axes=("n_heads",),
    extreme_axes=("d_model", "n_layers", "n_heads"),
    read_data=read_text_data,
    describe_inputs=describe_text_inputs,
    count_samples=count_text_samples,
    schedule=text_schedule,
    length_params=("steps", "eval_interval"),
    constants=CONSTANTS,
    check=check_text,
    params=SEARCH_SPACE,
    options={},
    default_options={},
    metrics={"val_loss": "minimize", "bits_per_byte": "minimize"},
    default_metric="bits_per_byte",
    parts=PARTS,
    final_parts=FINAL_PARTS,
)
