"""Options that define a script, and the specification that they give."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from hpogen.cli.command_group import CONFIG, family_option, lazy
from hpogen.errors import UsageError


def spec_options(function: Any) -> Any:
    """Add the options that define a script."""
    for option in (
        family_option,
        click.option(
            "--option",
            "-o",
            "options",
            multiple=True,
            metavar="NAME=CHOICE",
            shell_complete=lazy("complete_option"),
            help="Choose a loss, inputs or another option, such as loss=focal or inputs=revin.",
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Set a key of the configuration, such as fixed.epochs=5; VALUE is YAML.",
        ),
        click.option("--config", "config_path", type=CONFIG, help="Configuration file in YAML."),
        click.option(
            "--preset",
            metavar="NAME",
            shell_complete=lazy("complete_preset"),
            help="Start from a configuration of hpogen, such as maximal; --config changes it.",
        ),
        click.option(
            "--data",
            metavar="PATH",
            help="Data file or folder; the script gets its columns, digest and dates.",
        ),
        click.option(
            "--task",
            shell_complete=lazy("complete_task"),
            help="Prediction task (default: threshold_1pct).",
        ),
        click.option(
            "--horizon",
            type=click.IntRange(min=1),
            help="Number of trading days ahead that the label looks.",
        ),
        click.option(
            "--budget",
            shell_complete=lazy("complete_budget"),
            help="Number of model parameters, such as 350K, 2M or 1.5B.",
        ),
    ):
        function = option(function)
    return function


def parse_options(options: tuple[str, ...]) -> dict[str, str]:
    """Return {NAME: CHOICE} of --option. Raises UsageError."""
    pairs = {}
    for text in options:
        name, equals, choice = text.partition("=")
        if not equals:
            from hpogen.configuration.yaml_file import shown

            raise UsageError(
                f"--option {shown(repr(text))}: write NAME=CHOICE, such as loss=focal"
            )
        pairs[name] = choice
    return pairs


def spec_from_cli(
    options: tuple[str, ...], *, config_path: Path | None, preset: str | None, **values: Any
) -> Any:
    """Return (specification, findings) of a command line; print notes on the file on stderr."""
    from hpogen.configuration.load import load_config
    from hpogen.configuration.presets import with_preset
    from hpogen.spec import Findings, make_spec

    config, notes = load_config(config_path, values.get("task")) if config_path else (None, [])
    if preset is not None:
        config = with_preset(preset, config, values.get("task"))
    findings = Findings()
    spec = make_spec(options=parse_options(options), config=config, findings=findings, **values)
    print_notes(notes)
    return spec, findings


def print_notes(notes: Iterable[str]) -> None:
    """Print notes on stderr."""
    for note in notes:
        click.echo(f"note: {note}", err=True)
