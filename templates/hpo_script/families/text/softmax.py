"""Logistic regression for several classes on sparse features, the baseline of text models."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def fit_softmax(features: Tensor, targets: Tensor, n_labels: int, penalty: float = 1e-5) -> Tensor:
    """Return the weights (features, labels), by L-BFGS."""
    weights = torch.zeros(features.shape[1], n_labels, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = torch.sparse.mm(features, weights)
        total = F.cross_entropy(logits, targets) + penalty * weights.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    return weights.detach()
