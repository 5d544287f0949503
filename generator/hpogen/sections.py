"""Sections: parts that a script has only where they are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Section:
    """A part of the script, its constants (NAME, value, comment), and how `main` is given it."""

    about: str
    part: str
    argument: str
    title: str
    constants: tuple[tuple[str, Any, str], ...]


SCRIPT_SECTIONS = {
    "guards": Section(
        about="pause when hot; stop when too hot, before memory thrashes, before the disk is full",
        part="sections/guards",
        argument="make_guards(ARGUMENTS.out)",
        title="Guards",
        constants=(
            ("PAUSE_CELSIUS", 85.0, "training pauses from here on"),
            ("RESUME_CELSIUS", 80.0, "and goes on below this"),
            ("STOP_CELSIUS", 95.0, "the run ends"),
            ("SWAP_GROWTH_GB", 1.0, "more since the start of the run ends it,"),
            ("LOW_MEMORY", 0.1, "where less than this share of the memory is available"),
            ("FREE_DISK_GB", 1.0, "less for the results ends the run"),
            ("FREE_CHECKPOINTS", 3.0, "or less than this many times the largest checkpoint"),
        ),
    ),
}


def in_order(names: Iterable[str]) -> list[str]:
    """Return sections once each, in the order in which a script has them."""
    wanted = set(names)
    return [name for name in SCRIPT_SECTIONS if name in wanted]
