"""Scaling laws for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from hpogen.report.terminal_report import STYLES, heading, table_of
from hpogen.scaling.sentences import Scaling, left_out_lines, sized


def print_scaling(console: Console, laws: Sequence[Scaling], findings: Sequence[str]) -> None:
    """Print the laws of all groups."""
    for index, law in enumerate(laws):
        if index:
            console.print()
        print_law(console, law)
    for finding in findings:
        console.print(Text(finding))


def print_law(console: Console, law: Scaling) -> None:
    """Print the law of a group."""
    console.print(Text.assemble("Scaling law: ", (law.title, "bold"), f"  {sized(law)}"))
    for kind, sentence in law.verdicts:
        console.print(Text(sentence, STYLES[kind]))
    if law.surface and law.surface.fits:
        heading(console, "Law of size and tokens")
        console.print(table_of(*law.surface.laws_table, left=(0,)))
    if law.surface and law.surface.budgets_table:
        heading(console, "Runs of equal compute")
        console.print(table_of(*law.surface.budgets_table, left=()))
    if law.group.cells and law.by_budget:
        heading(console, "Best loss by size")
        console.print(table_of(*law.cells_table, left=(0, 1, 9)))
        print_lines(console, "", law.group.remarks)
    print_lines(console, "Left out before fitting", left_out_lines(law))
    if not law.main.refusal:
        heading(console, "Exponents")
        console.print(table_of(*law.exponents_table, left=(0, 1)))
    print_transfer(console, law)
    print_plans(console, law)
    print_lines(console, "Bet", law.bets)


def print_transfer(console: Console, law: Scaling) -> None:
    """Print what the best settings of one budget cost at another."""
    if law.transfer_table:
        heading(console, "Regret of transferred settings")
        console.print(table_of(*law.transfer_table))
        console.print(Text(law.transfer_caption))


def print_plans(console: Console, law: Scaling) -> None:
    """Print what to run next."""
    if law.hours and not law.main.refusal:
        hours = "1 hour" if law.hours == 1 else f"{law.hours:g} hours"
        heading(console, f"What to run next in {hours}")
        if law.plans:
            console.print(table_of(*law.plans_table))
        console.print(Text(law.plans_caption))


def print_lines(console: Console, title: str, lines: Sequence[str]) -> None:
    """Print lines below a title, if there are any."""
    if lines and title:
        heading(console, title)
    for line in lines:
        console.print(Text(line))
