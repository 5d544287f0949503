"""Losses of the text family; a script holds those that it may use."""

from __future__ import annotations

from hpo_script.families.text.losses.cross_entropy import cross_entropy_loss
from hpo_script.families.text.losses.focal import focal_loss

LOSSES = {"cross_entropy": cross_entropy_loss, "focal": focal_loss}
