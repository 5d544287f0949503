"""Training: one configuration, evaluated along the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn

from hpo_script.accumulate_mean import accumulate
from hpo_script.device import mixed_precision
from hpo_script.experiment import Arch, Config
from hpo_script.streams import stream_seed
from hpo_script.task import Task


class DivergedError(Exception):
    """The loss is no longer a number."""


def make_optimizer(model: nn.Module, config: Config) -> torch.optim.AdamW:
    """Return AdamW; norms, biases, positions and input scales are not decayed."""
    named = dict(model.named_parameters())
    matrices = [n for n, p in named.items() if p.ndim > 1 and not n.endswith("positions")]
    groups = [
        {"params": [named[n] for n in matrices], "weight_decay": config["weight_decay"]},
        {"params": [p for n, p in named.items() if n not in matrices], "weight_decay": 0.0},
    ]
    betas = (config["beta1"], config["beta2"])
    return torch.optim.AdamW(groups, lr=config["learning_rate"], betas=betas)


def learning_rate(step: int, total: int, config: Config) -> float:
    """Return the rate of an optimizer step (from 0): linear warm-up, then half a cosine."""
    peak, warmup = config["learning_rate"], config["warmup_steps"]
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    done = (step - warmup) / max(total - warmup, 1)
    floor = config["min_lr_ratio"]
    return float(peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))))


def since_last_gain(values: Iterable[float], min_delta: float) -> int:
    """Return how many values, lower being better, follow the last gain above `min_delta`."""
    mark, waited = math.inf, 0
    for value in values:
        mark, waited = (value, 0) if value < mark - min_delta else (mark, waited + 1)
    return waited


def train(
    task: Task,
    arch: Arch,
    config: Config,
    *,
    key: tuple[int, int],
    device: torch.device,
    micro_batch: int,
    progress: Callable[[float], None],
) -> Iterator[dict[str, Any]]:
    """Train one configuration; yield each evaluation: the count reached, then its metrics.

    `key` (seed, trial) names its random streams. Raises DivergedError when a loss is not finite.
    """
    torch.manual_seed(stream_seed(*key, "weights"))
    model = task.build_model(arch, config["dropout"]).to(device)
    optimizer = make_optimizer(model, config)
    rounds = task.rounds(config)
    total = sum(item.n_batches for item in rounds)
    step = 0
    for index, item in enumerate(rounds):
        model.train()
        batches = task.batches(config, index, stream_seed(*key, item.step, "batches"))
        torch.manual_seed(stream_seed(*key, item.step, "dropout"))
        losses = torch.zeros((), device=device)
        for batch in batches:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, total, config)
            optimizer.zero_grad(set_to_none=True)
            with mixed_precision(device):
                losses += accumulate(model, task, batch, config=config, micro_batch=micro_batch)
            nn.utils.clip_grad_norm_(model.parameters(), config["clip_norm"])
            optimizer.step()
            step += 1
            progress(step / total)
        train_loss = float(losses) / len(batches)
        model.eval()
        with torch.inference_mode(), mixed_precision(device):
            metrics = task.evaluate(model, micro_batch)
        for name, value in (("train_loss", train_loss), ("val_loss", metrics["val_loss"])):
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value} at {task.unit} {item.step}")
        yield {task.unit: item.step, "train_loss": train_loss, **metrics}
