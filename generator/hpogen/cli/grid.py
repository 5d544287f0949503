"""The command `hpogen grid`."""

from __future__ import annotations

from typing import Any

import click

from hpogen.cli.command_group import examples, main
from hpogen.cli.spec_options import print_notes, spec_from_cli, spec_options


@main.command(
    epilog=examples("hpogen grid --budget 2B --horizon 1", "hpogen grid --budget 2M --json")
)
@spec_options
@click.option("--tolerance", type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="Largest relative difference from the budget (default: 0.25).")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def grid(as_json: bool, options: tuple[str, ...], horizon: int | None, **values: Any) -> None:
    """Print every architecture within a budget, with its size and memory."""
    from hpogen.grid.grid_report import grid_json, grid_table

    spec, findings = spec_from_cli(options, horizon=horizon, any_horizon=True, **values)
    click.echo(grid_json(spec) if as_json else grid_table(spec))
    print_notes(findings.notes)
