"""Experiment: the constants above as one value, and what the parts below share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple


@dataclass(frozen=True)
class Experiment:
    """What is searched and how; the names are those of the constants."""

    name: str
    study_name: str
    budget: int
    tolerance: float
    horizon: int | None
    task: str
    metric: str
    direction: Literal["minimize", "maximize"]
    n_trials: int
    timeout_hours: float | None
    seed: int
    architectures: Sequence[Mapping[str, int]]
    free_axes: Sequence[str]
    extreme_indices: Mapping[int, str]
    skip_indices: Sequence[int]
    search_space: Mapping[str, Mapping[str, Any]]
    conditions: Mapping[str, Mapping[str, Sequence[Any]]]
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


def check_digest(path: str, digest: str, expected: str | None, about: str) -> None:
    """Refuse data that are not those the script was rendered for."""
    if expected not in (None, digest):
        raise UnusableError(
            f"{path}: sha256 {digest[:12]}… ({about}) is not the data this script was rendered"
            f" for, {expected[:12]}…. Give those by --data, or say --new-data to use these."
        )
