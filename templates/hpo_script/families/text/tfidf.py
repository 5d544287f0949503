"""TF-IDF of runs of characters, for the baseline."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
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
