"""Data: contiguous stretches of a text for training, validation and test.

The bytes of the test stretch are dropped after reading.
"""

from __future__ import annotations

import hashlib
import lzma
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpo_script.experiment.shared import OTHER_DATA, Arch, Config, UnusableError
from hpo_script.families.language.constants import (
    CONTEXT_LENGTH,
    FILE_PATTERN,
    TRAIN_FRACTION,
    TRAIN_SUBSET,
    VAL_BYTES,
    VAL_FRACTION,
)
from hpo_script.families.language.model import GPT
from hpo_script.families.language.n_gram import MAX_ORDER, n_gram_bits
from hpo_script.families.language.text import stretches, text_files, too_small

N_GRAM_BYTES = 2**23  # of training, the last ones, that the n-gram counts
SPLITS = {
    "train_fraction": TRAIN_FRACTION,
    "val_fraction": VAL_FRACTION,
    "train_subset": TRAIN_SUBSET,
    "val_bytes": VAL_BYTES,
}


class Task:
    """Prediction of the next byte of a text from the bytes before it."""

    unit = "step"

    def __init__(self, data_path: str, data_sha256: str | None) -> None:
        self.data_path, self.data_sha256 = data_path, data_sha256

    def load(self, device: torch.device) -> None:
        """Read the text; move training and validation bytes to the device."""
        files, _ = text_files(Path(self.data_path), FILE_PATTERN)
        text = b"\n".join(file.read_bytes() for file in files)
        self.digest = hashlib.sha256(text).hexdigest()
        if self.data_sha256 not in (None, self.digest):
            raise UnusableError(OTHER_DATA.format(self.data_path, self.digest))
        first, _, n_train, n_val = found = stretches(len(text), SPLITS, CONTEXT_LENGTH)
        if fault := too_small(len(text), found, CONTEXT_LENGTH):
            raise UnusableError(f"{self.data_path}: {fault}")
        self.val_text = text[n_train : n_train + n_val + 1]  # with the last target
        self.val = torch.frombuffer(bytearray(self.val_text), dtype=torch.uint8).to(device)
        self.train = torch.frombuffer(bytearray(text[first:n_train]), dtype=torch.uint8).to(device)
        self.windows = self.train.unfold(0, CONTEXT_LENGTH + 1, 1)

    def limit_for_smoke(self) -> dict[str, int]:
        """Keep 16 validation windows; return the parameters of a short training."""
        n_bytes = 16 * CONTEXT_LENGTH + 1
        self.val_text, self.val = self.val_text[:n_bytes], self.val[:n_bytes]
        return {"steps": 2, "eval_interval": 1}

    def describe(self) -> dict[str, Any]:
        """Return digest and sizes."""
        about = {"data": self.data_path, "data_sha256": self.digest}
        return {**about, "train_bytes": len(self.train), "val_bytes": len(self.val) - 1}

    def baselines(self) -> dict[str, dict[str, float]]:
        """Return the bits per byte of an n-gram of the best order, and of two compressors."""
        train, text = self.train[-N_GRAM_BYTES:].cpu().numpy().tobytes(), self.val_text
        bits = n_gram_bits(train, train[1 - MAX_ORDER :] + text)
        sizes = {"zlib": len(zlib.compress(text, 9)), "xz": len(lzma.compress(text, preset=9))}
        found = {"n-gram": min(float(order.mean()) for order in bits)}
        found |= {name: 8 * n / len(text) for name, n in sizes.items()}
        return {name: {"bits_per_byte": value} for name, value in found.items()}

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        return GPT(arch, dropout)

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return n windows of zeros, for the measurement of memory."""
        return torch.zeros(n, CONTEXT_LENGTH, dtype=torch.long, device=device)

    def intervals(self, config: Config) -> Iterator[tuple[int, int]]:
        """Yield the step of each evaluation, and the batches before it since the last one."""
        steps, size = config["steps"], config["eval_interval"]
        starts = range(0, steps, size)
        return ((min(s + size, steps), min(size, steps - s)) for s in starts)

    def training_length(self, config: Config) -> dict[str, int]:
        """Return the length of a training in passes over the text and in bytes."""
        tokens = config["steps"] * config["batch_size"] * CONTEXT_LENGTH
        return {"epochs": math.ceil(tokens / len(self.train)), "tokens": tokens}

    def batches(self, config: Config, n_batches: int, seed: int) -> list[Tensor]:
        """Return the starts of the windows in each batch, drawn with replacement."""
        shape = (n_batches, config["batch_size"])
        generator = torch.Generator().manual_seed(seed)
        starts = torch.randint(len(self.windows), shape, generator=generator)
        return list(starts.to(self.windows.device))

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return windows, and the same windows one byte later, both (batch, tokens)."""
        window = self.windows[indices].long()
        return window[:, :-1], window[:, 1:]

    def loss(self, outputs: Tensor, targets: Tensor, _config: Config) -> Tensor:
        """Return the mean loss in nats per byte."""
        return F.cross_entropy(outputs.float().flatten(0, 1), targets.flatten())

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return loss and bits per byte over the validation bytes, from a model in eval mode."""
        inputs = self.val[:-1].view(-1, CONTEXT_LENGTH).long()
        targets = self.val[1:].view(-1, CONTEXT_LENGTH).long()
        total, hits = 0.0, 0
        for x, y in zip(inputs.split(micro_batch), targets.split(micro_batch), strict=True):
            logits = model(x).float().flatten(0, 1)
            total += float(F.cross_entropy(logits, y.flatten(), reduction="sum").double())
            hits += int((logits.argmax(1) == y.flatten()).sum())
        loss, accuracy = total / targets.numel(), hits / targets.numel()
        return {"val_loss": loss, "bits_per_byte": loss / math.log(2), "accuracy": accuracy}
