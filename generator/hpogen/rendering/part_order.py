"""Order of the parts of a script: command line, experiment, machinery.

The family decides the order within the experiment: families/NAME/part_order.py.
"""

from __future__ import annotations

from typing import NamedTuple

from hpogen.rendering.sections import chosen_sections
from hpogen.spec import Spec

MACHINERY = (
    "machinery/log_lines",
    "machinery/logged_study",
    "machinery/log_file",
    "machinery/mounts",
    "machinery/source_digest",
    "machinery/same_experiment",
    "{sampler}",
    "machinery/pruning",
    "machinery/optuna_study",
    "machinery/checkpoint",
    "machinery/device",
    "machinery/run_stops",
    "machinery/progress",
    "machinery/results",
    "machinery/dry_run",
    "machinery/next_configuration",
    "machinery/train_or_resume_trial",
    "machinery/claim_trials",
    "machinery/enqueue_and_history",
    "machinery/repeat_recorded_trial",
    "machinery/main",
    "{sections}",
)


class PartNames(NamedTuple):
    """The parts of each block of a script, in reading order."""

    command_line: list[str]
    experiment: list[str]
    machinery: list[str]


def part_names(spec: Spec) -> PartNames:
    """Return the parts of a script, with every slot of MACHINERY filled."""
    sections = chosen_sections(spec.sections)
    arguments = [section.arguments[0] for section in sections if section.arguments]
    slots = {
        "{sampler}": [sampler_part(spec)],
        "{sections}": [section.part for section in sections],
    }
    return PartNames(
        ["machinery/command_line", *arguments],
        spec.family.part_names(spec.task, spec.used, spec.constants),
        [part for name in MACHINERY for part in slots.get(name, [name])],
    )


def sampler_part(spec: Spec) -> str:
    """Return the part that defines StudySampler."""
    if spec.sampler.type == "grid":
        return "sections/grid_sampler"
    is_joint = spec.sampler.type == "tpe" and spec.sampler.multivariate
    return "machinery/joint_tpe" if is_joint else "machinery/sampler"
