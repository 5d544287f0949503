"""Stages of a plan: their keys, and the rules that a list of stages must keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from hpogen.configuration.samplers import Strict
from hpogen.configuration.yaml_file import Problem

TOP, PAD, SEEDS = 12, 0.1, 5  # as of `hpogen render`
# Keys of the other kind, by kind of stage.
OTHER = {"final": ("n_trials", "pad"), "search": ("seeds", "train_on")}


class Stage(Strict):
    """A study that begins where the one before has ended, or the final script at the end."""

    kind: Literal["search", "final"] = Field(
        default="search", description="`final`: train the best of the stage before, evaluate once"
    )
    n_trials: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Total number of trials of a search, instead of `study.n_trials`"
    )
    top: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None,
        description="Number of best configurations of the stage before: those that span the space"
        " of a search (default: 12), or that a final script trains (default: 1)",
    )
    pad: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="Share of its former width by which a range of floats is widened (default:"
        " 0.1)",
    )
    seeds: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="Trainings of each configuration of a final script (default: 5)"
    )
    train_on: Literal["train", "train+validation"] | None = Field(
        default=None, description="Splits that a final script trains on (default: `train`)"
    )

    @property
    def is_final(self) -> bool:
        """Return whether its script is a final one."""
        return self.kind == "final"

    @property
    def n_trainings(self) -> int:
        """Return the number of trials, or of the trainings of a final script."""
        return (self.top or 1) * (self.seeds or SEEDS) if self.is_final else self.n_trials or 0


def stage_problems(stages: Sequence[Stage]) -> Iterator[Problem]:
    """Yield the problems of a list of stages."""
    for index, stage in enumerate(stages):
        for name, message in key_problems(stage, is_first=index == 0):
            yield ("stages", index, name), message
        if stage.is_final and index == 0:
            yield ("stages", index), "a final script needs a search before it; add one above"
        if stage.is_final and index < len(stages) - 1:
            yield ("stages", index), "a final script is the last stage; move it to the end"
        if index and not stages[index - 1].is_final and (stages[index - 1].n_trials or 0):
            for message in top_problems(stage, stages[index - 1].n_trainings):
                yield ("stages", index, "top"), message


def key_problems(stage: Stage, *, is_first: bool) -> Iterator[tuple[str, str]]:
    """Yield (key, message) for keys that are missing, or that a stage cannot have."""
    if not stage.is_final and stage.n_trials is None:
        yield "n_trials", "is missing; write the number of trials of this stage"
    kind = "search" if stage.is_final else "final script"
    other = dict.fromkeys(OTHER[stage.kind], f"only a {kind} has this key; remove it")
    if is_first:
        other |= dict.fromkeys(("top", "pad"), "the first stage refines no other; remove it")
    for name, message in other.items():
        if getattr(stage, name) is not None:
            yield name, message


def top_problems(stage: Stage, n_before: int) -> Iterator[str]:
    """Yield a message if `top` does not fit the number of trials of the stage before."""
    top = stage.top or (1 if stage.is_final else TOP)
    if stage.is_final and top > n_before:
        yield f"the stage before has {n_before} trials only"
    elif not stage.is_final and top == 1:
        yield "a search needs the space of two trials or more; write a larger number"
    elif not stage.is_final and top >= n_before:
        yield f"the best {top} of {n_before} trials narrow nothing; write a smaller number"
