"""Measures of the test split, for many resamples at once; calibration, and the decision."""

from __future__ import annotations

import numpy as np

SIGNS = {"log loss": -1, "AUC": 1, "Brier score": -1}
DECIDING = {"val_loss": "log loss", "auc": "AUC", "brier": "Brier score"}  # by METRIC


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of logits."""
    return np.exp(-np.logaddexp(0.0, -logits))


def label_measures(
    logits: np.ndarray, labels: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Return log loss, AUC and Brier score per resample; `counts`: (resamples, samples)."""
    total = counts.sum(1)
    losses = np.logaddexp(0.0, logits) - labels * logits
    order = np.argsort(logits, kind="stable")
    ties = np.unique(logits[order], return_index=True)[1]  # the first of equal logits
    drawn, positive = counts[:, order], labels[order]
    positives = np.add.reduceat(drawn * positive, ties, axis=1)
    negatives = np.add.reduceat(drawn * (1 - positive), ties, axis=1)
    below = negatives.cumsum(1) - negatives / 2
    with np.errstate(invalid="ignore"):  # NaN where a resample has one class
        auc = (positives * below).sum(1) / (positives.sum(1) * negatives.sum(1))
    brier = counts @ (sigmoid(logits) - labels) ** 2 / total
    return {"log loss": counts @ losses / total, "AUC": auc, "Brier score": brier}


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the number by which logits are divided for the least log loss (Guo et al. 2017).

    Bisection of the derivative by the inverse temperature; the result lies between 1/20 and 20.
    """
    low, high = np.log(1 / 20), np.log(20)
    for _ in range(50):
        middle = (low + high) / 2
        slope = ((sigmoid(np.exp(middle) * logits) - labels) * logits).mean()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))


def best_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the least probability of a positive decision that gives the highest F1 score."""
    ordered = np.argsort(probabilities, kind="stable")
    thresholds, first = np.unique(probabilities[ordered], return_index=True)
    below = np.concatenate([[0.0], labels[ordered].cumsum()])[first]
    hits, decided = labels.sum() - below, len(labels) - first
    return float(thresholds[np.argmax(2 * hits / (decided + labels.sum()))])


def precision_recall(decisions: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return precision and recall, 0 where nothing is decided positive."""
    hits = float((decisions * labels).sum())
    return hits / max(float(decisions.sum()), 1.0), hits / max(float(labels.sum()), 1.0)


def reliability(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = 15
) -> list[dict[str, float]]:
    """Return, per bin of equal width that has samples, mean prediction and observed rate."""
    places = np.minimum((probabilities * bins).astype(int), bins - 1)
    rows = []
    for place in np.unique(places):
        inside = places == place
        rows.append({
            "from": float(place / bins),
            "to": float((place + 1) / bins),
            "samples": int(inside.sum()),
            "predicted": float(probabilities[inside].mean()),
            "observed": float(labels[inside].mean()),
        })  # fmt: skip
    return rows


def boosted_logits(
    features: np.ndarray, labels: np.ndarray, others: np.ndarray
) -> np.ndarray | None:
    """Return logits of gradient boosting for other rows; None without scikit-learn."""
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError:
        return None
    model = HistGradientBoostingClassifier(random_state=0).fit(features, labels)
    return np.asarray(model.decision_function(others))
