"""The command `hpogen`, to which each module of this folder adds one command."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click

from hpogen import __version__
from hpogen.errors import HpogenError

CONFIG = click.Path(path_type=Path, dir_okay=False)
PATH = click.Path(path_type=Path)
POSITIVE = click.FloatRange(min=0, min_open=True)


class Command(click.Command):
    """A command that refuses an option given twice, of which click would take the last one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        order = self.make_parser(ctx).parse_args(list(args))[2]
        for param in order:
            once = isinstance(param, click.Option) and not (param.multiple or param.is_flag)
            if once and order.count(param) > 1 and not ctx.resilient_parsing:
                raise click.UsageError(f"{param.opts[0]} is given twice; leave one out", ctx)
        return super().parse_args(ctx, args)


class Group(click.Group):
    """Commands that print an HpogenError as one message and exit with its code."""

    command_class = Command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and exit with a code for errors and interrupts."""
        try:
            return super().invoke(ctx)
        except HpogenError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(128 + signal.SIGINT)


def examples(*lines: str) -> str:
    """Return the end of a help text, with its line breaks kept."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="hpogen")
def main() -> None:
    """Render standalone hyper-parameter-search scripts."""


def lazy(name: str) -> Any:
    """Return a completion function that imports hpogen.completion only when it is called."""

    def complete(*arguments: Any) -> Any:
        import hpogen.completion

        return getattr(hpogen.completion, name)(*arguments)

    return complete


def add_families(_context: click.Context, _option: click.Parameter, folders: Any) -> None:
    """Add the families in the folders of --family."""
    for folder in folders:
        from hpogen.families import add_family

        add_family(folder)


family_option = click.option(
    "--family",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    callback=add_families,
    expose_value=False,
    is_eager=True,
    help="Add the family in a folder: your own models, data and tasks.",
)
