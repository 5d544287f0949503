"""Training: one configuration, evaluated along the way.

Random streams are keyed by (seed, trial, interval, purpose): a resumed or repeated trial draws
the same numbers.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from hpo_script.experiment.accumulate_mean import accumulate
from hpo_script.experiment.shared import Arch, Config
from hpo_script.experiment.task import Task


class DivergedError(Exception):
    """The loss is not finite."""


def stream_seed(seed: int, *key: int | str) -> int:
    """Return the seed (63 bits) of the random stream of a key."""
    digest = hashlib.blake2b(repr((seed, *key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return bfloat16 autocast on CUDA; elsewhere it is slower than float32 or missing."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


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


def learning_rate(step: int, total: float, config: Config) -> float:
    """Return the rate of an optimizer step (from 0): linear warm-up, then half a cosine."""
    peak, warmup = config["learning_rate"], config["warmup_steps"]
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    done = (step - warmup) / max(total - warmup, 1)
    floor = config["min_lr_ratio"]
    return float(peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(done, 1)))))


def evals_without_gain(values: Iterable[float], min_delta: float) -> int:
    """Return how many values, lower being better, follow the last gain above `min_delta`."""
    best, waited = math.inf, 0
    for value in values:
        best, waited = (value, 0) if value < best - min_delta else (best, waited + 1)
    return waited


class Training:
    """A model in training, which can be saved after any batch and restored."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device):
        self.model, self.optimizer, self.device = model, optimizer, device
        self.streams = torch if device.type == "cpu" else getattr(torch, device.type)
        self.interval, self.batch, self.step = 0, 0, 0  # how many of each are done
        self.samples, self.seconds = 0, 0.0  # trained so far; evaluations apart
        self.losses = torch.zeros((), device=device)  # summed over the interval

    def state(self) -> dict[str, Any]:
        """Return everything that the next batches depend on, as tensors and numbers."""
        counters = ("interval", "batch", "step", "samples", "seconds", "losses")
        return {
            **{name: getattr(self, name) for name in counters},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "stream": self.streams.get_rng_state(),
            "device": self.device.type,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state; on another kind of device, dropout draws other numbers."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("interval", "batch", "step", "samples", "seconds"):
            setattr(self, name, state[name])
        self.losses = state["losses"].to(self.device)
        if state["device"] == self.device.type:
            self.streams.set_rng_state(state["stream"])


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
    trial_seconds: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Train one configuration; yield each evaluation: the epoch or step, then the metrics.

    `key` is (seed, trial). `after_batch` gets the training and the share that is done; `resume`
    is a state of it. With `trial_seconds`, training time ends a trial instead of its schedule.
    Raises DivergedError when a loss is not finite.
    """
    torch.manual_seed(stream_seed(*key, "weights"))
    model = task.build_model(arch, config["dropout"]).to(device)
    optimizer = make_optimizer(model, config)
    training = Training(model, optimizer, device)
    if resume:
        training.restore(resume)
    if trial_seconds:
        config = {**config, "epochs": sys.maxsize, "steps": sys.maxsize}
    total: float = 0 if trial_seconds else sum(item.n_batches for item in task.intervals(config))
    for interval in itertools.islice(task.intervals(config), training.interval, None):
        batches = task.batches(config, interval, stream_seed(*key, interval.step, "batches"))
        model.train()
        if training.batch == 0:
            torch.manual_seed(stream_seed(*key, interval.step, "dropout"))
            training.losses = torch.zeros((), device=device)
        for batch in batches[training.batch :]:
            began = time.monotonic()
            if trial_seconds and training.seconds:
                total = training.step * trial_seconds / training.seconds
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(training.step, total, config)
            optimizer.zero_grad(set_to_none=True)
            with mixed_precision(device):
                loss = accumulate(model, task, batch, config=config, micro_batch=micro_batch)
            training.losses += loss
            nn.utils.clip_grad_norm_(model.parameters(), config["clip_norm"])
            optimizer.step()
            training.step += 1
            training.batch += 1
            training.samples += len(batch)
            training.seconds += time.monotonic() - began
            share = training.seconds / trial_seconds if trial_seconds else training.step / total
            after_batch(training, share)
            if share >= 1:
                break
        train_loss = float(training.losses) / training.batch
        model.eval()
        with torch.inference_mode(), mixed_precision(device):
            metrics = task.evaluate(model, micro_batch)
        for name, value in (("train_loss", train_loss), ("val_loss", metrics["val_loss"])):
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value} at {task.unit} {interval.step}")
        training.interval, training.batch = training.interval + 1, 0
        yield {task.unit: interval.step, "train_loss": train_loss, **metrics}
        if share >= 1:
            return
