"""Specification of a final script, and its rendering."""

from __future__ import annotations

import hashlib
import json

from hpogen import __version__
from hpogen.configuration.samplers import Strict
from hpogen.configuration.yaml_keys import Number, Scalar
from hpogen.errors import UsageError
from hpogen.rendering.literals import packed_dicts
from hpogen.rendering.part_order import PartNames
from hpogen.rendering.render import MARK, join
from hpogen.rendering.script_constants import (
    TITLES,
    Assignment,
    Group,
    experiment_constants,
    family_constants,
)
from hpogen.spec import Spec
from hpogen.spec.defaults_and_checks import GROUPS

TEST_COMPARISON = ("final/bootstrap", "final/verdict")
SEARCH_ONLY = (
    "experiment/arch_space",
    "experiment/space",
    "families/market/walk_forward",
    "experiment/several_trainings",
)
LEFT_OUT = [
    "NAME",
    "SECOND_METRIC",
    "SECOND_DIRECTION",
    "TOLERANCE",
    "N_TRIALS",
    "N_NOISE",
    "N_CONFIRM",
    "SEED",
    "SEEDS",
    "HPOGEN",
    "WALK_FORWARD",
]
FINAL_MACHINERY = (
    "machinery/log_lines",
    "machinery/logged_study",
    "machinery/log_file",
    "machinery/checkpoint",
    "machinery/device",
    "machinery/run_stops",
    "machinery/progress",
    "machinery/source_digest",
    "final/weights",
    "final/train_seeds",
    "final/evaluation",
    "final/report",
    "final/main",
)


class FinalSpec(Strict):
    """All values that a final script depends on."""

    study_id: str | None  # None: unknown
    configurations: list[dict[str, Scalar]]  # the best first
    seeds: list[int]
    trial_seconds: Number | None
    train_on: str = "train"
    search: Spec

    @property
    def name(self) -> str:
        """Return the name of the script."""
        return f"final_{self.search.name}"

    def to_json(self) -> str:
        """Return the specification as one line of JSON without white space."""
        text = json.dumps(self.model_dump(), separators=(",", ":"))
        return text.replace(" ", "\\u0020")  # spaces occur in strings only

    def sha256(self) -> str:
        """Return the digest of the specification."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def render_final(spec: FinalSpec) -> str:
    """Return the script of a specification. Raises UsageError for a family without the parts."""
    return join(
        "final.py.j2",
        spec.search,
        final_part_names(spec.search),
        final_constants(spec),
        (),
        name=spec.name,
        mark=f"{MARK}{__version__}:{spec.sha256()}:{spec.to_json()}",
    )


def final_part_names(search: Spec) -> PartNames:
    """Return the parts of a final script. Raises UsageError for a family without them."""
    family = search.family
    if not family.final_parts:
        raise UsageError(
            f"the family {family.name} has no final_parts; docs/families.md says what they define"
        )
    about = (search.task, search.used, search.constants)
    kept = [part for part in family.part_names(*about) if part not in SEARCH_ONLY]
    final_parts = family.filled(family.final_parts, *about)
    return PartNames(
        ["final/command_line"], [*kept, *final_parts, *TEST_COMPARISON], [*FINAL_MACHINERY]
    )


def final_constants(spec: FinalSpec) -> list[Group]:
    """Return the constants in groups, in reading order."""
    search = spec.search
    constants = experiment_constants(search)
    shared = [c for c in constants if c[0].partition(":")[0] not in LEFT_OUT]
    trained: list[Assignment] = [
        ("NAME", spec.name, ""),
        *shared,
        ("HPOGEN", f"{__version__} {spec.sha256()[:12]}", "version, digest of the specification"),
    ]
    chosen: list[Assignment] = [
        ("STUDY: str | None", spec.study_id, "id of the study that chose the configurations"),
        (
            "SEEDS",
            spec.seeds,
            "every configuration is trained with each; those of the study are not among them",
        ),
        ("TRIAL_SECONDS: float | None", spec.trial_seconds, "training time, if it was fixed"),
        ("TRAIN_ON", spec.train_on, "default of --train-on"),
        (
            "BLOCK_LENGTH",
            max(20, search.horizon or 0),  # labels of so many days depend on the same prices
            "neighbouring samples that the bootstrap draws together",
        ),
        ("CONFIGURATIONS: list[dict[str, Any]]", packed_dicts(spec.configurations), ""),
    ]
    return [
        ("Experiment", trained),
        ("Configurations, the best first", chosen),
        *(
            (TITLES[group], [c for c in family_constants(search, group) if c[0] not in LEFT_OUT])
            for group in GROUPS
        ),
    ]
