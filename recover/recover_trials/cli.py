"""Command line of recover-trials."""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from recover_trials.console import (
    EXIT_CODES,
    FILE_ERRORS,
    exit_code,
    print_error,
    print_report,
    print_steps,
    printable,
)
from recover_trials.output.write_output import write_output

if TYPE_CHECKING:
    from recover_trials.model import Study
    from recover_trials.recovery_report import Recovery

FORMATS = ("table", "csv", "json", "jsonl", "parquet", "all_trials", "best_config", "trial_files")
EXAMPLES = """\b
Examples:
  recover-trials logs/*.log
  recover-trials logs/hpo_2B_h1.log --format csv --output trials.csv
  recover-trials logs/hpo_2B_h1.log --to-storage sqlite:///outputs/hpo_2B_h1/study.db
  recover-trials --repair study.journal
  recover-trials logs/hpo_2B_h1.log --format best_config --output best_config.py
  recover-trials logs/hpo_2B_h1.log outputs/hpo_2B_h1/trials/*.json --strict
  recover-trials logs/*.log --sql "SELECT params_epochs, min(value) FROM trials GROUP BY 1"
  recover-trials logs/hpo_2B_h1.log --pareto value,ece
  recover-trials logs/hpo_2B_h1.log --follow
  zcat old.log.gz | recover-trials - --format json"""


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
    help="Default: a table on a terminal, CSV in a pipe or a file. all_trials and best_config hold"
    " one study; so does trial_files, a JSON file per trial in the folder --output.",
)
@click.option("--output", type=click.Path(path_type=Path), help="File or folder to write.")
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option("--study", metavar="NAME", help="Write only the study of this name.")
@click.option("--rename", metavar="NAME", help="Write the only study under another name.")
@click.option(
    "--sort",
    metavar="COLUMN",
    help="Sort the trials by a column, the best value first; -COLUMN reverses the order.",
)
@click.option(
    "--pareto",
    metavar="A,B,...",
    help="Keep the trials that no other one beats in all these columns; ece:minimize states a"
    " direction, values stands for the objectives of the study.",
)
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Write the first N trials.")
@click.option(
    "--columns",
    metavar="A,B,...",
    help="Write only these columns, in table, csv and parquet; lr is short for params_lr.",
)
@click.option(
    "--sql",
    metavar="SELECT",
    help="Write the result of a query; the tables are trials, with the columns of the CSV, and"
    " curves (study, number, step, metric, value).",
)
@click.option(
    "--arch-list",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Script, CSV or JSON with the architectures that arch_idx of an old log counts.",
)
@click.option(
    "--patch-model",
    type=(int, int, int, int),
    metavar="FEATURES CONTEXT PATCH STRIDE",
    default=(25, 60, 16, 8),
    show_default=True,
    help="Sizes of the model in the parameter counts of an old log.",
)
@click.option(
    "--to-storage",
    metavar="URL",
    help="Write the studies to an Optuna storage; with --follow, keep it up to date.",
)
@click.option(
    "--direction",
    type=click.Choice(["minimize", "maximize"]),
    help="With --to-storage: direction of the objective, where the log does not state it.",
)
@click.option(
    "--ranges",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="With --to-storage: YAML with the ranges of the parameters, or the Python file with the"
    " suggest calls, which is parsed and not run.",
)
@click.option(
    "--repair",
    is_flag=True,
    help="Back up the Optuna journals LOG, then remove their damaged lines.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Show studies while they run, and wait for the next run of an interrupted study; end"
    " when all trials are done.",
)
@click.option(
    "--pid",
    "pids",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="PID",
    help="With --follow: end also when this process, or each of several, has ended.",
)
@click.option(
    "--strict", is_flag=True, help="Exit with 4 if a line is damaged or conflicts with another."
)
def main(
    logs: tuple[str, ...],
    format_: str | None,
    output: Path | None,
    force: bool,
    study: str | None,
    rename: str | None,
    sort: str | None,
    pareto: str | None,
    top: int | None,
    columns: str | None,
    sql: str | None,
    arch_list: Path | None,
    patch_model: tuple[int, int, int, int],
    to_storage: str | None,
    direction: str | None,
    ranges: Path | None,
    repair: bool,
    follow: bool,
    pids: tuple[int, ...],
    strict: bool,
) -> None:
    """Rebuild the trial tables of studies from their logs ("-" is standard input).

    One row per started trial, with its state. A report on standard error names damaged, missing
    and conflicting lines. The command also reads compressed logs, notebooks, Optuna's own storages
    and files of results (JSON, CSV). Exit code 0: trials recovered; 1: no trial, or no finite best
    value; 2: a file cannot be read or an option is wrong; 3: a package is missing; 4: damage or a
    conflict under --strict.
    """
    if repair:
        repair_journals(logs, format_ or output or to_storage)
    if pids and not follow:
        raise click.UsageError("--pid ends --follow; give both options")
    if follow:
        check_follow(
            logs,
            *(format_, output, study, arch_list, rename),
            *(sort, pareto, top, columns, ranges, sql),
        )
        paths = [Path(name) for name in logs]
        sys.exit(
            follow_into_storage(paths, to_storage, direction, pids)
            if to_storage
            else follow_on_screen(paths, pids)
        )
    check_output(output, format_, force=force)
    check_columns(columns, format_, sql)
    check_ranges(ranges, to_storage)
    recovery, unreadable = read_logs(logs)
    select_study(recovery, study)
    rename_study(recovery, rename)
    if arch_list:
        add_architectures(recovery, arch_list, patch_model)
    print_report(recovery, unreadable)
    if recovery.has_trials and to_storage:
        add_ranges(recovery, ranges)
        write_storage(recovery.studies, to_storage, direction)
    if recovery.has_trials and (format_ or output or not to_storage):
        default = "table" if sys.stdout.isatty() and not output else "csv"
        select_trials(recovery, pareto, sort, top, columns)
        if sql is not None:
            write_query(recovery, sql, format_ or default, output)
        else:
            write_trials(recovery, format_ or default, output)
    sys.exit(exit_code(recovery, unreadable, strict=strict))


def check_follow(logs: tuple[str, ...], *others: object) -> None:
    """Refuse options that --follow cannot honour."""
    if "-" in logs:
        raise click.UsageError(
            "--follow cannot read standard input; give the path of the log that grows"
        )
    if any(others):
        raise click.UsageError(
            "--follow takes no --format, --output, --study, --arch-list, --rename, --sort,"
            " --pareto, --top, --columns, --sql or --ranges; run the command without --follow to"
            " use them"
        )


def follow_on_screen(paths: list[Path], pids: tuple[int, ...]) -> int:
    """Show studies until they are finished; return the exit code."""
    from rich.console import Console

    from recover_trials.follow.show import follow

    try:
        console = Console(highlight=False, force_terminal=sys.stdout.isatty())
        follow(paths, console, pids)
    except BrokenPipeError:
        raise  # click handles it: the reader of the pipe has exited
    except OSError as error:
        return print_error(error)
    return 0


def check_output(output: Path | None, format_: str | None, *, force: bool) -> None:
    """Refuse to overwrite a file, and to print bytes on a terminal."""
    if output and output.is_dir() != (format_ == "trial_files") and output.exists():
        raise click.UsageError(f"{output}: only trial_files is written to a folder")
    is_full = output and output.is_dir() and any(output.iterdir())
    if output and (output.is_file() or is_full) and not force:
        raise click.UsageError(f"{output} exists; add --force to overwrite it")
    if format_ == "parquet" and not output and sys.stdout.isatty():
        raise click.UsageError(
            "Parquet is binary and cannot be shown on a terminal; add --output FILE"
        )


def repair_journals(names: tuple[str, ...], other_options: object) -> NoReturn:
    """Repair journals, then exit with the highest of their exit codes."""
    if other_options:
        raise click.UsageError(
            "--repair changes the journals in place and takes no --format, --output or"
            " --to-storage; run the command without --repair to use them"
        )
    sys.exit(max(map(repair_one, names)))


def read_logs(logs: tuple[str, ...]) -> tuple[Recovery, dict[str, OSError]]:
    """Return the recovery, and the errors of unreadable logs."""
    from recover_trials.progress_bar import progress_of
    from recover_trials.read import collector_paused, read_trials

    unreadable: dict[str, OSError] = {}
    sources = [sys.stdin.buffer if name == "-" else name for name in logs]
    with progress_of(logs) as progress, collector_paused():
        recovery = read_trials(sources, unreadable, progress=progress)
        gc.freeze()  # else each collection visits all trials: 15 % of the time of a large log
    return recovery, unreadable


def select_study(recovery: Recovery, name: str | None) -> None:
    """Remove the studies of other names. Raises UsageError if no study has this name."""
    if name is None:
        return
    selected = [study for study in recovery.studies if study.name == name]
    if recovery.studies and not selected:
        names = ", ".join(printable(study.name) for study in recovery.studies)
        raise click.UsageError(f"no study has the name {printable(name)}; the logs hold: {names}")
    recovery.studies[:] = selected


def add_architectures(
    recovery: Recovery, path: Path, patch_model: tuple[int, int, int, int]
) -> None:
    """Complete old logs from a list of architectures."""
    from recover_trials.legacy import architectures

    try:
        rows = architectures.read_architectures(path)
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror or error}") from None
    for study in recovery.studies:
        architectures.complete_from_list(study, rows, architectures.PatchModel(*patch_model))


def follow_into_storage(
    paths: list[Path], url: str, direction: str | None, pids: tuple[int, ...]
) -> int:
    """Keep a storage up to date until every study is finished; return the exit code."""
    from recover_trials.follow.mirror import mirror

    return print_steps(lambda: mirror(paths, url, direction, pids))


def write_storage(studies: list[Study], url: str, direction: str | None) -> None:
    """Write every study to a storage; print a summary of each; exit after an error."""
    from recover_trials.output.to_storage import rebuild_all

    if code := print_steps(lambda: rebuild_all(studies, url, direction=direction)):
        sys.exit(code)


def repair_one(name: str) -> int:
    """Repair a journal; print a summary of the repair; return the exit code."""
    from recover_trials.files.repair_with_backup import repair_file

    return print_steps(lambda: repair_file(Path(name)), name)


def check_columns(columns: str | None, format_: str | None, sql: str | None) -> None:
    """Refuse columns and queries for a format that cannot hold them."""
    if columns and format_ not in (None, "table", "csv", "parquet"):
        raise click.UsageError(f"format {format_} has no columns to select")
    if sql is not None and (columns or format_ not in (None, "table", "csv")):
        raise click.UsageError("--sql writes a table or CSV, with the columns that it names")


def check_ranges(ranges: Path | None, to_storage: str | None) -> None:
    """Refuse ranges without a storage that they could describe."""
    if ranges and not to_storage:
        raise click.UsageError("--ranges sets the ranges of a storage; add --to-storage URL")


def rename_study(recovery: Recovery, name: str | None) -> None:
    """Give the only study another name."""
    if name is None or not recovery.studies:
        return
    if len(recovery.studies) != 1:
        raise click.UsageError("--rename needs one study; select it with --study NAME")
    (study,) = recovery.studies
    study.name = study.optuna_name = name
    study.about = {**study.about, "study_name": name} if study.about else {}


def add_ranges(recovery: Recovery, path: Path | None) -> None:
    """Take the ranges of a file for the parameters of all studies; exit if it is invalid."""
    from recover_trials.output.ranges import read_ranges

    if path is None:
        return
    try:
        ranges = read_ranges(path)
    except tuple(EXIT_CODES) as error:
        sys.exit(print_error(error))
    for study in recovery.studies:
        study.ranges = ranges


def select_trials(
    recovery: Recovery,
    pareto: str | None,
    sort: str | None,
    top: int | None,
    columns: str | None,
) -> None:
    """Select the trials and columns to write; exit if there is no such column."""
    from recover_trials.output.selection import select_rows
    from recover_trials.pareto import select_front

    recovery.columns = [name.strip() for name in columns.split(",")] if columns else None
    try:
        if pareto:
            select_front(recovery, pareto)
        if sort or top:
            select_rows(recovery, sort, top)
    except tuple(EXIT_CODES) as error:
        sys.exit(print_error(error))


def write_query(recovery: Recovery, sql: str, format_: str, output: Path | None) -> None:
    """Write the result of a query as a table or CSV; exit if it cannot be run."""
    from recover_trials.output.csv_json import csv_of
    from recover_trials.output.sql import query
    from recover_trials.output.table import plain_table, printed

    try:
        columns, rows = query(recovery, sql)
    except tuple(EXIT_CODES) as error:
        sys.exit(print_error(error))
    is_table = format_ == "table"
    text = printed([plain_table(columns, rows)]) if is_table else csv_of(columns, rows)
    write_output(text, output)


def write_trials(recovery: Recovery, format_: str, output: Path | None) -> None:
    """Write the trials in a format; exit if the format cannot hold the studies."""
    if format_ != "trial_files":
        write_output(format_recovery(recovery, format_), output)
        return
    from recover_trials.output.trial_files import write_trial_files

    if output is None:
        raise click.UsageError("--format trial_files needs --output FOLDER")
    try:
        for path in write_trial_files(recovery, output):
            click.echo(path)
    except FILE_ERRORS as error:
        sys.exit(print_error(error))


def format_recovery(recovery: Recovery, format_: str) -> str | bytes:
    """Return the content of a file in a format; exit if the format cannot hold the studies."""
    from recover_trials.output import WRITERS

    try:
        return WRITERS[format_](recovery)
    except tuple(EXIT_CODES) as error:
        sys.exit(print_error(error))
