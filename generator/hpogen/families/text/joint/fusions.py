"""Fusions of two encoders."""

from __future__ import annotations

from typing import Literal

from hpogen.families.family import Choice

FUSIONS = {
    "concat": Choice({"fusion": "families/text/joint/fusions/concat"}, "concatenation"),
    "gate": Choice({"fusion": "families/text/joint/fusions/gate"}, "gate"),
    "attention": Choice({"fusion": "families/text/joint/fusions/attention"}, "cross-attention"),
}
Fusion = Literal["concat", "gate", "attention"]
