"""Optimizers of the text families; a script holds those that it may use."""

from __future__ import annotations

from hpo_script.families.text.optimizers.adafactor import adafactor_optimizer
from hpo_script.families.text.optimizers.adamw import adamw_optimizer

OPTIMIZERS = {"adamw": adamw_optimizer, "adafactor": adafactor_optimizer}
