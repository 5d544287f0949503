"""Specification: the resolved values of a script."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from hpo_script.experiment.arch_space import ArchSpace
from hpogen.configuration.samplers import PrunerArguments, SamplerArguments, Strict
from hpogen.configuration.yaml_keys import Bound, Entry, Number, Scalar, Skipped
from hpogen.errors import UsageError
from hpogen.families import find_family
from hpogen.families.family import Family
from hpogen.grid.budget import format_budget
from hpogen.grid.budget_filter import Architecture, nearest_budgets, within_budget
from hpogen.grid.extremes import extreme_indices
from hpogen.grid.memory_estimate import memory_bytes, too_large
from hpogen.grid.where_and_skip import fits, skip_indices

FEWEST_TRIALS = 10  # of a study that reruns its best trials, as in the script


class Spec(Strict):
    """All values that a script depends on; equal specifications render equal bytes."""

    name: str
    study_name: str
    task: str
    budget: int
    horizon: int | None
    tolerance: float
    n_trials: int
    n_noise: int
    n_confirm: int
    timeout_hours: Number | None
    seed: int
    seeds: list[int] = Field(default=[])  # empty: one training per trial
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
    warm_start: list[dict[str, Scalar]] = Field(default=[])
    second_metric: str | None = None

    @property
    def family(self) -> Family:
        """Return the family of the task, in the form that the constants choose."""
        return find_family(self.task).form(self.constants)

    @model_serializer(mode="wrap")
    def without_second_metric(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the fields, without `second_metric` if it is None: scripts stay as they were."""
        fields: dict[str, Any] = handler(self)
        if self.second_metric is None:
            del fields["second_metric"]
        return fields

    @property
    def n_objectives(self) -> int:
        """Return 2 if the study has a second metric, else 1."""
        return 1 if self.second_metric is None else 2

    @property
    def n_reruns(self) -> int:
        """Return the number of trials at the end that run the best ones again."""
        return self.n_noise + self.n_confirm if self.n_trials >= FEWEST_TRIALS else 0

    @property
    def used(self) -> dict[str, list[str]]:
        """Return {name: values in use} of the options and switches."""
        used = {name: [choice] for name, choice in self.options.items()}
        for name in self.family.switches:
            entry = self.search.get(name)
            values = [self.fixed.get(name)] if entry is None else getattr(entry, "choices", [])
            used[name] = [str(value) for value in values]
        return used

    def to_json(self) -> str:
        """Return the specification as one line of JSON without white space."""
        text = json.dumps(self.model_dump(), separators=(",", ":"))
        return text.replace(" ", "\\u0020")  # spaces occur in strings only

    def sha256(self) -> str:
        """Return the digest of the specification."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def count(self, arch: Mapping[str, int]) -> int:
        """Return the number of parameters of an architecture."""
        return self.family.count_params(arch, self.constants, self.options)

    def sample_bytes(self, arch: Mapping[str, int]) -> int:
        """Return an estimate of the bytes that one sample keeps for the backward pass, in fp32."""
        return self.family.sample_bytes(arch, self.constants, self.options)

    def memory_bytes(self, arch: Architecture) -> int:
        """Return an estimate of the bytes that training needs at batch size 1, in fp32."""
        return memory_bytes(arch["params"], self.sample_bytes(arch))

    @cached_property
    def candidates(self) -> list[Architecture]:
        """Return all combinations of the axes within `where`, with any parameter count."""
        rows = self.family.candidates(self.architecture)
        return [{**row, "params": self.count(row)} for row in rows if fits(row, self.where)]

    @cached_property
    def architectures(self) -> list[Architecture]:
        """Return the architectures within the budget, including skipped ones.

        Raises UsageError if fewer than two fit the budget.
        """
        rows = within_budget(self.candidates, budget=self.budget, tolerance=self.tolerance)
        if len(rows) >= 2:
            return rows
        counts = [row["params"] for row in self.candidates]
        nearest = ", ".join(f"{n:,}" for n in nearest_budgets(counts, self.budget))
        problem = (
            f"budget {format_budget(self.budget)} ± {self.tolerance:.0%} fits {len(rows)}"
            " architectures, and a search needs two"
        )
        if not nearest:
            raise UsageError(f"{problem}; widen the ranges of architecture.where, which fit none")
        raise UsageError(
            f"{problem}; the nearest parameter counts are {nearest}. Change the budget, raise"
            " tolerance or give the axes below architecture more values"
        )

    @cached_property
    def skipped(self) -> list[int]:
        """Return the rows of `architectures` that no trial uses.

        Raises UsageError if fewer than two architectures remain.
        """
        rows = self.architectures
        sizes = [self.memory_bytes(row) for row in rows]
        skipped = {*skip_indices(rows, self.skip), *too_large(sizes, self.max_memory_gb)}
        if (n_left := len(rows) - len(skipped)) < 2:
            least = min(sizes)
            raise UsageError(
                f"architecture.skip and architecture.max_memory_gb leave {n_left} of {len(rows)}"
                f" architectures, and a search needs two; the smallest needs {least / 1e9:.2f} GB"
            )
        return sorted(skipped)

    @cached_property
    def extremes(self) -> dict[int, str]:
        """Return {arch_idx: names of its extremes} of the architectures that are tried first."""
        return extreme_indices(self.architectures, self.family.extreme_axes, skip=self.skipped)

    def space(self) -> ArchSpace:
        """Return the search space of the architectures for the sampler."""
        return ArchSpace(self.architectures, self.family.free_axes, self.skipped)
