"""Final task: the test stretch of the text, read once after all training.

A score is the mean number of bits per byte of a window.
"""

from __future__ import annotations

import hashlib
import lzma
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch, UnusableError
from hpo_script.families.language.constants import (
    CONTEXT_LENGTH,
    FILE_PATTERN,
    TRAIN_FRACTION,
    VAL_BYTES,
    VAL_FRACTION,
)
from hpo_script.families.language.data import Task
from hpo_script.families.language.model import GPT
from hpo_script.families.language.n_gram import MAX_ORDER, n_gram_bits
from hpo_script.families.language.text import text_files


class FinalTask(Task):
    """The task of the search, with the test stretch."""

    signs: Mapping[str, int] = {"bits per byte": -1}
    deciding = "bits per byte"
    groups = None

    def load(self, device: torch.device) -> None:
        """Read training and validation bytes."""
        super().load(device)
        self.only_training = self.train
        files, _ = text_files(Path(self.data_path), FILE_PATTERN)
        n_bytes = sum(file.stat().st_size for file in files) + len(files) - 1
        self.test_from = math.ceil(n_bytes * (TRAIN_FRACTION + VAL_FRACTION))
        self.n_windows = max(min(n_bytes - self.test_from - 1, VAL_BYTES), 0) // CONTEXT_LENGTH
        if self.n_windows < 100:
            raise UnusableError(
                f"{self.data_path}: {self.n_windows} windows for the test, fewer than 100; give"
                " more text, or smaller fractions to training and validation"
            )

    def train_on(self, validation: bool) -> None:
        """Train on the training bytes, or on those of validation as well."""
        parts = [self.only_training, self.val] if validation else [self.only_training]
        self.train = torch.cat(parts)
        self.windows = self.train.unfold(0, CONTEXT_LENGTH + 1, 1)

    def open_test(self) -> None:
        """Read the test bytes, which nothing else reads. Raises UnusableError."""
        files, _ = text_files(Path(self.data_path), FILE_PATTERN)
        text = b"\n".join(file.read_bytes() for file in files)
        if hashlib.sha256(text).hexdigest() != self.digest:
            raise UnusableError(f"{self.data_path} changed during this run")
        first, n_test = self.test_from, self.n_windows * CONTEXT_LENGTH
        self.before = text[first + 1 - MAX_ORDER : first + 1]  # context of the first target
        self.test = text[first : first + n_test + 1]

    def too_few(self) -> bool:
        """Return False: a text has no classes."""
        return False

    def measures(self, scores: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Return the bits per byte, per resample."""
        return {"bits per byte": counts @ scores / counts.sum(1)}

    def decide(self, model: nn.Module, size: int) -> dict[str, float]:
        """Return nothing: no number of the model is chosen on validation."""
        del model, size
        return {}

    def window_bits(self, model: nn.Module, text: bytes, size: int) -> np.ndarray:
        """Return the bits per byte of each window, from a model in evaluation mode."""
        values = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        inputs, targets = (part.view(-1, CONTEXT_LENGTH) for part in (values[:-1], values[1:]))
        device, found = next(model.parameters()).device, []
        with torch.inference_mode():
            for x, y in zip(inputs.split(size), targets.split(size), strict=True):
                logits = model(x.long().to(device)).float().transpose(1, 2)
                losses = F.cross_entropy(logits, y.long().to(device), reduction="none")
                found.append(losses.double().mean(1).cpu() / math.log(2))
        return torch.cat(found).numpy()

    def test_scores(self, model: nn.Module, about: Mapping[str, Any], size: int) -> np.ndarray:
        """Return the scores of the test windows."""
        del about
        return self.window_bits(model, self.test, size)

    def baseline_scores(self, both: bool) -> tuple[dict[str, np.ndarray], str]:
        """Return the scores of each baseline on the test windows, and the best on validation.

        The order of the n-gram is chosen on validation. A compressor has one number for the whole
        stretch.
        """
        self.train_on(validation=False)
        train = self.train.cpu().numpy().tobytes()
        by_order = n_gram_bits(train, train[1 - MAX_ORDER :] + self.val_text)
        order = int(np.argmin([bits.mean() for bits in by_order]))
        self.train_on(validation=both)
        train = self.train.cpu().numpy().tobytes()
        bits = n_gram_bits(train, self.before + self.test[1:])[order]
        reached = {name: found["bits_per_byte"] for name, found in self.baselines().items()}
        reached["n-gram"] = float(by_order[order].mean())
        sizes = {"zlib": zlib.compress(self.test, 9), "xz": lzma.compress(self.test, preset=9)}
        found = {f"{order + 1}-gram": bits.reshape(-1, CONTEXT_LENGTH).mean(1)}
        for name, packed in sizes.items():
            found[name] = np.full(len(bits) // CONTEXT_LENGTH, 8 * len(packed) / len(self.test))
        best = min(reached, key=lambda name: reached[name])
        return found, f"{order + 1}-gram" if best == "n-gram" else best

    def collapsed(self, scores: np.ndarray, about: Mapping[str, Any]) -> bool:
        """Return whether a byte takes as many bits as without any model."""
        del about
        return bool(scores.mean() >= 8.0)

    def more(self, scores: np.ndarray, about: Mapping[str, Any]) -> dict[str, float]:
        """Return no other results."""
        del scores, about
        return {}

    def table(self, scores: np.ndarray) -> list[dict[str, float]]:
        """Return no table."""
        del scores
        return []

    def test_rows(self, by_fit: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Return the test windows with the bits per byte of each training."""
        starts = np.arange(self.n_windows) * CONTEXT_LENGTH
        return pd.DataFrame({"byte": starts, **by_fit})

    def statistics(self) -> dict[str, Any]:
        """Return the length of a window; bytes need no statistics."""
        return {"context_length": CONTEXT_LENGTH}

    def restore(self, statistics: Mapping[str, Any]) -> None:
        """Take nothing from a file of weights."""

    def empty_model(self, arch: Arch) -> nn.Module:
        """Return a model for weights to be loaded into."""
        return GPT(arch, 0.0)

    def example(self) -> Tensor:
        """Return an input of the model, for an export."""
        return torch.zeros(1, CONTEXT_LENGTH, dtype=torch.long)

    def predict(
        self, path: Path, model: nn.Module, about: Mapping[str, Any], device: torch.device
    ) -> pd.DataFrame:
        """Return the bits per byte of each window of a file. Raises UnusableError."""
        del about, device
        text = path.read_bytes()
        n_windows = (len(text) - 1) // CONTEXT_LENGTH
        if n_windows < 1:
            raise UnusableError(f"{path}: {len(text)} bytes, fewer than a window")
        bits = self.window_bits(model, text[: n_windows * CONTEXT_LENGTH + 1], 64)
        return pd.DataFrame({"byte": np.arange(n_windows) * CONTEXT_LENGTH, "bits_per_byte": bits})
