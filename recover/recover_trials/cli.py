"""Command line of recover-trials."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import click

EXAMPLES = """\b
Examples:
  recover-trials logs/*.log
  recover-trials logs/hpo_2B_h1.log --format csv --output trials.csv
  zcat old.log.gz | recover-trials - --format json"""


@click.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "json", "jsonl"]),
    help="Default: a table on a terminal, CSV in a pipe or a file.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option("--strict", is_flag=True, help="Exit with 4 if anything was damaged or told twice.")
def main(
    logs: tuple[str, ...], format_: str | None, output: Path | None, force: bool, strict: bool
) -> None:
    """Rebuild the trial tables of studies from their logs ("-" is standard input).

    One row per started trial, with its state. What is damaged, missing or told twice is said on
    standard error. Exit code 0: trials were found; 1: none; 2: a file could not be read.
    """
    from recover_trials.output import WRITERS
    from recover_trials.read import read_trials

    if output and output.exists() and not force:
        raise click.UsageError(f"{output} exists; --force overwrites it")
    sources, unreadable = readable(logs)
    recovery = read_trials(sources)
    for line in recovery.report():
        click.echo(printable(line), err=True)
    text = WRITERS[format_ or ("table" if sys.stdout.isatty() and not output else "csv")](recovery)
    if recovery.studies:
        write(text, output)
    else:
        click.echo("no trials were found", err=True)
    flagged = bool(recovery.problems) or any(t.flags for s in recovery.studies for t in s.rows)
    codes = {2: unreadable, 4: strict and flagged, 1: not recovery.studies}
    sys.exit(next((code for code, applies in codes.items() if applies), 0))


def readable(logs: tuple[str, ...]) -> tuple[list[Path | BinaryIO], bool]:
    """Return the sources that can be opened; say which cannot."""
    sources: list[Path | BinaryIO] = []
    unreadable = False
    for name in logs:
        if name == "-":
            sources.append(sys.stdin.buffer)
            continue
        try:
            with Path(name).open("rb") as stream:
                stream.read(1)
            sources.append(Path(name))
        except OSError as error:
            click.echo(f"error: {printable(name)}: {error.strerror}", err=True)
            unreadable = True
    return sources, unreadable


def write(text: str, output: Path | None) -> None:
    """Write to a file, whole or not at all, or to standard output."""
    if output is None:
        click.echo(text, nl=False)
        return
    part = output.with_name(f".{output.name}.part")
    part.write_text(text, encoding="utf-8", newline="")
    part.replace(output)
    click.echo(output)


def printable(text: str) -> str:
    """Return text that cannot move the cursor or set colours."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
