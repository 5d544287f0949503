"""Specification: every value that a script depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from hpo_script.experiment.arch_space import ArchSpace
from hpogen.budget import Architecture, format_budget, nearest_budgets, within_budget
from hpogen.config import Bound, Entry, Number, Scalar, Skipped
from hpogen.errors import UsageError
from hpogen.extremes import extreme_indices
from hpogen.families import find_family
from hpogen.families.family import Family
from hpogen.grid_filters import fits, skip_indices
from hpogen.samplers import PrunerArguments, SamplerArguments, Strict


class Spec(Strict):
    """A script's specification; equal specifications render equal bytes."""

    name: str
    study_name: str
    task: str
    budget: int
    horizon: int | None
    tolerance: float
    n_trials: int
    timeout_hours: Number | None
    seed: int
    storage: str | None
    metric: str
    options: dict[str, str]
    sections: list[str]
    constants: dict[str, Any]
    architecture: dict[str, list[Number]]
    where: dict[str, Bound]
    skip: list[Skipped]
    max_memory_gb: Number | None
    search: dict[str, Entry]
    fixed: dict[str, Scalar]
    sampler: SamplerArguments
    pruner: PrunerArguments

    @property
    def family(self) -> Family:
        """Return the family of the task."""
        return find_family(self.task)

    @property
    def used(self) -> dict[str, list[str]]:
        """Return the options and the values of switches that are in use."""
        found = {name: [choice] for name, choice in self.options.items()}
        for name in self.family.switches:
            entry = self.search.get(name)
            values = [self.fixed.get(name)] if entry is None else getattr(entry, "choices", [])
            found[name] = [str(value) for value in values]
        return found

    def to_json(self) -> str:
        """Return the specification as one line of JSON without white space."""
        text = json.dumps(self.model_dump(), separators=(",", ":"))
        return text.replace(" ", "\\u0020")  # only strings have any

    def sha256(self) -> str:
        """Return the digest of the specification."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def count(self, arch: Mapping[str, int]) -> int:
        """Return the number of parameters of an architecture."""
        return self.family.count_params(arch, self.constants, self.options)

    def sample_bytes(self, arch: Mapping[str, int]) -> int:
        """Return an estimate of what one sample keeps for the backward pass, in fp32."""
        return self.family.sample_bytes(arch, self.constants, self.options)

    @cached_property
    def candidates(self) -> list[Architecture]:
        """Return the whole space within the bounds, whatever its parameter counts."""
        rows = self.family.candidates(self.architecture)
        return [{**row, "params": self.count(row)} for row in rows if fits(row, self.where)]

    @cached_property
    def architectures(self) -> list[Architecture]:
        """Return the architectures within the budget, those that are never tried among them.

        Raises UsageError when there are not two to choose between.
        """
        found = within_budget(self.candidates, budget=self.budget, tolerance=self.tolerance)
        if len(found) < 2:
            counts = [row["params"] for row in self.candidates]
            near = ", ".join(f"{n:,}" for n in nearest_budgets(counts, self.budget))
            raise UsageError(
                f"budget {format_budget(self.budget)} ± {self.tolerance:.0%}: {len(found)}"
                " architectures fit, a search needs two; the nearest parameter counts are"
                f" {near or 'none: no architecture is within the bounds'}"
            )
        return found

    @cached_property
    def skipped(self) -> list[int]:
        """Return the rows that are never tried.

        Raises UsageError when not two are left to choose between.
        """
        found = set(skip_indices(self.architectures, self.skip))
        if self.max_memory_gb is not None:
            found |= {
                arch_idx
                for arch_idx, row in enumerate(self.architectures)
                if 16 * row["params"] + self.sample_bytes(row) > self.max_memory_gb * 1e9
            }
        if len(self.architectures) - len(found) < 2:
            least = min(16 * row["params"] + self.sample_bytes(row) for row in self.architectures)
            raise UsageError(
                f"skip and max_memory_gb leave {len(self.architectures) - len(found)} of"
                f" {len(self.architectures)} architectures, a search needs two; the smallest needs"
                f" {least / 1e9:.2f} GB"
            )
        return sorted(found)

    @cached_property
    def extremes(self) -> dict[int, str]:
        """Return {arch_idx: the ends it stands for} of the architectures that are tried first."""
        return extreme_indices(self.architectures, self.family.extreme_axes, skip=self.skipped)

    def space(self) -> ArchSpace:
        """Return the architectures as the sampler sees them."""
        return ArchSpace(self.architectures, self.family.free_axes, self.skipped)
