"""Label baselines: the shares of the labels alone, and a regression on TF-IDF."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hpo_script.families.text.softmax import fit_softmax
from hpo_script.families.text.tfidf import tfidf


def label_logits(
    train: Sequence[str], targets: Tensor, asked: Sequence[str], n_labels: int
) -> dict[str, Tensor]:
    """Return the logits of the texts `asked`, from baselines fitted to the training texts."""
    shares = torch.bincount(targets, minlength=n_labels).clamp(min=1) / len(targets)  # --smoke
    features = tfidf([*train, *asked], range(len(train)))
    learnt, rest = torch.arange(len(train)), torch.arange(len(train), features.shape[0])
    weights = fit_softmax(features.index_select(0, learnt), targets, n_labels)
    return {
        "majority label": shares.log().expand(len(asked), -1),
        "TF-IDF": torch.sparse.mm(features.index_select(0, rest), weights),
    }


def label_weights(targets: Tensor, n_labels: int, balance: float) -> Tensor:
    """Return a weight per label for the loss; `balance` 1 gives all labels the same weight."""
    counts = torch.bincount(targets, minlength=n_labels)
    return (len(targets) / (n_labels * counts.clamp(min=1))) ** balance
