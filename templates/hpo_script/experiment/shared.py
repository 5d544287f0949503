"""Experiment: the constants above as one value, and what the parts below share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from hpo_script.arch_space import ArchSpace

Arch = Mapping[str, int]  # a row of ARCHITECTURES
Config = Mapping[str, Any]  # every parameter of a trial, searched or not
Curve = list[dict[str, Any]]  # evaluations, each with what it counts and its metrics
Table = Mapping[str, Any]  # a type of Optuna and its arguments


@dataclass(frozen=True)
class Experiment:
    """What is searched and how; the names are those of the constants."""

    name: str
    study_name: str
    budget: int
    tolerance: float
    task: str
    metric: str
    direction: Literal["minimize", "maximize"]
    n_trials: int
    timeout_hours: float | None
    seed: int
    architectures: Sequence[Arch]
    free_axes: Sequence[str]
    extreme_indices: Mapping[int, str]
    skip_indices: Sequence[int]
    search_space: Mapping[str, Table]
    conditions: Mapping[str, Mapping[str, Sequence[Any]]]
    fixed_params: Config
    sampler: Table
    pruner: Table
    hpogen: str
    spec_sha256: str
    horizon: int | None = None  # only some tasks have one

    @property
    def sign(self) -> int:
        """Return 1 where lower is better, else -1."""
        return 1 if self.direction == "minimize" else -1

    @property
    def space(self) -> ArchSpace:
        """Return the architectures as the sampler sees them."""
        return ArchSpace(self.architectures, free_axes=self.free_axes, skip=self.skip_indices)

    @property
    def searched(self) -> dict[str, Table]:
        """Return every searched parameter: the architecture's, then those of SEARCH_SPACE."""
        sizes = self.space.sizes().items()
        indices = {name: {"type": "int", "low": 0, "high": size - 1} for name, size in sizes}
        return {**indices, **self.search_space}


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
