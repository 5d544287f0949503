"""Fusions of two encoders; a script holds those that it may use."""

from __future__ import annotations

from hpo_script.families.text.joint.fusions.attention import attention_fusion
from hpo_script.families.text.joint.fusions.concat import concat_fusion
from hpo_script.families.text.joint.fusions.gate import gate_fusion

FUSIONS = {"concat": concat_fusion, "gate": gate_fusion, "attention": attention_fusion}
