"""Measures on the test split, per resample of its texts."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

DECIDING = {"macro_f1": "macro F1", "accuracy": "accuracy", "val_loss": "log loss"}
SIGNS = {"macro F1": 1, "accuracy": 1, "log loss": -1}


def label_measures(
    scores: np.ndarray, labels: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the measures of log-probabilities (texts, labels), per resample.

    `counts`: how often each text is in each resample, (resamples, texts).
    """
    every = np.arange(scores.shape[1])
    found, present = scores.argmax(1)[:, None] == every, labels[:, None] == every
    hits = counts @ (found & present)
    total = counts @ found + counts @ present
    n = counts.sum(1)
    f1 = np.where(total > 0, 2 * hits / np.maximum(total, 1), np.nan)
    return {
        "macro F1": np.nanmean(f1, 1),  # of the labels that a resample has or a model predicts
        "accuracy": hits.sum(1) / n,
        "log loss": -(counts @ scores[np.arange(len(labels)), labels]) / n,
    }


def best_temperature(logits: Tensor, targets: Tensor) -> float:
    """Return the divisor of logits with the lowest log loss (Guo et al. 2017)."""
    values = np.geomspace(0.1, 10, 201).tolist()
    losses = [float(F.cross_entropy(logits.double() / value, targets)) for value in values]
    return float(values[int(np.argmin(losses))])


def log_probabilities(logits: Tensor, temperature: float) -> np.ndarray:
    """Return the log-probabilities of labels."""
    return torch.log_softmax(logits.double() / temperature, 1).numpy()
