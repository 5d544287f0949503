"""Metrics of a binary label, from logits; models return logits, never probabilities."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def auc(scores: Tensor, targets: Tensor) -> float:
    """Return the area under the ROC curve: P(positive above negative), a tie counting one half."""
    _, group, sizes = torch.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = sizes.cumsum(0) - (sizes - 1) / 2  # tied scores share their mean rank
    positive = targets > 0.5
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    above = float(mean_ranks.double()[group][positive].sum()) - n_positive * (n_positive + 1) / 2
    return above / (n_positive * n_negative)


def calibration_error(probabilities: Tensor, targets: Tensor, bins: int = 15) -> float:
    """Return the expected calibration error over equal-width bins (Guo et al. 2017)."""
    index = (probabilities * bins).long().clamp_(max=bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, index, probabilities - targets)
    return float(gaps.abs().sum()) / len(targets)


def log_loss(rate: float, targets: Tensor) -> float:
    """Return the log loss in nats of a constant predicted probability, `rate`."""
    positive = float(targets.double().mean())
    return -(positive * math.log(rate) + (1 - positive) * math.log(1 - rate))


def label_metrics(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Return all metrics of predictions; both tensors have the shape (samples,)."""
    logits, targets = logits.double().cpu(), targets.double().cpu()
    if not torch.isfinite(logits).all():
        return {"val_loss": math.nan}
    probabilities = torch.sigmoid(logits)
    predicted, positive = probabilities >= 0.5, targets > 0.5
    hits = int((predicted & positive).sum())
    recall = hits / int(positive.sum())
    spread = float(probabilities.max() - probabilities.min())
    return {
        "val_loss": float(F.binary_cross_entropy_with_logits(logits, targets)),
        "auc": auc(logits, targets),
        "accuracy": float((predicted == positive).double().mean()),
        "precision": hits / max(int(predicted.sum()), 1),
        "recall": recall,
        "brier": float(((probabilities - targets) ** 2).mean()),
        "ece": calibration_error(probabilities, targets),
        "prediction_range": spread,
        # A model that predicts one value for all samples can still have a low loss.
        "collapsed": spread < 0.2 or recall == 0.0,
    }
