"""The command `hpogen schema`."""

from __future__ import annotations

import click

from hpogen.cli.command_group import examples, family_option, main


@main.command(epilog=examples("hpogen schema > hpogen.schema.json"))
@family_option
def schema() -> None:
    """Print the JSON Schema of configuration files, for editors."""
    import json

    from hpogen.configuration.json_schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
