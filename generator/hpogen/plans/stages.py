"""Scripts of the stages of a plan: each but the first is rendered from the log of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpogen.check import header_spec, read_script
from hpogen.configuration.yaml_file import Problem
from hpogen.errors import UsageError
from hpogen.families import find_family
from hpogen.files import remove_parts, shown_path, write_atomic
from hpogen.final.command import final_spec
from hpogen.final.final_spec import FinalSpec, render_final
from hpogen.plans.stage import PAD, SEEDS, TOP, Stage
from hpogen.refine import refined_spec
from hpogen.rendering.render import render
from hpogen.spec import Spec

FIRST = "_S0"  # end of the name of a first stage


@dataclass(frozen=True)
class Later:
    """A script that is rendered when the study before it is finished.

    Attributes:
        path: of the script.
        before: path of the script of the stage before.
        number: of the stage, from 1 on.
    """

    path: Path
    before: Path
    number: int
    stage: Stage

    @property
    def name(self) -> str:
        """Return the name of the script and of its log."""
        return self.path.stem

    @property
    def is_final(self) -> bool:
        """Return whether it is a final script."""
        return self.stage.is_final

    @property
    def n_trials(self) -> int:
        """Return the planned number of trials; a study may have fewer configurations to train."""
        return self.stage.n_trainings

    def spec(self, log: Path) -> tuple[Spec | FinalSpec, list[str]]:
        """Return the specification that the log of the stage before gives. Raises UsageError."""
        stage = self.stage
        if stage.is_final:
            return final_spec(
                log,
                top=stage.top or 1,
                n_seeds=stage.seeds or SEEDS,
                script=self.before,
                train_on=stage.train_on or "train",
            )
        return refined_spec(
            log,
            top=stage.top or TOP,
            pad=PAD if stage.pad is None else stage.pad,
            script=self.before,
            n_trials=stage.n_trials,
            rename=lambda name: f"{name.removesuffix(f'_S{self.number - 1}')}_S{self.number}",
        )

    def write(self, log: Path) -> list[str]:
        """Render the script unless it is there; return notes.

        Args:
            log: of the stage before, which is finished.

        Raises UsageError, also for a script that this log does not give.
        """
        spec, notes = self.spec(log)
        if self.path.exists():
            if header_spec(self.path, read_script(self.path)) != spec:
                raise UsageError(
                    f"{shown_path(self.path)} is not the script that {shown_path(log)} and the"
                    " plan give; restore them, or remove this script and its log"
                )
            return []
        content = render_final(spec) if isinstance(spec, FinalSpec) else render(spec)
        remove_parts(self.path)
        write_atomic(self.path, content.encode(), executable=True)
        return [*notes, f"rendered from {shown_path(log)}"]


def first_of(spec: Spec) -> Spec:
    """Return a specification with the names of a first stage."""
    names = {"name": f"{spec.name}{FIRST}", "study_name": f"{spec.study_name}{FIRST}"}
    return spec.model_copy(update=names)


def later_scripts(first: Path, stages: Sequence[Stage]) -> tuple[Later, ...]:
    """Return the scripts that follow that of a first stage, in their order."""
    found: list[Later] = []
    before = first
    for number, stage in enumerate(stages[1:], 1):
        name = f"{first.stem.removesuffix(FIRST)}_S{number}"
        path = first.with_name(f"final_{before.name}" if stage.is_final else f"{name}.py")
        found.append(Later(path, before, number, stage))
        before = path
    return tuple(found)


def without_final_parts(stages: Sequence[Stage], tasks: Iterable[str]) -> Iterator[Problem]:
    """Yield the problem of a final script of a family that has no parts for one."""
    if stages and stages[-1].is_final:
        for family in {task: find_family(task) for task in tasks}.values():
            if not family.final_parts:
                place = ("stages", len(stages) - 1)
                yield place, f"the family {family.name} has no final_parts; remove this stage"
