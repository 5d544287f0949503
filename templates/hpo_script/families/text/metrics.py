"""Metrics of labels, from logits; models return logits, never probabilities."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def macro_f1(predicted: Tensor, targets: Tensor, n_labels: int) -> float:
    """Return the mean F1 of the labels that are present or predicted."""
    scores = []
    for label in range(n_labels):
        hits = int(((predicted == label) & (targets == label)).sum())
        total = int((predicted == label).sum()) + int((targets == label).sum())
        if total:
            scores.append(2 * hits / total)
    return sum(scores) / len(scores)


def calibration_error(confidence: Tensor, right: Tensor, bins: int = 15) -> float:
    """Return the expected calibration error over equal-width bins (Guo et al. 2017)."""
    index = (confidence * bins).long().clamp_(max=bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, index, confidence - right)
    return float(gaps.abs().sum()) / len(right)


def class_metrics(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Return all metrics of predictions, from logits (samples, labels)."""
    logits, targets = logits.double().cpu(), targets.cpu()
    if not torch.isfinite(logits).all():
        return {"val_loss": math.nan}
    confidence, predicted = logits.softmax(1).max(1)
    right, n_labels = (predicted == targets).double(), logits.shape[1]
    recalls = [float(right[targets == label].mean()) for label in targets.unique()]
    return {
        "macro_f1": macro_f1(predicted, targets, n_labels),
        "val_loss": float(F.cross_entropy(logits, targets)),
        "accuracy": float(right.mean()),
        "lowest_recall": min(recalls),
        "ece": calibration_error(confidence, right),
        "collapsed": len(predicted.unique()) == 1,
    }
