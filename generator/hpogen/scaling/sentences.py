"""A scaling law in words and tables, which the text and the page share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hpogen.grid.budget import format_budget
from hpogen.report.study_verdict import Verdict
from hpogen.report.words import count, duration, plural, text_of
from hpogen.scaling.exponent_interval import LEAST, Answer, Fit, answer_of
from hpogen.scaling.held_out import HeldOut, held_out
from hpogen.scaling.learning_rate import RateLaw, optimum_of, rate_law
from hpogen.scaling.next_runs import Plan, next_plans
from hpogen.scaling.parameters_and_compute import AXES
from hpogen.scaling.studies_that_qualify import LOSSES, Cell, Group
from hpogen.scaling.surface_sentences import SurfaceReport, surface_of
from hpogen.scaling.transfer import conclusion, matrix

Table = tuple[list[str], list[list[str]]]


@dataclass
class Scaling:
    """The law of a group, with everything that a report says about it.

    Attributes:
        hours: for the plan of what to run next; None without one.
        bets: sentences about bets on this group.
    """

    group: Group
    hours: float | None = None
    bets: list[str] = field(default_factory=list)

    @cached_property
    def answers(self) -> list[Answer]:
        return [answer_of(self.group.cells, axis) for axis in AXES]

    @property
    def main(self) -> Answer:
        """Return the law against all parameters."""
        return self.answers[0]

    @cached_property
    def by_loss(self) -> dict[str, Answer]:
        """Return the laws of the other kinds of loss, of those that have enough budgets."""
        cells = self.group.cells
        answers = {
            kind: answer_of([cell.by_loss[kind] for cell in cells if kind in cell.by_loss])
            for kind in self.other_losses
        }
        return {kind: answer for kind, answer in answers.items() if not answer.refusal}

    @cached_property
    def other_losses(self) -> list[str]:
        """Return the kinds of loss, besides that of the law, that some study has."""
        known = {kind for cell in self.group.cells for kind in cell.by_loss}
        return [kind for kind in LOSSES if kind in known and kind != self.group.loss]

    @cached_property
    def held_out(self) -> HeldOut | None:
        return held_out(self.group.cells)

    @cached_property
    def rates(self) -> RateLaw | None:
        return rate_law(self.group.cells)

    @cached_property
    def plans(self) -> list[Plan]:
        return next_plans(self.main, self.hours) if self.hours else []

    @cached_property
    def surface(self) -> SurfaceReport | None:
        """Return the law of size and tokens, of logs of training runs."""
        return surface_of(self.group.views)

    @property
    def is_fitted(self) -> bool:
        return not self.main.refusal or bool(self.surface and self.surface.fits)

    @property
    def by_budget(self) -> bool:
        """Return whether to show the law of the best losses of studies; training runs lack it."""
        return not self.main.refusal or self.surface is None

    @property
    def title(self) -> str:
        return self.group.title

    # --- Sentences -------------------------------------------------------------------------------

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Return the sentences, the answer first."""
        found = list(self.surface.verdicts) if self.surface else []
        if not self.main.refusal:
            found += [lead(self.main), *(Verdict("note", text) for text in doubts(self.main))]
            found += [Verdict("note", text) for text in self.further()]
        return found or [Verdict("bad", f"No law is fitted: {self.main.refusal}.")]

    def further(self) -> list[str]:
        """Return the sentences on the held-out budget and the learning rate."""
        found = []
        if self.held_out:
            found.append(about_held_out(self.held_out))
        if self.rates:
            found.append(about_rates(self.rates))
        return found

    # --- Tables ----------------------------------------------------------------------------------

    @cached_property
    def cells_table(self) -> Table:
        """Return the studies that qualify, with sizes, loss and learning rate."""
        head = ["budget", "study", "trial", "parameters", "no embed.", "matrices", "FLOP", "time"]
        head += ["loss", "of", *self.other_losses, "lr*", "95 %"]
        return head, [cell_row(cell, self.other_losses) for cell in self.group.cells]

    @cached_property
    def exponents_table(self) -> Table:
        """Return every form against every measure of size."""
        head = ["against", "form", "α", "95 %", "c", "AICc", "at a bound"]
        rows = []
        for answer in self.answers:
            rows += [fit_row(answer, fit) for fit in answer.fits]
            if answer.refusal:
                rows.append([answer.axis.title, f"not fitted: {answer.refusal}", *[""] * 5])
        for kind, answer in self.by_loss.items():
            rows += [fit_row(answer, fit, f"{kind} loss, ") for fit in answer.fits]
        return head, rows

    @cached_property
    def plans_table(self) -> Table:
        """Return the plans for the given hours."""
        head = ["run", "time", "width of the interval of α", "change"]
        now = self.main.width
        rows = []
        for plan in self.plans:
            run = " and ".join(f"{n} trials of {format_budget(b)}" for b, n in plan.studies)
            change = f"{plan.width / now - 1:+.0%}" if now else ""
            rows.append([run, duration(3600 * plan.hours), f"{plan.width:.3f}", change])
        return head, rows

    @cached_property
    def transfer_table(self) -> Table | None:
        """Return the regrets between budgets; None if no transfer was tried."""
        return matrix(self.group.cells) if self.transfer_caption else None

    @cached_property
    def transfer_caption(self) -> str:
        return conclusion(self.group.cells)

    @property
    def plans_caption(self) -> str:
        """Say how the plans were made, or why there are none."""
        if not self.plans:
            return f"No study of ten trials fits into {text_of(self.hours)} hours."
        now = self.main.width
        return (
            f"The interval is {now:.3f} wide now. Times are of the device of the logs, widths"
            " simulated from the fit."
        )


def cell_row(cell: Cell, other_losses: Sequence[str]) -> list[str]:
    """Return a study as a row, with further kinds of loss."""
    *sizes, seconds = (cell.size(axis) for axis in AXES)
    best = optimum_of(cell)
    return [
        format_budget(cell.budget),
        cell.name,
        str(cell.winner.number),
        *(count(size) if size else "" for size in sizes),
        duration(seconds) if seconds else "",
        text_of(cell.loss),
        cell.source_of_loss,
        *(text_of(cell.by_loss[k].loss) if k in cell.by_loss else "" for k in other_losses),
        f"{best.rate:.2g}" if best else "",
        f"{best.low:.2g} to {best.high:.2g}" if best else "",
    ]


def lead(answer: Answer) -> Verdict:
    """Return the answer in a sentence."""
    low, high = answer.interval
    fit = answer.best
    if not answer.has_gain:
        plain = answer.plain
        return Verdict(
            "note",
            "No gain with size is shown: the 95 % interval of α,"
            f" {plain.interval[0]:.3f} to {plain.interval[1]:.3f}, includes 0.",
        )
    return Verdict(
        "good",
        f"The loss falls as N^-α with α = {fit.exponent:.3f}, 95 % interval {low:.3f} to"
        f" {high:.3f}, against all parameters ({formula(fit)}).",
    )


def formula(fit: Fit) -> str:
    """Return a fitted curve: `3.1·N^-0.25 + 0.4`."""
    factor, floor = float(fit.law.factor[0]), float(fit.law.floor[0])
    return f"{factor:.4g}·N^-{fit.exponent:.4g}" + (f" + {floor:.4g}" if fit.offset else "")


def doubts(answer: Answer) -> list[str]:
    """Return how the form was chosen, and which results are at a bound."""
    found = []
    if len(answer.fits) == 1:
        found.append(
            f"Only a·N^-α is fitted, because a·N^-α + c needs {LEAST[True]} budgets. If a part of"
            " the loss remains at any size, the true exponent is larger."
        )
    else:
        best, other = answer.fits
        difference = other.aicc - best.aicc
        text = f"AICc prefers {best.form} to {other.form} by {difference:.1f}"
        covers = "; the interval covers both forms" if len(answer.standing) > 1 else ""
        found.append(f"{text}{covers}.")
    for fit in answer.fits:
        if fit.law.at_bound[0]:
            found.append(f"{fit.form}: α is at an end of its range, so its value means nothing.")
        elif fit.share_at_bound > 0.05:
            share = f"{fit.share_at_bound:.0%} of the draws"
            found.append(f"{fit.form}: α reaches an end of its range in {share}.")
        if fit.share_without_floor > 0.05:
            found.append(f"{fit.form}: c is 0 in {fit.share_without_floor:.0%} of the draws.")
    return found


def fit_row(answer: Answer, fit: Fit, before: str = "") -> list[str]:
    """Return a form as a row of the table of exponents."""
    low, high = fit.interval
    chosen = " (chosen)" if fit is answer.best and len(answer.fits) > 1 else ""
    return [
        f"{before}{answer.axis.title}",
        f"{fit.form}{chosen}",
        f"{fit.exponent:.3f}",
        f"{low:.3f} to {high:.3f}",
        text_of(float(fit.law.floor[0])) if fit.offset else "",
        f"{fit.aicc:.1f}",
        f"{fit.share_at_bound:.0%}",
    ]


def about_held_out(found: HeldOut) -> str:
    """Say how well the other budgets predict the largest one."""
    predicted, low, high = found.predicted
    place = "inside" if found.is_inside else "outside"
    return (
        f"Held out: the other budgets predict {text_of(predicted)}, {text_of(low)} to"
        f" {text_of(high)}, for {found.cell.name}; its {text_of(found.cell.loss)} is {place}. The"
        f' law misses by {abs(predicted / found.cell.loss - 1):.2%}, the rule "as the budget'
        f' before" by {abs(found.before / found.cell.loss - 1):.2%}.'
    )


def about_rates(rates: RateLaw) -> str:
    """Say how the best learning rate changes with size."""
    low, high = rates.interval
    return (
        f"Learning rate: lr*(N) = {rates.at_million:.2g}·(N / 1M)^{rates.slope:.2f}, 95 % interval"
        f" of the exponent {low:.2f} to {high:.2f}"
        + ("; it includes 0." if low <= 0 <= high else ".")
    )


def left_out_lines(law: Scaling) -> list[str]:
    """Return the studies that were left out, or the training runs, with their reasons."""
    if law.surface and not law.by_budget:
        return law.surface.left_out
    lines = [f"{name}: {'; '.join(reasons)}" for name, reasons in law.group.left_out]
    flags = " ".join(f"--keep {kind}" for kind in sorted(law.group.faults))
    return lines + ([f"To fit them in spite of this: {flags}"] if flags else [])


def sized(law: Scaling) -> str:
    """Return how many budgets qualify, and their range, or the number of training runs."""
    group = law.group
    if law.surface and not law.by_budget:
        return plural(len(law.surface.first.used), "training run")
    if not group.budgets:
        return "no study qualifies"
    ends = f"{format_budget(group.budgets[0])} to {format_budget(group.budgets[-1])}"
    return f"{plural(len(group.budgets), 'budget')}, {ends}"


def curve_of(fit: Fit, sizes: Sequence[float]) -> list[float]:
    """Return the fitted curve at sizes."""
    return [float(loss) for loss in fit.law.at([math.log(size) for size in sizes])[0]]
