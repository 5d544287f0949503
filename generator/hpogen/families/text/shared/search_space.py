"""The search space of labels and spans: its parameters beside the architecture."""

from __future__ import annotations

from hpogen.families.family import Param
from hpogen.families.shared import UpToOne, uniform
from hpogen.families.text.losses import Loss
from hpogen.families.text.spans.search_space import SEARCH_SPACE as SPANS

SEARCH_SPACE = (
    *SPANS,
    Param("span_weight", uniform(0.2, 0.8), UpToOne, "share of the span's loss, the rest: label"),
    Param("class_balance", uniform(0.0, 1.0), UpToOne, "0 plain, 1 all labels weigh the same"),
    Param("loss", "cross_entropy", Loss, "of the label"),
)
