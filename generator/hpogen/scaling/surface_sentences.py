"""A law of size and training tokens in words and tables, which the text and the page share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from hpogen.report.study_verdict import Verdict
from hpogen.report.view import StudyView
from hpogen.report.words import count, plural, text_of
from hpogen.scaling.loss_surface import Surface, SurfaceFit, fit_surface, refusal_of
from hpogen.scaling.training_runs import (
    ComputeBudget,
    Run,
    Runs,
    compute_budgets,
    runs_by_convention,
)

Table = tuple[list[str], list[list[str]]]
SURE = 0.05  # largest share of draws at a bound for a sure answer
MISS = 0.1  # relative difference from the law at which a run is named
MOST_MISSES = 0.1  # share of such runs beyond which no law is shown
NAMED = 5  # runs


@dataclass
class SurfaceReport:
    """The law of training runs by each convention of counting parameters.

    Attributes:
        conventions: at least one, that of all parameters first where the logs have it.
    """

    conventions: Sequence[Runs]

    @property
    def first(self) -> Runs:
        """Return the runs by the first convention that has enough of them."""
        enough = (runs for runs in self.conventions if not refusal_of(runs.used))
        return next(enough, self.conventions[0])

    @cached_property
    def refusal(self) -> str:
        """Return why no law is shown, empty if one is."""
        if few := refusal_of(self.first.used):
            return few
        n_missed, n_runs = len(misses(fit_surface(self.first.used))), len(self.first.used)
        if n_missed <= MOST_MISSES * n_runs:
            return ""
        return (
            f"{n_missed} of {n_runs} runs differ from it by more than {MISS:.0%}; the files may be"
            " of different data or tokenizers"
        )

    @cached_property
    def fits(self) -> dict[str, SurfaceFit]:
        """Return the laws by convention; empty if none is shown."""
        return {
            runs.convention: fit_surface(runs.used)
            for runs in self.conventions
            if not (self.refusal or refusal_of(runs.used))
        }

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Return the sentences, the law first."""
        if self.refusal:
            return [Verdict("bad", f"No law of size and tokens is fitted: {self.refusal}.")]
        fit = self.fits[self.first.convention]
        return [lead(fit, self.first.convention), *(Verdict("note", t) for t in self.doubts(fit))]

    def doubts(self, fit: SurfaceFit) -> Iterable[str]:
        """Yield the best ratio of tokens to parameters, and which results are at a bound."""
        if fit.law.at_bound:
            yield "An exponent or a factor is at an end of its range, so the best size is unknown."
        elif fit.share_at_bound > SURE:
            yield (
                "The best number of tokens per parameter is unknown: in"
                f" {fit.share_at_bound:.0%} of the draws, an exponent or a factor is at an end of"
                " its range."
            )
        else:
            low, high = fit.interval(fit.tokens_per_parameter)
            best = fit.tokens_per_parameter(fit.law)
            yield (
                f"The best number of tokens per parameter is {best:.3g}, 95 % interval {low:.3g}"
                f" to {high:.3g}, in the middle of the range of compute."
            )
        if missed := misses(fit):
            runs = ", ".join(f"{run.name} ({miss:+.0%})" for run, miss in missed[:NAMED])
            more = f" and {len(missed) - NAMED} more" if len(missed) > NAMED else ""
            yield (
                f"The loss of {plural(len(missed), 'run')} differs from the law by more than"
                f" {MISS:.0%}: {runs}{more}. A few such runs can move the exponents."
            )
        if edges := [budget for budget in self.budgets if budget.at_edge]:
            flops = ", ".join(count(budget.flops) for budget in edges)
            yield (
                f"The best size lies at the edge of the tried sizes for {flops} FLOP, which then"
                " show no optimum of their own."
            )

    @cached_property
    def budgets(self) -> Sequence[ComputeBudget]:
        return compute_budgets(self.first.used)

    @property
    def laws_table(self) -> Table:
        """Return the law of each convention; a: the best size grows as C^a. 95 % intervals."""
        head = ["parameters", "runs", "α", "β", "E", "a", "tokens each", "at a bound"]
        return head, [law_row(name, fit) for name, fit in self.fits.items()]

    @property
    def budgets_table(self) -> Table | None:
        """Return a row per compute budget: its best run, and the best size by the law."""
        fit = self.fits.get(self.first.convention)
        if not self.budgets or fit is None:
            return None
        head = ["FLOP", "runs", "sizes", "best run", "its loss", "best size by the law"]
        rows = []
        for budget in self.budgets:
            best = budget.best
            place = " (edge)" if budget.at_edge else ""
            by_law, _ = fit.optimum(fit.law, budget.flops)
            rows.append(
                [
                    count(budget.flops),
                    str(len(budget.runs)),
                    f"{count(budget.runs[0].size)} to {count(budget.runs[-1].size)}",
                    f"{count(best.size)}{place}",
                    text_of(best.loss),
                    count(by_law) if by_law == by_law else "",
                ]
            )
        return head, rows

    @property
    def left_out(self) -> list[str]:
        return [f"{name}: {reason}" for name, reason in self.first.left_out]


def surface_of(views: Sequence[StudyView]) -> SurfaceReport | None:
    """Return the law of the runs of logs; None for logs without numbers of training tokens."""
    conventions = runs_by_convention(views)
    return SurfaceReport(conventions) if conventions else None


def misses(fit: SurfaceFit) -> list[tuple[Run, float]]:
    """Return the runs that differ from the law by more than MISS, the largest difference first."""
    differences = [(run, run.loss / fit.law.loss(run.size, run.tokens) - 1) for run in fit.runs]
    return sorted(
        (pair for pair in differences if abs(pair[1]) > MISS), key=lambda pair: -abs(pair[1])
    )


def lead(fit: SurfaceFit, convention: str) -> Verdict:
    """Return the law in a sentence."""
    law = fit.law
    sentence = (
        f"L = {law.floor:.4g} + {law.size_factor:.4g}·N^-{law.alpha:.3f} + {law.token_factor:.4g}"
        f"·D^-{law.beta:.3f} for N {convention} and D tokens, from {plural(len(fit.runs), 'run')}."
    )
    if law.at_bound:
        return Verdict("note", sentence)
    exponent, (low, high) = fit.size_exponent(law), fit.interval(fit.size_exponent)
    return Verdict(
        "note" if fit.share_at_bound > SURE else "good",
        f"{sentence} The best size grows as C^{exponent:.2f} with the compute C, 95 %"
        f" interval of the exponent {low:.2f} to {high:.2f}.",
    )


def law_row(convention: str, fit: SurfaceFit) -> list[str]:
    """Return the law of a convention as a row."""
    cells = [convention, str(len(fit.runs))]
    names = ("alpha", "beta", "floor")
    values: list[Callable[[Surface], float]] = [attrgetter(name) for name in names]
    for value in (*values, fit.size_exponent):
        low, high = fit.interval(value)
        cells.append(f"{value(fit.law):.3f} [{low:.3f}, {high:.3f}]")
    ratio = "" if fit.law.at_bound else f"{fit.tokens_per_parameter(fit.law):.3g}"
    return [*cells, ratio, f"{fit.share_at_bound:.0%}"]
