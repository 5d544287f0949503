"""Training losses of a binary label; a script holds those that its parameter `loss` may name."""

from collections.abc import Callable
from typing import Any

from hpo_script.families.market.losses.bce import bce_loss
from hpo_script.families.market.losses.focal import focal_loss
from hpo_script.families.market.losses.soft_auc import soft_auc_loss
from hpo_script.families.market.losses.weighted_bce import weighted_bce_loss

LOSSES: dict[str, Callable[..., Any]] = {
    "bce": bce_loss,
    "focal": focal_loss,
    "soft_auc": soft_auc_loss,
    "weighted_bce": weighted_bce_loss,
}
