"""Output of the command: files, the report, and errors with their exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from recover_trials.errors import (
    MissingPackageError,
    MissingReaderError,
    NoBestError,
    ObjectiveError,
    QueryError,
    RangesError,
    RebuildError,
    RepairError,
    SeveralStudiesError,
    UnknownColumnError,
)

if TYPE_CHECKING:
    from recover_trials.recovery_report import Recovery

NO_TRIALS = (
    "no trials: the files hold no line about a trial; give the log of a search script or of Optuna"
)
EXIT_CODES: dict[type[Exception], int] = {
    NoBestError: 1,
    RebuildError: 2,
    RepairError: 2,
    RangesError: 2,
    QueryError: 2,
    ObjectiveError: 2,
    SeveralStudiesError: 2,
    UnknownColumnError: 2,
    MissingPackageError: 3,
}
FILE_ERRORS: tuple[type[Exception], ...] = (OSError, *EXIT_CODES)


def print_report(recovery: Recovery, unreadable: dict[str, OSError]) -> None:
    """Print the integrity report on standard error."""
    for name, error in unreadable.items():
        click.echo(
            f"error: {printable(name)}: {printable(error.strerror or str(error))}", err=True
        )
    for line in recovery.report():
        click.echo(printable(line), err=True)
    if not recovery.has_trials:
        click.echo(NO_TRIALS, err=True)


def print_steps(steps: Callable[[], Iterable[object]], name: str = "") -> int:
    """Print a line for each step of work with Optuna; return 0, or the exit code of its error.

    `name` is the file in the message of an OSError; without it, the error names its own file.
    """
    from recover_trials.files.storage_url import import_optuna

    try:
        import_optuna(silenced=True)
        for step in steps():
            click.echo(printable(str(step)))
            sys.stdout.flush()
    except BrokenPipeError:
        raise  # click handles it: the reader of the pipe has exited
    except FILE_ERRORS as error:
        return print_error(error, name)
    return 0


def print_error(error: Exception, name: str = "") -> int:
    """Print an error, an OSError with the name of its file; return the exit code."""
    text = str(error)
    if isinstance(error, OSError):
        text = ": ".join(filter(None, (name or error.filename, error.strerror or text)))
    click.echo(f"error: {printable(text)}", err=True)
    return EXIT_CODES.get(type(error), 2)


def exit_code(recovery: Recovery, unreadable: dict[str, OSError], *, strict: bool) -> int:
    missing = any(isinstance(error, MissingReaderError) for error in unreadable.values())
    others = any(not isinstance(error, MissingReaderError) for error in unreadable.values())
    has_conflicts = strict and bool(recovery.conflicts)
    codes = {2: others, 3: missing, 4: has_conflicts, 1: not recovery.has_trials}
    return next((code for code, applies in codes.items() if applies), 0)


def printable(text: str, keep: str = "") -> str:
    """Return text without characters that move the cursor or set colours."""
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)
