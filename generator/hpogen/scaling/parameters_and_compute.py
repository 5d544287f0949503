"""Sizes of a trial: its parameters in three conventions, its compute and its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hpo_script.experiment.block_parameter_count import block_params
from hpogen.report.words import finite
from recover_trials import Trial

LARGEST = 1e40
BLOCK_AXES = ("d_model", "n_layers", "n_heads", "d_ff")


class Axis(NamedTuple):
    """One way to measure size: its name, its unit, and its value for a trial or None."""

    key: str
    title: str
    size: Callable[[Trial], float | None]


def all_parameters(trial: Trial) -> float | None:
    return attribute("param_count")(trial)


def without_embeddings(trial: Trial) -> float | None:
    """Return the parameters of the transformer blocks, with their biases and norms."""
    return blocks(trial, lambda arch: block_params(arch["d_model"], arch["d_ff"]))


def matrices_only(trial: Trial) -> float | None:
    """Return the entries of the weight matrices of the blocks."""
    return blocks(trial, lambda arch: arch["d_model"] * (4 * arch["d_model"] + 2 * arch["d_ff"]))


def blocks(trial: Trial, count: Callable[[Mapping[str, int]], int]) -> float | None:
    """Return a count over all blocks; None for a model that cannot be made of such blocks."""
    sizes: dict[str, Any] = {axis: trial.user_attrs.get(axis) for axis in BLOCK_AXES}
    if not all(type(size) is int and 0 < size < 10**9 for size in sizes.values()):
        return None
    total = all_parameters(trial)
    everything = sizes["n_layers"] * block_params(sizes["d_model"], sizes["d_ff"])
    if total is None or everything >= total:
        return None
    return float(sizes["n_layers"] * count(sizes))


def attribute(name: str) -> Callable[[Trial], float | None]:
    """Return the reader of an attribute; anything that is no size counts as unknown."""

    def read(trial: Trial) -> float | None:
        value = finite(trial.user_attrs.get(name))
        return value if value and 1e-6 < value < LARGEST else None

    return read


PARAMETERS = Axis("all", "all parameters", all_parameters)
AXES = (
    PARAMETERS,
    Axis("blocks", "without embeddings", without_embeddings),
    Axis("matrices", "matrices only", matrices_only),
    Axis("compute", "training compute (FLOP)", attribute("train_flops")),
    Axis("time", "training time (s)", attribute("train_seconds")),
)
