"""Sections: optional parts of a script, added by `--with` or `sections`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Constants = tuple[tuple[str, Any, str], ...]


@dataclass(frozen=True)
class Section:
    """A part of the script, and how `main` uses it."""

    about: str
    part: str
    title: str  # of its constants
    constants: Constants  # NAME, value, comment; the specification's value where it has one
    guards: str = ""  # items of the list of guards, as source
    search: str = ""  # the class that runs the trials
    arguments: tuple[str, str] | None = None  # a part, and its function that adds arguments

    def adds(self) -> list[str]:
        """Return the names by which a script with this section differs from others."""
        options = [self.arguments[1]] if self.arguments else []
        return [name for name in (self.guards, self.search, *options) if name]


SCRIPT_SECTIONS = {
    "guards": Section(
        about="pause when hot; stop when too hot, before memory thrashes, before the disk is full",
        part="sections/guards",
        title="Guards",
        constants=(
            ("PAUSE_CELSIUS", 85.0, "training pauses at this temperature"),
            ("RESUME_CELSIUS", 80.0, "and continues below this one"),
            ("STOP_CELSIUS", 95.0, "the run ends"),
            ("SWAP_GROWTH_GB", 1.0, "the run ends if swap grew by more since its start,"),
            ("LOW_MEMORY", 0.1, "while less than this share of the memory is available"),
            ("FREE_DISK_GB", 1.0, "the run ends if less is free for the results,"),
            ("FREE_CHECKPOINTS", 3.0, "or less than this many times the largest checkpoint"),
        ),
        guards="*make_guards(ARGUMENTS.out)",
    ),
    "slurm": Section(
        about="end the run, with a checkpoint, before Slurm ends its job",
        part="sections/slurm",
        title="Slurm",
        constants=(("SLURM_MARGIN", 120, "seconds between the end of the run and of its job"),),
        guards="slurm_guard",
    ),
    "storage": Section(
        about="keep the study in an Optuna storage, for machines without a shared disk",
        part="sections/storage",
        title="Storage",
        constants=(
            ("STUDY_NAME", "", "of the study in the storage"),
            ("STORAGE: str | None", None, "its URL, without a password"),
            ("HEARTBEAT_SECONDS", 60, "a trial without one for twice as long is retried"),
        ),
        search="StorageSearch",
        arguments=("sections/storage_options", "storage_options"),
    ),
}
REPLACED = {"multi-host": "storage"}


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of sections once each, in the order in which a script has them."""
    wanted = set(names)
    return [name for name in SCRIPT_SECTIONS if name in wanted]


def chosen_sections(names: Iterable[str]) -> list[Section]:
    """Return sections by their names."""
    return [SCRIPT_SECTIONS[name] for name in names]
