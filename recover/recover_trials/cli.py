"""Command line of recover-trials."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from recover_trials.errors import (
    MissingPackageError,
    NoBestError,
    RebuildError,
    RepairError,
    SeveralStudiesError,
)

if TYPE_CHECKING:
    from recover_trials.model import Study
    from recover_trials.recovery import Recovery

FORMATS = ("table", "csv", "json", "jsonl", "parquet", "all_trials", "best_config")
EXAMPLES = """\b
Examples:
  recover-trials logs/*.log
  recover-trials logs/hpo_2B_h1.log --format csv --output trials.csv
  recover-trials logs/hpo_2B_h1.log --to-storage sqlite:///outputs/hpo_2B_h1/study.db
  recover-trials --repair study.journal
  recover-trials logs/hpo_2B_h1.log --format best_config --output best_config.py
  recover-trials logs/hpo_2B_h1.log outputs/hpo_2B_h1/trials/*.json --strict
  recover-trials logs/hpo_2B_h1.log --follow
  zcat old.log.gz | recover-trials - --format json"""


# Exit codes of errors.
EXIT_CODES: dict[type[Exception], int] = {
    NoBestError: 1,
    RebuildError: 2,
    RepairError: 2,
    SeveralStudiesError: 2,
    MissingPackageError: 3,
}
FILE_ERRORS: tuple[type[Exception], ...] = (OSError, *EXIT_CODES)


class Command(click.Command):
    """A command that exits with 128 + the signal number on an interrupt."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(128 + signal.SIGINT)


@click.command(
    cls=Command, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="Default: a table on a terminal, CSV in a pipe or a file. The last two hold one study.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option("--study", metavar="NAME", help="Take this one of several studies.")
@click.option(
    "--arch-list",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A script, CSV or JSON with the ARCHITECTURES of arch_idx: completes old logs.",
)
@click.option(
    "--patch-model",
    type=(int, int, int, int),
    metavar="FEATURES CONTEXT PATCH STRIDE",
    default=(25, 60, 16, 8),
    show_default=True,
    help="Sizes of the model in the parameter counts of old logs.",
)
@click.option(
    "--to-storage",
    metavar="URL",
    help="Write the studies to an Optuna storage; with --follow, keep it up to date.",
)
@click.option(
    "--direction",
    type=click.Choice(["minimize", "maximize"]),
    help="With --to-storage: for logs that do not show it.",
)
@click.option(
    "--repair",
    is_flag=True,
    help="Drop the damaged lines of Optuna journals, given as LOG, after a backup.",
)
@click.option("--follow", is_flag=True, help="Show studies while they run, until all are over.")
@click.option(
    "--strict", is_flag=True, help="Exit with 4 if a line is damaged or conflicts with another."
)
def main(
    logs: tuple[str, ...],
    format_: str | None,
    output: Path | None,
    force: bool,
    study: str | None,
    arch_list: Path | None,
    patch_model: tuple[int, int, int, int],
    to_storage: str | None,
    direction: str | None,
    repair: bool,
    follow: bool,
    strict: bool,
) -> None:
    """Rebuild the trial tables of studies from their logs ("-" is standard input).

    One row per started trial, with its state. A report on standard error names damaged, missing
    and conflicting lines. The command also reads compressed logs, notebooks, Optuna's own storages
    and files of results (JSON, CSV). Exit code 0: it found trials; 1: none, or no best one to
    write; 2: a file cannot be read; 3: a package is missing; 4: --strict found damage.
    """
    if repair:
        repair_all(logs, format_ or output or to_storage)
    if follow:
        check_follow(logs, format_, output, study, arch_list)
        if to_storage:
            mirror(logs, to_storage, direction)
        else:
            watch(logs)
        return
    check_output(output, format_, force=force)
    recovery, unreadable = read(logs)
    select_study(recovery, study)
    if arch_list:
        complete(recovery, arch_list, patch_model)
    report(recovery, unreadable)
    if not recovery.studies:
        click.echo("no trials were found", err=True)
        sys.exit(exit_code(recovery, unreadable, strict=strict))
    if to_storage:
        store(recovery.studies, to_storage, direction)
    if format_ or output or not to_storage:
        shown = "table" if sys.stdout.isatty() and not output else "csv"
        write(format_recovery(recovery, format_ or shown), output)
    sys.exit(exit_code(recovery, unreadable, strict=strict))


def check_follow(logs: tuple[str, ...], *others: object) -> None:
    """Refuse options that --follow cannot honour."""
    if "-" in logs:
        raise click.UsageError("--follow reads files as they grow; give the path of the log")
    if any(others):
        raise click.UsageError(
            "--follow shows a study, or keeps a storage up to date; use --format, --output,"
            " --study and --arch-list without it"
        )


def watch(logs: tuple[str, ...]) -> None:
    """Show studies until they are over."""
    from rich.console import Console

    from recover_trials.follow.show import follow

    try:
        console = Console(highlight=False, force_terminal=sys.stdout.isatty())
        follow([Path(name) for name in logs], console)
    except BrokenPipeError:
        raise  # click handles it: the reader of the pipe has exited
    except OSError as error:
        reason = error.strerror or str(error)
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {printable(f'{place}{reason}')}", err=True)
        sys.exit(2)


def check_output(output: Path | None, format_: str | None, *, force: bool) -> None:
    """Refuse to overwrite a file, and to print bytes on a terminal."""
    if output and output.is_file() and not force:
        raise click.UsageError(f"{output} exists; --force overwrites it")
    if format_ == "parquet" and not output and sys.stdout.isatty():
        raise click.UsageError("Parquet is binary; give --output or a pipe")


def repair_all(names: tuple[str, ...], other_options: object) -> NoReturn:
    """Repair journals, then end."""
    if other_options:
        raise click.UsageError("--repair changes files in place; use the other options without it")
    sys.exit(max(map(repair_one, names)))


def read(logs: tuple[str, ...]) -> tuple[Recovery, dict[str, OSError]]:
    """Return the recovery, and the errors of unreadable logs."""
    from recover_trials.progress import progress_of
    from recover_trials.read import read_trials

    unreadable: dict[str, OSError] = {}
    sources = [sys.stdin.buffer if name == "-" else name for name in logs]
    with progress_of(logs) as progress:
        recovery = read_trials(sources, unreadable, progress=progress)
    return recovery, unreadable


def select_study(recovery: Recovery, name: str | None) -> None:
    """Remove the studies of other names. Raises UsageError if none is left."""
    if name is None:
        return
    selected = [study for study in recovery.studies if study.name == name]
    if recovery.studies and not selected:
        names = ", ".join(printable(study.name) for study in recovery.studies)
        raise click.UsageError(f"no study has the name {printable(name)}; the logs hold: {names}")
    recovery.studies[:] = selected


def complete(recovery: Recovery, path: Path, patch_model: tuple[int, int, int, int]) -> None:
    """Complete old logs from a list of architectures."""
    from recover_trials.legacy import architectures

    try:
        rows = architectures.read_list(path)
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror or error}") from None
    for study in recovery.studies:
        architectures.complete(study, rows, architectures.PatchModel(*patch_model))


def report(recovery: Recovery, unreadable: dict[str, OSError]) -> None:
    """Print the integrity report on standard error."""
    for name, error in unreadable.items():
        click.echo(
            f"error: {printable(name)}: {printable(error.strerror or str(error))}", err=True
        )
    for line in recovery.report():
        click.echo(printable(line), err=True)


def mirror(logs: tuple[str, ...], url: str, direction: str | None) -> None:
    """Keep a storage up to date with logs, until every study is over."""
    from recover_trials.files.optuna_storages import import_optuna
    from recover_trials.follow.mirror import mirror

    try:
        import_optuna(silenced=True)
        for line in mirror([Path(name) for name in logs], url, direction):
            click.echo(printable(line))
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except FILE_ERRORS as error:
        name = getattr(error, "filename", None) or logs[0]
        sys.exit(print_error(error, name))


def store(studies: list[Study], url: str, direction: str | None) -> None:
    """Write every study to a storage; print a summary of each."""
    from recover_trials.files.optuna_storages import import_optuna
    from recover_trials.output.to_storage import rebuild_all

    try:
        import_optuna(silenced=True)
        for line in rebuild_all(studies, url, direction=direction):
            click.echo(printable(line))
    except tuple(EXIT_CODES) as error:
        sys.exit(print_error(error))


def repair_one(name: str) -> int:
    """Repair a journal; return the exit code."""
    from recover_trials.files.optuna_storages import import_optuna
    from recover_trials.files.repair import repair_file

    try:
        import_optuna(silenced=True)
        for line in repair_file(Path(name)):
            click.echo(printable(line))
    except FILE_ERRORS as error:
        return print_error(error, name)
    return 0


def print_error(error: Exception, name: object = "") -> int:
    """Print an error, with the name of its file; return the exit code."""
    text = f"{name}: {error.strerror}" if isinstance(error, OSError) else str(error)
    click.echo(f"error: {printable(text)}", err=True)
    return EXIT_CODES.get(type(error), 2)


def format_recovery(recovery: Recovery, format_: str) -> str | bytes:
    """Return a recovery in a format; exit if it cannot be written in that format."""
    from recover_trials.output import WRITERS

    try:
        return WRITERS[format_](recovery)
    except tuple(EXIT_CODES) as error:
        sys.exit(print_error(error))


def exit_code(recovery: Recovery, unreadable: dict[str, OSError], *, strict: bool) -> int:
    from recover_trials.errors import MissingReaderError

    missing = any(isinstance(error, MissingReaderError) for error in unreadable.values())
    others = any(not isinstance(error, MissingReaderError) for error in unreadable.values())
    flagged = strict and bool(recovery.conflicts)
    codes = {2: others, 3: missing, 4: flagged, 1: not recovery.studies}
    return next((code for code, applies in codes.items() if applies), 0)


def write(content: str | bytes, output: Path | None) -> None:
    """Write to standard output, or to a file as a whole."""
    if output is None:
        if isinstance(content, str) and sys.stdout.isatty():
            content = printable(content, keep="\n")
        click.echo(as_bytes(content), nl=False)
        return
    part = output.with_name(f".{output.name}.part")
    try:
        if output.exists() and not output.is_file():  # a device or a pipe
            output.write_bytes(as_bytes(content))
            click.echo(output)
            return
        part.write_bytes(as_bytes(content))
        part.replace(output)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise click.UsageError(f"{output}: {error.strerror}") from None
    click.echo(output)


def as_bytes(content: str | bytes) -> bytes:
    """Return text in UTF-8, and bytes unchanged."""
    return content.encode() if isinstance(content, str) else content


def printable(text: str, keep: str = "") -> str:
    """Return text without characters that move the cursor or set colours."""
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)
