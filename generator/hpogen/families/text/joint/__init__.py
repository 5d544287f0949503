"""Two encoders with a fusion: the label of a text, and the span in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpo_script.families.text.joint.parameter_counts import count_params, sample_bytes
from hpogen.families.family import Param, Switch, TaskKind
from hpogen.families.text.joint.fusions import FUSIONS, Fusion
from hpogen.families.text.joint.part_order import FINAL_PARTS, PARTS
from hpogen.families.text.samples import bytes_of
from hpogen.families.text.shared import TEXT_SHARED


def count_joint_params(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return the exact number of parameters of an architecture, the same with each fusion."""
    del options
    return count_params(
        arch,
        context_length=constants["context_length"],
        hash_buckets=constants["hash_buckets"],
        n_labels=len(constants["labels"]),
    )


TEXT_JOINT = replace(
    TEXT_SHARED,
    name="text_joint",
    tasks=(
        TaskKind(
            "text_joint", "text_joint", "Which label does a text have, and which span shows it?"
        ),
    ),
    count_params=count_joint_params,
    sample_bytes=bytes_of(sample_bytes),
    params=(*TEXT_SHARED.params, Param("fusion", "concat", Fusion, "of both encoders")),
    switches={**TEXT_SHARED.switches, "fusion": Switch("fusions", "_fusion", FUSIONS)},
    parts=PARTS,
    final_parts=FINAL_PARTS,
)
