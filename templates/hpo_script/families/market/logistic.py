"""Logistic regression: the baselines, and the start of the model."""

from __future__ import annotations

import torch
from torch import Tensor


def fit_logistic(features: Tensor, labels: Tensor) -> Tensor:
    """Return the weights of a logistic regression on (samples, features), the bias last.

    Ten steps of Newton's method with a ridge penalty of 1 (Hastie et al. 2009, section 4.4.1).
    """
    x = torch.cat([features, torch.ones_like(features[:, :1])], 1).double()
    weights, ridge = x.new_zeros(x.shape[1]), torch.eye(x.shape[1]).to(x)
    for _ in range(10):
        p = torch.sigmoid(x @ weights)
        curvature = (x.T * (p * (1 - p))) @ x + ridge
        weights = weights + torch.linalg.solve(curvature, x.T @ (labels - p) - weights)
    return weights
