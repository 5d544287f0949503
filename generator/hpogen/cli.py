"""Command line of hpogen."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import click

from hpogen import __version__
from hpogen.errors import HpogenError, UsageError

CONFIG = click.Path(path_type=Path, dir_okay=False)


class Group(click.Group):
    """Commands whose expected errors are one message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except HpogenError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(128 + signal.SIGINT)


def examples(*lines: str) -> str:
    """Return the examples at the end of a help text."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hpogen")
def main() -> None:
    """Render standalone hyper-parameter-search scripts."""


def spec_options(function: Any) -> Any:
    """Add the options that say which script is meant."""
    for option in (
        click.option("--option", "-o", "options", multiple=True, metavar="NAME=CHOICE",
                     help="A part to use, such as loss=focal or inputs=revin."),
        click.option("--config", "config_path", type=CONFIG, help="Configuration in YAML."),
        click.option("--data", metavar="PATH", help="Data file or folder the script reads."),
        click.option("--task", help="What is predicted (default: threshold_1pct)."),
        click.option("--horizon", type=click.IntRange(min=1), help="Trading days ahead."),
        click.option("--budget", help="Number of parameters: 350K, 2M, 1.5B."),
    ):  # fmt: skip
        function = option(function)
    return function


def parse_options(options: tuple[str, ...]) -> dict[str, str]:
    """Return NAME=CHOICE pairs."""
    pairs = {}
    for text in options:
        name, equals, choice = text.partition("=")
        if not equals:
            raise UsageError(f"--option {text!r}: write NAME=CHOICE, such as loss=focal")
        pairs[name] = choice
    return pairs


@main.command(
    epilog=examples(
        "hpogen render --budget 2B --horizon 1",
        "hpogen render --budget 20M --horizon 3 --task threshold_0.5pct -o loss=focal",
        "hpogen render --budget 2M --task byte_lm --out scripts",
        "hpogen render --config study.yaml --n-trials 100",
    )
)
@spec_options
@click.option("--out", default=".", type=click.Path(path_type=Path), help="Folder (default: .).")
@click.option("--n-trials", type=click.IntRange(min=1), help="Total number of trials.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of every random stream.")
@click.option("--stdout", is_flag=True, help="Print the script instead of writing it.")
@click.option("--force", is_flag=True, help="Overwrite a file even if it was edited.")
def render(out: Path, stdout: bool, force: bool, options: tuple[str, ...], **said: Any) -> None:
    """Write one search script and print its path."""
    from hpogen.render import render as render_script
    from hpogen.spec import make_spec

    spec = make_spec(options=parse_options(options), **said)
    script = render_script(spec)
    if stdout:
        click.echo(script, nl=False)
        return
    path = out / f"{spec.name}.py"
    refuse_edited(path, force)
    from hpogen.files import write_atomic

    write_atomic(path, script.encode(), executable=True)
    click.echo(path)


def refuse_edited(path: Path, force: bool) -> None:
    """Refuse to overwrite a file that is not what hpogen wrote."""
    from hpogen.check import difference

    if force or not path.exists():
        return
    try:
        edited = bool(difference(path))
    except HpogenError:
        edited = True
    if edited:
        raise UsageError(
            f"{path} was edited or rendered by another version; `hpogen check {path}` shows how."
            " --force overwrites it"
        )


@main.command(epilog=examples("hpogen check hpo_2B_h1.py", "hpogen check experiments/**/*.py"))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Tell whether scripts are what their specification renders to.

    Exit code 0: all are; 1: some were edited or are stale, with the difference; 2: unreadable.
    """
    from hpogen.check import difference

    codes = [0]
    for path in files:
        try:
            found = difference(path)
        except HpogenError as error:
            click.echo(f"error: {error}", err=True)
            codes.append(error.exit_code)
            continue
        if found:
            click.echo(found, nl=False)
            codes.append(1)
        click.echo(f"{path}: {'differs' if found else 'ok'}", err=True)
    sys.exit(max(codes))


@main.command(
    epilog=examples("hpogen grid --budget 2B --horizon 1", "hpogen grid --budget 2M --json")
)
@spec_options
@click.option("--tolerance", type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="Share of the budget, up and down (default: 0.25).")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def grid(as_json: bool, options: tuple[str, ...], horizon: int | None, **said: Any) -> None:
    """Show every architecture within a budget."""
    from hpogen.grid_report import grid_json, grid_table
    from hpogen.spec import make_spec

    spec = make_spec(options=parse_options(options), horizon=horizon, any_horizon=True, **said)
    click.echo(grid_json(spec) if as_json else grid_table(spec))


@main.command("demo-data", epilog=examples("hpogen demo-data sp500 --out prices.csv"))
@click.argument("name", type=click.Choice(["sp500", "nasdaq", "stdlib"]))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def demo_data(name: str, out: Path | None) -> None:
    """Write real data for a first try, from packages on this machine.

    sp500, nasdaq: daily prices and volumes, 1999 to 2018. stdlib: the sources of Python's
    standard library, for language models.
    """
    from hpogen.demo_data import SOURCES
    from hpogen.files import write_atomic

    default, source = SOURCES[name]
    path = out or Path(default)
    write_atomic(path, source(name))
    click.echo(path)
