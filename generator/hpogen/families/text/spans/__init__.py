"""Span extraction: where in a text is the answer to a question?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpo_script.families.text.spans.parameter_counts import count_params, sample_bytes
from hpogen.families.family import Family, TaskKind
from hpogen.families.shared import AXES, SMALL_AXES, epoch_schedule, shapes
from hpogen.families.text.optimizers import SWITCHES
from hpogen.families.text.samples import bytes_of, check_splits, counts_of
from hpogen.families.text.spans.constants import CONSTANTS, DEMO_PATH
from hpogen.families.text.spans.examples_file import read_span_examples
from hpogen.families.text.spans.part_order import FINAL_PARTS, PARTS
from hpogen.families.text.spans.pretrained import with_encoder
from hpogen.families.text.spans.search_space import SEARCH_SPACE

DEMO_TEXTS = 5719  # of `hpogen demo-data licence-spans`


def check_spans(constants: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (constant, what is wrong) for values that do not go together."""
    wrong = check_splits(constants)
    if constants["max_answer"] > constants["context_length"]:
        wrong.append(("max_answer", "longer than model.context_length"))
    return wrong


def describe_inputs(constants: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """Return the form in which question and text enter the model."""
    del options
    return f"the first {constants['context_length']:,} words of question and text"


def count_span_params(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return the exact number of parameters of an architecture."""
    del options
    length, buckets = constants["context_length"], constants["hash_buckets"]
    return count_params(arch, context_length=length, hash_buckets=buckets)


FROM_SCRATCH = Family(
    name="spans",
    tasks=(TaskKind("span_extraction", "span_extraction", "Where in a text is the answer?"),),
    default_task=None,
    has_horizon=False,
    axes=AXES,
    small_axes=SMALL_AXES,
    small_below=3_000_000,
    candidates=shapes,
    count_params=count_span_params,
    sample_bytes=bytes_of(sample_bytes),
    free_axes=("n_heads",),
    extreme_axes=("d_model", "n_layers", "n_heads"),
    read_data=read_span_examples,
    describe_inputs=describe_inputs,
    count_samples=counts_of(DEMO_PATH, DEMO_TEXTS),
    schedule=epoch_schedule,
    length_params=("epochs", "batch_size"),
    constants=CONSTANTS,
    check=check_spans,
    params=SEARCH_SPACE,
    options={},
    default_options={},
    switches=SWITCHES,
    metrics={"token_f1": "maximize", "exact_match": "maximize", "val_loss": "minimize"},
    default_metric="token_f1",
    parts=PARTS,
    final_parts=FINAL_PARTS,
)
SPANS = with_encoder(FROM_SCRATCH)
