"""Verdict: one sentence of a closed list."""

from __future__ import annotations

from hpo_script.final.bootstrap import Gain

COLLAPSED = "collapsed"
TOO_FEW = "too few positives"


def verdict_of(gain: Gain) -> str:
    """Return what the interval of a gain says: it lies above 0, below 0, or around 0."""
    if gain.low > 0:
        return f"beats {gain.baseline} by {gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]"
    if gain.high < 0:
        return f"loses to {gain.baseline}"
    return f"within noise of {gain.baseline}"
