"""The command `hpogen demo-data`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from hpogen.cli.command_group import examples, main
from hpogen.errors import UsageError

DEMO_DATA = ["sp500", "nasdaq", "stdlib", "licences", "licence-spans", "licence-joint"]


@main.command("demo-data", epilog=examples("hpogen demo-data sp500 --out prices.csv"))
@click.argument("name", type=click.Choice(DEMO_DATA))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def demo_data(name: str, out: Path | None) -> None:
    """Write real data for a first try, from packages on this machine; nothing is downloaded.

    sp500, nasdaq: daily prices and volumes, 1999 to 2018. stdlib: source code of Python's
    standard library, for language models. licences: licence notices and the licence of each,
    for text classification. licence-spans: questions about such texts, and where the answers are.
    licence-joint: notices with the licence of each, and where it names a file.
    """
    from hpogen.demo_data import SOURCES
    from hpogen.files import write_atomic

    default, source = SOURCES[name]
    path = out or Path(default)
    content = source(name)
    if path.exists() and path.read_bytes() != content:
        raise UsageError(f"{path} exists and holds other data; give another file with --out")
    write_atomic(path, content)
    click.echo(os.fsencode(path))
