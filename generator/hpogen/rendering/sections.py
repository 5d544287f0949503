"""Sections: optional parts of a script, chosen by `--with` or `sections`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Constants = tuple[tuple[str, Any, str], ...]


@dataclass(frozen=True)
class Section:
    """An optional part of a script, and the code that uses it in `main`."""

    about: str
    part: str
    title: str  # of the group of its constants
    constants: Constants  # (NAME, default, comment); a field of Spec of that name wins
    guards: str = ""  # Python source: items of the list of guards
    search: str = ""  # the class that runs the trials
    start: str = ""  # Python source: a line before `main` starts
    exit: str = ""  # the function that ends the process with an exit code, if not sys.exit
    arguments: tuple[str, str] | None = None  # a part, and its function that adds arguments

    def adds(self) -> list[str]:
        """Return the source that only a script with this section holds."""
        options = self.arguments[1] if self.arguments else ""
        found = (self.guards, self.search, self.start, self.exit, options)
        return [name for name in found if name]


SCRIPT_SECTIONS = {
    "guards": Section(
        about="pause or end the run when the machine is hot or runs out of memory or disk space",
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
        about="store the study in an Optuna storage, for machines without a shared disk",
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
    "mlflow": Section(
        about="send parameters and metrics of trials to MLflow, besides the log",
        part="sections/mlflow",
        title="MLflow",
        constants=(
            (
                "MLFLOW_URI",
                "sqlite:///mlflow.db",
                "database or server; the environment variable MLFLOW_TRACKING_URI wins",
            ),
            ("MLFLOW_EXPERIMENT", "hpogen", "created if MLflow has none of this name"),
        ),
        start="LogFile.write = with_mlflow(LogFile.write, ARGUMENTS)  # type: ignore",
    ),
    "fsdp": Section(
        about="train each trial on several devices, by torchrun and FSDP2",
        part="sections/fsdp",
        title="FSDP",
        constants=(),
        search="ShardedSearch",
        exit="end_rank",
        arguments=("sections/fsdp_options", "fsdp_options"),
    ),
}
REPLACED = {"multi-host": "storage"}


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of sections once each, in the order of the script."""
    chosen = set(names)
    return [name for name in SCRIPT_SECTIONS if name in chosen]


def chosen_sections(names: Iterable[str]) -> list[Section]:
    """Return the sections with some names."""
    return [SCRIPT_SECTIONS[name] for name in names]
