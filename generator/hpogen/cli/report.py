"""The command `hpogen report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hpogen.cli.command_group import CONFIG, POSITIVE, examples, main
from hpogen.errors import UsageError


@main.command(
    epilog=examples(
        "hpogen report logs/hpo_2M_h1.log",
        "hpogen report plan.yaml",
        "hpogen report logs/*.log --html report.html",
        "hpogen report logs/hpo_2M_h1.log --png pictures --text",
        "hpogen report --scaling logs/*.log --bet bet.json --hours 24",
        "zcat old.log.gz | hpogen report - --arch-list old_search.py",
    )
)
@click.argument("logs", nargs=-1, required=True, metavar="LOG|PLAN.yaml...")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Page to write.")
@click.option(
    "--png",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the pictures as files.",
)
@click.option("--text", is_flag=True, help="Print the text as well; the default without files.")
@click.option(
    "--arch-list",
    type=CONFIG,
    help="A script, CSV or JSON with the ARCHITECTURES of arch_idx, for the coverage.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help="Write a row per study, failed ones included.",
)
@click.option("--scaling", is_flag=True, help="Fit how the best loss falls with size.")
@click.option(
    "--keep",
    multiple=True,
    type=click.Choice(["collapsed", "baseline", "edge", "unconverged", "data"]),
    help="With --scaling: fit studies in spite of this fault; may be given several times.",
)
@click.option(
    "--hours",
    type=POSITIVE,
    metavar="H",
    help="With --scaling: plan what to run next in this time.",
)
@click.option(
    "--bet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --scaling: write a prediction for the next budget, or compare the one in FILE.",
)
@click.option(
    "--bet-budget", metavar="BUDGET", help="With --bet: the budget to predict, such as 2M."
)
@click.option(
    "--transfer",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="With --scaling: write, for --enqueue, the best settings of the other budgets.",
)
def report(
    logs: tuple[str, ...],
    scaling: bool,
    keep: tuple[str, ...],
    hours: float | None,
    bet: Path | None,
    bet_budget: str | None,
    transfer: Path | None,
    **options: Any,
) -> None:
    """Report on studies from their logs: verdict, pictures, coverage, costs.

    Reads what recover-trials reads, also logs of other programs that use Optuna; "-" is standard
    input, a plan stands for the logs of its scripts. The page is one file and loads nothing.
    --html and --png need the packages of hpogen[report], --png a Chromium or Chrome, too.

    With --scaling, the text is about the law alone: exponents with intervals, per task and
    horizon, and the studies that do not qualify.

    Exit code 0: done; 1: no trial has finished, or no law can be fitted; 2: a file cannot be
    read, the others are reported; 3: a package is missing.
    """
    import hpogen.report.command

    given = {"--keep": keep, "--hours": hours, "--bet": bet, "--bet-budget": bet_budget}
    given["--transfer"] = transfer
    if not scaling and (lost := [name for name, value in given.items() if value]):
        raise UsageError(f"{lost[0]} needs --scaling")
    if bet_budget and not bet:
        raise UsageError("--bet-budget needs --bet FILE")
    found = hpogen.report.command.scaling_options(keep, hours, bet, bet_budget, transfer)
    options["scaling"] = found if scaling else None
    sys.exit(hpogen.report.command.report(logs, **options))
