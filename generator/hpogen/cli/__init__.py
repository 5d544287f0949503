"""Command line of hpogen: a module for each command."""

from __future__ import annotations

from hpogen.cli import check, completion, demo_data, grid, render, report, run, schema
from hpogen.cli.command_group import main

__all__ = ["check", "completion", "demo_data", "grid", "main", "render", "report", "run", "schema"]
