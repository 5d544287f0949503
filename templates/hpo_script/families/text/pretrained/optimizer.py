"""Learning rates by layer: each layer learns more slowly than the one above it.

Layer-wise decay as in Howard and Ruder 2018 (arXiv:1801.06146).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from hpo_script.experiment.shared import Config
from hpo_script.families.text.optimizer import make_optimizer as one_rate_optimizer


def make_optimizer(groups: list[dict[str, Any]], config: Config) -> torch.optim.Optimizer:
    """Return the optimizer of parameter groups, each divided by level; freeze the rest.

    The training gives all groups one learning rate per step, of which each takes its share.
    """
    divided = []
    for group in groups:
        levels: dict[int, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            levels.setdefault(getattr(parameter, "level", 0), []).append(parameter)
        for level, parameters in sorted(levels.items()):
            if getattr(parameters[0], "trained_from", 0) > config["trained_layers"]:
                for parameter in parameters:
                    parameter.requires_grad_(False)
            else:
                rate = rate_share(level, config)
                divided.append({**group, "params": parameters, "rate_share": rate})
    optimizer = one_rate_optimizer(divided, config)
    optimizer.register_step_pre_hook(take_shares)
    return optimizer


def rate_share(level: int, config: Config) -> float:
    """Return the learning rate of a level over that of the top layer."""
    return float(config["layer_decay"] ** (level - 1) if level else config["head_rate"])


def take_shares(optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
    """Reduce the learning rate of each group to its share, before a step."""
    for group in optimizer.param_groups:
        group["lr"] *= group["rate_share"]
