"""Bets: the loss of the next budget, predicted before its study runs and never changed.

The file is JSON. The first call writes it; every later one compares it with the logs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hpogen.errors import UsageError
from hpogen.files import shown_path, write_atomic
from hpogen.grid.budget import format_budget
from hpogen.report.view import StudyView
from hpogen.report.words import text_of
from hpogen.scaling.exponent_interval import answer_of
from hpogen.scaling.next_runs import next_budgets
from hpogen.scaling.parameters_and_compute import PARAMETERS
from hpogen.scaling.studies_that_qualify import Group, cell_of, evaluated_on, no_loss, repeated

VERSION = 1
BET_KEYS = {"task", "horizon", "metric", "budget", "form", "predicted", "low", "high"}
BET_KEYS |= {"before", "exponent", "factor", "floor", "data", "studies"}


def bet_on(group: Group, budget: int | None) -> dict[str, Any] | None:
    """Return the prediction for a budget, by default the next one; None without a law."""
    answer = answer_of(group.cells)
    if answer.refusal:
        return None
    budget = budget or next_budgets(group.cells)[0]
    predicted, low, high = answer.predicted(math.log(budget))
    law = answer.best.law
    last = [cell for cell in group.cells if cell.budget == group.budgets[-1]]
    return {
        "task": group.task,
        "horizon": group.horizon,
        "metric": group.metric,
        "loss": group.loss,
        "budget": budget,
        "form": answer.best.form,
        "predicted": predicted,
        "low": low,
        "high": high,
        "before": min(cell.loss for cell in last),
        "exponent": answer.best.exponent,
        "factor": float(law.factor[0]),
        "floor": float(law.floor[0]),
        "data": evaluated_on(last[0].view),
        "studies": sorted(cell.view.study.key for cell in group.cells),
    }


def write_bets(
    path: Path, groups: Sequence[Group], budget: int | None, now: datetime
) -> list[dict[str, Any]]:
    """Write a bet for each group that has a law; return them. Raises UsageError."""
    bets = [bet for group in groups if (bet := bet_on(group, budget))]
    if bets:
        content = {"version": VERSION, "made": now.isoformat(" ", "seconds"), "bets": bets}
        write_atomic(path, f"{json.dumps(content, indent=1)}\n".encode())
    return bets


def read_bets(path: Path) -> tuple[datetime, list[dict[str, Any]]]:
    """Return when a file of bets was made, and the bets. Raises UsageError."""
    try:
        content = json.loads(path.read_bytes())
        made, bets = datetime.fromisoformat(content["made"]), content["bets"]
        if content["version"] == VERSION and all(bet.keys() >= BET_KEYS for bet in bets):
            return made, bets
    except OSError as error:
        raise UsageError(f"--bet {shown_path(path)}: {error.strerror}") from None
    except (ValueError, LookupError, AttributeError, TypeError):
        pass
    raise UsageError(
        f"--bet {shown_path(path)} exists and is no file of bets; choose another file"
    )


def said(bet: dict[str, Any]) -> str:
    """Return a bet as a sentence."""
    metric = f"{'confirmed ' if is_confirmed(bet) else ''}{text_of(bet['metric'])}"
    return (
        f"{about(bet)}: {metric} {text_of(bet['predicted'])},"
        f" {text_of(bet['low'])} to {text_of(bet['high'])}, by {bet['form']};"
        f" the budget before has {text_of(bet['before'])}."
    )


def is_confirmed(bet: dict[str, Any]) -> bool:
    """Return whether a bet is on a mean over seeds, not on the loss of a single trial."""
    return bool(bet.get("loss") == "confirmed")


def about(bet: dict[str, Any]) -> str:
    """Return what a bet is on: `2M, threshold_1pct, horizon 1`."""
    words = [format_budget(bet["budget"])]
    words += [] if bet["task"] is None else [text_of(bet["task"])]
    words += [] if bet["horizon"] is None else [f"horizon {text_of(bet['horizon'])}"]
    return ", ".join(words)


def outcome(bet: dict[str, Any], made: datetime, views: Sequence[StudyView]) -> str:
    """Return how a bet ended, as a sentence."""
    found = [view for view in views if answers(bet, view)]
    if not found:
        return f"{said(bet)} Its study is not among the logs."
    if late := [view for view in found if began(view) > made]:
        return f"{said(bet)} {compared(bet, late[-1])}"
    return f"{said(bet)} {found[-1].name} does not count: it began before the bet was made."


def answers(bet: dict[str, Any], view: StudyView) -> bool:
    """Return whether a study is the one that a bet is about."""
    stated = view.study.about
    same = all(stated.get(name) == bet[name] for name in ("task", "horizon", "budget"))
    return same and view.metric == bet["metric"] and no_loss(view) is None


def began(view: StudyView) -> datetime:
    """Return when the first trial of a study started; long ago if that is not known."""
    times = [trial.datetime_start for trial in view.study.rows if trial.datetime_start]
    return min(times, default=datetime(1, 1, 1))


def compared(bet: dict[str, Any], view: StudyView) -> str:
    """Return a bet beside what its study found, at the size of the model that won."""
    if evaluated_on(view) != bet["data"]:
        return f"{view.name} does not count: it has other data or labels."
    if is_confirmed(bet) and not repeated(view):
        return f"{view.name} does not count yet: no configuration was trained more than once."
    cell = cell_of(view, confirmed=is_confirmed(bet))
    size = PARAMETERS.size(cell.winner) or float(bet["budget"])
    law = bet["factor"] * size ** -bet["exponent"] + bet["floor"]
    low, high = (law * bet[end] / bet["predicted"] for end in ("low", "high"))
    verdict = "Won" if low <= cell.loss <= high else "Lost"
    ended = [trial for trial in view.study.rows if trial.state != "RUNNING"]
    if view.total and len(ended) < view.total:
        verdict += f" so far, after {len(ended)} of {view.total} trials"
    return (
        f"{verdict}: {view.name} found {text_of(cell.loss)} with"
        f" {size:,.0f} parameters, for which the bet is {text_of(law)}, {text_of(low)} to"
        f" {text_of(high)}. The bet misses by {abs(law / cell.loss - 1):.2%}, the rule"
        f' "as the budget before" by {abs(bet["before"] / cell.loss - 1):.2%}.'
    )
