"""Command line of recover-trials."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from typing import Any

import click

EXAMPLES = """\b
Examples:
  recover-trials logs/*.log
  recover-trials logs/hpo_2B_h1.log --format csv --output trials.csv
  zcat old.log.gz | recover-trials - --format json"""


class Command(click.Command):
    """A command that an interrupt ends with the code shells expect."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
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
    unreadable: dict[str, OSError] = {}
    recovery = read_trials([sys.stdin.buffer if n == "-" else n for n in logs], unreadable)
    for name, error in unreadable.items():
        click.echo(f"error: {printable(name)}: {error.strerror or error}", err=True)
    for line in recovery.report():
        click.echo(printable(line), err=True)
    text = WRITERS[format_ or ("table" if sys.stdout.isatty() and not output else "csv")](recovery)
    if recovery.studies:
        write(text, output)
    else:
        click.echo("no trials were found", err=True)
    flagged = bool(recovery.problems) or any(t.flags for s in recovery.studies for t in s.rows)
    codes = {2: bool(unreadable), 4: strict and flagged, 1: not recovery.studies}
    sys.exit(next((code for code, applies in codes.items() if applies), 0))


def write(text: str, output: Path | None) -> None:
    """Write to a file, whole or not at all, or to standard output."""
    if output is None:
        on_terminal = sys.stdout.isatty()
        click.echo(printable(text, keep="\n") if on_terminal else text.encode(), nl=False)
        return
    part = output.with_name(f".{output.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(output)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise click.UsageError(f"{output}: {error.strerror}") from None
    click.echo(output)


def printable(text: str, keep: str = "") -> str:
    """Return text that cannot move the cursor or set colours."""
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)
