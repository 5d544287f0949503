"""Writing of the result: to standard output, or to a file that is complete or absent."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from recover_trials.console import printable


def write_output(content: str | bytes, output: Path | None) -> None:
    """Write to standard output, or to a file that is replaced once it is whole."""
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
    return content.encode() if isinstance(content, str) else content
