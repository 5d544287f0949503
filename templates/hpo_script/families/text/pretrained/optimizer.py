"""Optimizer of a trial, with a learning rate by layer: each is lower than the one above it.

Layer-wise decay as in Howard and Ruder 2018 (arXiv:1801.06146).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from hpo_script.experiment.shared import Config
from hpo_script.families.text.optimizers import OPTIMIZERS


def make_optimizer(groups: list[dict[str, Any]], config: Config) -> torch.optim.Optimizer:
    """Return the optimizer of parameter groups, each divided by level; freeze the rest."""
    divided = [part for group in groups for part in by_level(group, config)]
    optimizer = OPTIMIZERS[config["optimizer"]](divided, config)
    optimizer.register_step_pre_hook(take_shares)  # the training sets one rate for all groups
    return optimizer


def by_level(group: Mapping[str, Any], config: Config) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each level with their share of the learning rate; freeze others."""
    levels: dict[int, list[nn.Parameter]] = {}
    for parameter in group["params"]:
        is_trained = getattr(parameter, "trained_from", 0) <= config["trained_layers"]
        parameter.requires_grad_(is_trained)
        if is_trained:
            levels.setdefault(getattr(parameter, "level", 0), []).append(parameter)
    for level, parameters in sorted(levels.items()):
        yield {**group, "params": parameters, "rate_share": rate_share(level, config)}


def rate_share(level: int, config: Config) -> float:
    """Return the learning rate of a level over that of the top layer."""
    return float(config["layer_decay"] ** (level - 1) if level else config["head_rate"])


def take_shares(optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
    """Reduce the learning rate of each group to its share, before a step."""
    for group in optimizer.param_groups:
        group["lr"] *= group["rate_share"]
