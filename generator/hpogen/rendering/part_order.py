"""Order of the parts of a script: command line, experiment, machinery.

The family decides the order within the experiment: families/NAME/part_order.py.
"""

from __future__ import annotations

from typing import NamedTuple

from hpogen.configuration.samplers import is_joint
from hpogen.rendering.sections import chosen_sections
from hpogen.spec import Spec

TRAINING = "experiment/training"
ANY_SAMPLER = "machinery/sampler"
TWO_OBJECTIVES = ["machinery/pareto_front", "machinery/two_objectives"]
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
    "{objectives}",
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
        "{sampler}": sampler_parts(spec),
        "{objectives}": TWO_OBJECTIVES if spec.second_metric else [],
        "{sections}": [section.part for section in sections],
    }
    return PartNames(
        ["machinery/command_line", *arguments],
        experiment_parts(spec),
        [part for name in MACHINERY for part in slots.get(name, [name])],
    )


def experiment_parts(spec: Spec) -> list[str]:
    """Return the parts of the experiment half; those about seeds follow the training."""
    parts = spec.family.part_names(spec.task, spec.used, spec.constants)
    if spec.seeds:
        place = parts.index(TRAINING) + 1
        parts[place:place] = ["experiment/seeds", "experiment/several_trainings"]
    return parts


def sampler_parts(spec: Spec) -> list[str]:
    """Return the parts that define StudySampler."""
    if spec.sampler.type == "grid":
        return ["sections/grid_sampler"]
    if spec.sampler.type == "nsga2":
        return [ANY_SAMPLER, "machinery/nsga2"]
    return ["machinery/joint_tpe" if is_joint(spec.sampler, spec.n_objectives) else ANY_SAMPLER]
