"""Training of one configuration, with evaluations.

Random streams are keyed by (seed, trial, interval, purpose), so that a resumed or repeated trial
draws the same numbers.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hpo_script.experiment.accumulate_mean import accumulate
from hpo_script.experiment.optimizer_and_schedule import learning_rate, make_optimizer
from hpo_script.experiment.shared import Arch, Config
from hpo_script.experiment.task import Task


class DivergedError(Exception):
    """The loss is not finite."""


def stream_seed(seed: int, *key: int | str) -> int:
    """Return the seed (63 bits) of the random stream of a key."""
    digest = hashlib.blake2b(repr((seed, *key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def stops_early(values: Iterable[float], config: Config) -> bool:
    """Return whether `patience` values in a row brought no decrease by more than `min_delta`."""
    best, n_since = math.inf, 0
    for value in values:
        best, n_since = (value, 0) if value < best - config["min_delta"] else (best, n_since + 1)
    return bool(n_since >= config["patience"])


COUNTERS = ("interval", "batch", "step", "samples", "seconds", "losses")


class Training:
    """State of a training, which can be saved after each batch; `key` is (seed, trial)."""

    def __init__(
        self, task: Task, arch: Arch, config: Config, key: tuple[int, int], device: torch.device
    ) -> None:
        self.task, self.config, self.key, self.device = task, config, key, device
        torch.manual_seed(stream_seed(*key, "weights"))
        self.model = task.build_model(arch, config["dropout"]).to(device)
        named = list(self.model.named_parameters())
        matrices = [p for name, p in named if p.ndim > 1 and not name.endswith("positions")]
        others = [p for name, p in named if p.ndim < 2 or name.endswith("positions")]  # no decay
        groups = [{"params": matrices, "weight_decay": config["weight_decay"]}, {"params": others}]
        self.optimizer = make_optimizer(groups, config)
        kind = "cuda" if device.type == "cuda" else "cpu"  # bfloat16 is slower on others
        self.autocast = torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")
        self.streams = torch if device.type == "cpu" else getattr(torch, device.type)
        self.interval, self.batch, self.step = 0, 0, 0  # numbers of each that are finished
        self.samples, self.seconds = 0, 0.0  # of training, without evaluations
        self.losses = torch.zeros((), device=device)  # sum over the interval

    def state(self) -> dict[str, Any]:
        """Return everything that later batches depend on, as tensors and numbers."""
        return {
            **{name: getattr(self, name) for name in COUNTERS},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "stream": self.streams.get_rng_state(),
            "device": self.device.type,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Load a state; on another type of device, dropout draws other numbers than before."""
        for name in COUNTERS:
            setattr(self, name, state[name])
        self.losses = self.losses.to(self.device)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["device"] == self.device.type:
            self.streams.set_rng_state(state["stream"])

    def learn(self, batch: Tensor, rate: float, micro_batch: int) -> None:
        """Take one optimizer step."""
        began = time.monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        with self.autocast:
            self.losses += accumulate(self.model, self.task, batch, self.config, micro_batch)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config["clip_norm"])
        self.optimizer.step()
        self.batch, self.step = self.batch + 1, self.step + 1
        self.samples += len(batch)
        self.seconds += time.monotonic() - began

    def evaluate(self, end: int, micro_batch: int) -> dict[str, Any]:
        """End an interval; return its epoch or step and the metrics. Raises DivergedError."""
        began = time.monotonic()
        train_loss = float(self.losses) / self.batch  # waits until the device is done
        self.seconds += time.monotonic() - began
        self.model.eval()
        with torch.inference_mode(), self.autocast:
            metrics = self.task.evaluate(self.model, micro_batch)
        point = {"train_loss": train_loss, **metrics}
        for name in ("train_loss", "val_loss"):
            if not math.isfinite(point[name]):
                raise DivergedError(f"{name} is {point[name]} at {self.task.unit} {end}")
        self.interval, self.batch = self.interval + 1, 0
        return {self.task.unit: end, **point}


def train(
    training: Training,
    *,
    micro_batch: int,
    after_batch: Callable[[float], None],
    trial_seconds: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Train to the end, or for `trial_seconds`, and yield each evaluation.

    `after_batch` is called with the finished share of the training, from 0 to 1.
    """
    task, config, share = training.task, dict(training.config), 0.0
    total: float = sum(n_batches for _, n_batches in task.intervals(config))
    if trial_seconds:  # below, `total` follows from the speed so far
        config |= {"epochs": sys.maxsize, "steps": sys.maxsize}
    for end, n_batches in itertools.islice(task.intervals(config), training.interval, None):
        if training.batch == 0:
            torch.manual_seed(stream_seed(*training.key, end, "dropout"))
            training.losses = torch.zeros((), device=training.device)
        training.model.train()
        seed = stream_seed(*training.key, end, "batches")
        for batch in task.batches(config, n_batches, seed)[training.batch :]:
            if trial_seconds and training.seconds:
                total = training.step * trial_seconds / training.seconds
            training.learn(batch, learning_rate(training.step, total, config), micro_batch)
            share = training.seconds / trial_seconds if trial_seconds else training.step / total
            after_batch(share)
            if share >= 1:
                break
        yield training.evaluate(end, micro_batch)
        if share >= 1:
            return
