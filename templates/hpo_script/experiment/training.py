"""Training: one configuration, evaluated along the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
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


class Training:
    """A model in training, which can be put away after any batch and taken up again."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device):
        self.model, self.optimizer, self.device = model, optimizer, device
        self.streams = torch if device.type == "cpu" else getattr(torch, device.type)
        self.round, self.batch = 0, 0  # the round, and how many of its batches are done
        self.losses = torch.zeros((), device=device)  # their sum

    def state(self) -> dict[str, Any]:
        """Return everything that the batches to come depend on, as tensors and numbers."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "round": self.round,
            "batch": self.batch,
            "losses": self.losses,
            "stream": self.streams.get_rng_state(),
            "device": self.device.type,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was taken; on another kind of device, dropout draws anew."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.round, self.batch = state["round"], state["batch"]
        self.losses = state["losses"].to(self.device)
        if state["device"] == self.device.type:
            self.streams.set_rng_state(state["stream"])

    def begin_round(self, seed: int) -> None:
        """Begin a round, unless it was taken up within."""
        self.model.train()
        if self.batch == 0:
            torch.manual_seed(seed)
            self.losses = torch.zeros((), device=self.device)


def train(
    task: Task,
    arch: Arch,
    config: Config,
    *,
    key: tuple[int, int],
    device: torch.device,
    micro_batch: int,
    after_batch: Callable[[Training, float], None],
    resume: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Train one configuration; yield each evaluation: the count reached, then its metrics.

    `key` (seed, trial) names its random streams. `after_batch` is given the training and the share
    that is done; `resume` is a state of it. Raises DivergedError when a loss is not finite.
    """
    torch.manual_seed(stream_seed(*key, "weights"))
    model = task.build_model(arch, config["dropout"]).to(device)
    optimizer = make_optimizer(model, config)
    training = Training(model, optimizer, device)
    if resume:
        training.restore(resume)
    rounds = task.rounds(config)
    total = sum(item.n_batches for item in rounds)
    step = sum(item.n_batches for item in rounds[: training.round]) + training.batch
    for item in rounds[training.round :]:
        batches = task.batches(config, training.round, stream_seed(*key, item.step, "batches"))
        training.begin_round(stream_seed(*key, item.step, "dropout"))
        for batch in batches[training.batch :]:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, total, config)
            optimizer.zero_grad(set_to_none=True)
            with mixed_precision(device):
                loss = accumulate(model, task, batch, config=config, micro_batch=micro_batch)
            training.losses += loss
            nn.utils.clip_grad_norm_(model.parameters(), config["clip_norm"])
            optimizer.step()
            step += 1
            training.batch += 1
            after_batch(training, step / total)
        train_loss = float(training.losses) / len(batches)
        model.eval()
        with torch.inference_mode(), mixed_precision(device):
            metrics = task.evaluate(model, micro_batch)
        for name, value in (("train_loss", train_loss), ("val_loss", metrics["val_loss"])):
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value} at {task.unit} {item.step}")
        training.round, training.batch = training.round + 1, 0
        yield {task.unit: item.step, "train_loss": train_loss, **metrics}
