"""Constants of labels and spans: those of both tasks."""

from __future__ import annotations

from dataclasses import replace

from hpogen.families.family import Constant
from hpogen.families.text.constants import CONSTANTS as LABELS
from hpogen.families.text.spans.constants import CONSTANTS as SPANS

DEMO_PATH = "data/licence-joint.csv"
DEMO_LABELS = [
    "agpl-3.0",
    "apache-2.0",
    "bsd-new",
    "gpl-1.0-plus",
    "gpl-2.0",
    "gpl-2.0-plus",
    "gpl-3.0",
    "lgpl-2.0-plus",
    "lgpl-2.1",
    "lgpl-2.1-plus",
    "mit",
    "proprietary-license",
]
OTHER_DEFAULTS = {"data_path": DEMO_PATH, "labels": DEMO_LABELS, "question_column": None}


def both() -> tuple[Constant, ...]:
    """Return the constants of spans, and those that only labels have, by group.

    Without optional ones, such as `encoder`: these tasks have no variant with them.
    """
    spans = [constant for constant in SPANS if not constant.optional]
    names = {constant.name for constant in SPANS}
    merged = [*spans, *(c for c in LABELS if c.name not in names and not c.optional)]
    groups = ("data", "splits", "model")
    ordered = sorted(merged, key=lambda constant: groups.index(constant.group))
    return tuple(
        replace(constant, default=OTHER_DEFAULTS.get(constant.name, constant.default))
        for constant in ordered
    )


CONSTANTS = both()
