"""Data: the bytes of a text file, or of all files of a folder in the order of their names.

Training, validation and test are contiguous stretches; the bytes of the test stretch are dropped
on reading.
"""

from __future__ import annotations

import hashlib
import lzma
import math
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpo_script.experiment import Arch, Config, Round, UnusableError, check_digest
from hpo_script.gpt.model import GPT


def read_text(path: Path, pattern: str) -> bytes:
    """Return the bytes of a file, or of a folder's files that match the pattern."""
    if path.is_file():
        return path.read_bytes()
    files = sorted(file for file in path.glob(pattern) if file.is_file())
    if not files:
        raise UnusableError(
            f"{path}: no such file, or no file {pattern} in it. Give any text file or folder by"
            " --data; `hpogen demo-data stdlib` writes the sources of Python's standard library."
        )
    return b"\n".join(file.read_bytes() for file in files)


@dataclass
class Task:
    """The next byte of a text, predicted from the bytes before it."""

    unit: ClassVar[str] = "step"
    data_path: str
    data_sha256: str | None
    file_pattern: str
    train_fraction: float
    val_fraction: float
    train_subset: float
    val_bytes: int
    context_length: int

    def load(self, device: torch.device) -> None:
        """Read the text; keep training and validation bytes on the device."""
        text = read_text(Path(self.data_path), self.file_pattern)
        self.digest = hashlib.sha256(text).hexdigest()
        check_digest(self.data_path, self.digest, self.data_sha256, f"{len(text):,} bytes")
        n_train = int(len(text) * self.train_fraction)
        first = n_train - int(n_train * self.train_subset)
        n_bytes = min(int(len(text) * self.val_fraction), self.val_bytes + 1)
        n_windows = (n_bytes - 1) // self.context_length  # one byte more is the last target
        n_val = n_windows * self.context_length
        if n_val < 100 * self.context_length or n_train - first < 100 * self.context_length:
            raise UnusableError(
                f"{self.data_path}: {len(text):,} bytes leave {n_train - first:,} for training and"
                f" {n_val:,} for validation; at least {100 * self.context_length:,} of each are"
                " needed. Use more text."
            )
        self.train = torch.frombuffer(bytearray(text[first:n_train]), dtype=torch.uint8).to(device)
        self.val_text = text[n_train : n_train + n_val + 1]
        self.val = torch.frombuffer(bytearray(self.val_text), dtype=torch.uint8).to(device)
        self.windows = self.train.unfold(0, self.context_length + 1, 1)

    def shrink(self) -> dict[str, int]:
        """Keep 16 validation windows, for --smoke; return the parameters of a short training."""
        n_bytes = 16 * self.context_length + 1
        self.val_text, self.val = self.val_text[:n_bytes], self.val[:n_bytes]
        return {"steps": 2, "eval_interval": 1}

    def settings(self) -> dict[str, Any]:
        """Return the constants that trials must share to be compared; not where the data are."""
        apart = ("data_path", "data_sha256")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in apart}

    def describe(self) -> dict[str, Any]:
        """Return digest, sizes, and what to beat: two compressors on the validation bytes."""
        n_bits = 8 / len(self.val_text)
        return {
            "data": self.data_path,
            "data_sha256": self.digest,
            "train_bytes": len(self.train),
            "val_bytes": len(self.val) - 1,
            "zlib_bits_per_byte": len(zlib.compress(self.val_text, 9)) * n_bits,
            "xz_bits_per_byte": len(lzma.compress(self.val_text, preset=9)) * n_bits,
        }

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        """Return an untrained model."""
        return GPT(arch, dropout, context_length=self.context_length)

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return n windows, for measuring memory."""
        return torch.zeros(n, self.context_length, dtype=torch.long, device=device)

    def rounds(self, config: Config) -> list[Round]:
        """Return one round per evaluation interval; the last may be shorter."""
        steps, interval = config["steps"], config["eval_interval"]
        ends = [*range(interval, steps, interval), steps]
        return [Round(end, end - start) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def amounts(self, config: Config) -> dict[str, int]:
        """Return how much is trained: passes over the text, and bytes."""
        tokens = config["steps"] * config["batch_size"] * self.context_length
        return {"epochs": math.ceil(tokens / len(self.train)), "tokens": tokens}

    def batches(self, config: Config, index: int, seed: int) -> list[Tensor]:
        """Return where the windows of each batch start, drawn with replacement."""
        shape = (self.rounds(config)[index].n_batches, config["batch_size"])
        generator = torch.Generator().manual_seed(seed)
        starts = torch.randint(len(self.windows), shape, generator=generator)
        return list(starts.to(self.windows.device))

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return windows and the same windows one byte later, both (batch, tokens)."""
        window = self.windows[indices].long()
        return window[:, :-1], window[:, 1:]

    def loss(self, outputs: Tensor, targets: Tensor, config: Config) -> Tensor:
        """Return the mean loss in nats per byte."""
        del config
        return F.cross_entropy(outputs.float().flatten(0, 1), targets.flatten())

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return loss and bits per byte over the validation bytes, from a model in eval mode."""
        inputs = self.val[:-1].view(-1, self.context_length).long()
        targets = self.val[1:].view(-1, self.context_length).long()
        total, hits = 0.0, 0
        for x, y in zip(inputs.split(micro_batch), targets.split(micro_batch), strict=True):
            logits = model(x).float().flatten(0, 1)
            total += float(F.cross_entropy(logits, y.flatten(), reduction="sum").double())
            hits += int((logits.argmax(1) == y.flatten()).sum())
        loss = total / targets.numel()
        return {
            "val_loss": loss,
            "bits_per_byte": loss / math.log(2),
            "accuracy": hits / targets.numel(),
        }
