"""Experiment: the constants above as one value, and what the parts below share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple


@dataclass(frozen=True)
class Experiment:
    """What is searched and how; the names are those of the constants."""

    name: str
    budget: int
    tolerance: float
    horizon: int | None
    task: str
    metric: str
    direction: Literal["minimize", "maximize"]
    n_trials: int
    seed: int
    architectures: Sequence[Mapping[str, int]]
    free_axes: Sequence[str]
    extreme_indices: Mapping[int, str]
    search_space: Mapping[str, Mapping[str, Any]]
    fixed_params: Mapping[str, Any]
    sampler: Mapping[str, Any]
    pruner: Mapping[str, Any]
    hpogen: str
    spec_sha256: str

    @property
    def sign(self) -> int:
        """Return 1 where lower is better, else -1."""
        return 1 if self.direction == "minimize" else -1


class Round(NamedTuple):
    """Training between two evaluations: a number of batches, and the count reached after them."""

    step: int
    n_batches: int


class UnusableError(Exception):
    """Data, storage or device cannot be used; the message says what, where, and the way out."""
