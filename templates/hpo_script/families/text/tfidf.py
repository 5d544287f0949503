"""TF-IDF: a logistic regression on runs of characters, the baseline of text models."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def tfidf(texts: Sequence[str], training: Sequence[int]) -> Tensor:
    """Return the sparse TF-IDF rows of texts, of unit length, from runs of 2 to 4 characters.

    Terms count that stand in at least two of the training texts (scikit-learn's formula).
    """
    documents = []
    for text in texts:
        line = f" {' '.join(text.lower().split())} "
        runs = (line[at : at + n] for n in (2, 3, 4) for at in range(len(line) - n + 1))
        documents.append(Counter(runs))
    counts = Counter(term for row in training for term in documents[row])
    terms = [term for term, n in counts.items() if n > 1]
    column = {term: place for place, term in enumerate(terms)}
    idf = [math.log((1 + len(training)) / (1 + counts[term])) + 1 for term in terms]
    indices, values = [], []
    for row, document in enumerate(documents):
        weights = {
            column[t]: (1 + math.log(n)) * idf[column[t]]
            for t, n in document.items()
            if t in column
        }
        norm = math.hypot(*weights.values()) or 1.0
        indices += [(row, place) for place in weights]
        values += [weight / norm for weight in weights.values()]
    shape = (len(texts), len(terms))
    return torch.sparse_coo_tensor(
        torch.tensor(indices).T, values, shape, check_invariants=False
    ).coalesce()


def fit_softmax(features: Tensor, targets: Tensor, n_labels: int, penalty: float = 1e-5) -> Tensor:
    """Return the weights (terms, labels) of a logistic regression, by L-BFGS."""
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
