"""The command `hpogen check`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hpogen.cli.command_group import examples, family_option, main
from hpogen.errors import HpogenError


@main.command(epilog=examples("hpogen check hpo_2B_h1.py", "hpogen check experiments/**/*.py"))
@family_option
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Compare scripts with a new render of the specification in their header.

    Exit code 0: all are identical; 1: one was edited or is stale, and its diff is printed; 2: one
    cannot be read.
    """
    from hpogen.check import difference
    from hpogen.files import shown_path

    codes = [0]
    for path in files:
        try:
            diff = difference(path)
        except HpogenError as error:
            click.echo(f"error: {error}", err=True)
            codes.append(error.exit_code)
            continue
        if diff:
            click.echo(diff, nl=False)
            codes.append(1)
        click.echo(f"{shown_path(path)}: {'differs' if diff else 'ok'}", err=True)
    sys.exit(max(codes))
