"""What `hpogen report --scaling` adds to a report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hpogen.errors import MissingDependencyError
from hpogen.report.view import StudyView

if TYPE_CHECKING:
    from hpogen.scaling.sentences import Scaling

INSTALL = "--scaling needs numpy; install it with: python -m pip install 'hpogen[report]'"


@dataclass(frozen=True)
class ScalingOptions:
    """Options of the command.

    Attributes:
        keep: kinds of reasons that leave no study out.
        hours: for the plan of what to run next.
        bet: file of bets.
        bet_budget: the budget to bet on; None for the next of the ladder.
        transfer: folder for the settings of other budgets that a study has not tried.
    """

    keep: Sequence[str]
    hours: float | None
    bet: Path | None
    bet_budget: int | None
    transfer: Path | None


def laws_of(views: Sequence[StudyView], options: ScalingOptions) -> list[Scaling]:
    """Return the laws of all groups, those with a file of bets compared. Raises HpogenError."""
    try:
        import numpy as np  # noqa: F401
    except ImportError:
        raise MissingDependencyError(INSTALL) from None
    from hpogen.scaling.sentences import Scaling
    from hpogen.scaling.studies_that_qualify import groups_of

    laws = [Scaling(group, options.hours) for group in groups_of(views, options.keep)]
    if options.bet:
        add_bets(laws, views, options.bet, options.bet_budget)
    if options.transfer:
        from hpogen.scaling.transfer import write_untried

        for law in laws:
            for path in write_untried(options.transfer, law.group.cells):
                click.echo(os.fsencode(path))
    return laws


def add_bets(
    laws: Sequence[Scaling],
    views: Sequence[StudyView],
    path: Path,
    budget: int | None,
) -> None:
    """Write bets if the file does not exist, else compare them. Raises UsageError."""
    from hpogen.scaling.bet import outcome, read_bets, said, write_bets

    if path.exists():
        made, bets = read_bets(path)
        sentences = [(bet, outcome(bet, made, views)) for bet in bets]
    else:
        bets = write_bets(path, [law.group for law in laws], budget, datetime.now())
        sentences = [(bet, f"Written: {said(bet)}") for bet in bets]
    for bet, sentence in sentences:
        for law in laws:
            if (law.group.task, law.group.horizon) == (bet["task"], bet["horizon"]):
                law.bets.append(sentence)
