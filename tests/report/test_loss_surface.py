"""Laws of size and training tokens: planted laws, refusals, tables of nanochat's sweep."""

from __future__ import annotations

import re
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from hpogen.cli import main
from hpogen.report.view import StudyView
from hpogen.scaling.loss_surface import (
    Surface,
    SurfaceFit,
    fit_surface,
    non_negative,
    refusal_of,
    surfaces,
)
from hpogen.scaling.surface_sentences import surface_of
from hpogen.scaling.training_runs import Run, compute_budgets
from recover_trials import read_trials

TRUTH = Surface(0.34, 0.37, 0.5, 10.0, 20.0)
SIZE_EXPONENT = TRUTH.beta / (TRUTH.alpha + TRUTH.beta)


def best_size(flops: float) -> float:
    """Return the size of the lowest loss at a compute of 6·N·D, from the derivative of the law."""
    ratio = TRUTH.alpha * TRUTH.size_factor / (TRUTH.beta * TRUTH.token_factor)
    return float(ratio ** (1 / (TRUTH.alpha + TRUTH.beta)) * (flops / 6) ** SIZE_EXPONENT)


HEADER = (
    "flops_budget,depth,params_wte,params_lm_head,params_transformer,params_total,"
    "tokens_trained,val_bpb"
)


def runs(budgets: int = 4, sizes: int = 5) -> list[Run]:
    """Return runs without noise: sizes from a quarter to four times the best one."""
    found = []
    for flops in np.geomspace(1e18, 1e19, budgets):
        for factor in np.geomspace(1 / 4, 4, sizes):
            size = best_size(flops) * factor
            tokens = flops / 6 / size
            found.append(Run(f"r{len(found)}", size, tokens, flops, TRUTH.loss(size, tokens)))
    return found


@pytest.fixture(scope="module")
def fitted() -> SurfaceFit:
    return fit_surface(runs())


def law_of(used: list[Run]) -> Surface:
    """Return the law of runs without draws."""
    columns = np.array([(run.size, run.tokens, run.loss) for run in used]).T
    return surfaces(columns[:, None], 20)[0]


def test_a_law_without_noise_is_found(fitted: SurfaceFit) -> None:
    for name in ("alpha", "beta", "floor"):
        assert getattr(fitted.law, name) == pytest.approx(getattr(TRUTH, name), rel=0.02)
        low, high = fitted.interval(attrgetter(name))
        assert low - 0.01 < getattr(TRUTH, name) < high + 0.01
    assert fitted.size_exponent(TRUTH) == pytest.approx(SIZE_EXPONENT, abs=0.003)
    assert fitted.size_exponent(fitted.law) == pytest.approx(SIZE_EXPONENT, abs=0.02)
    assert fitted.share_at_bound == 0


def test_exponents_do_not_depend_on_units() -> None:
    noise = np.random.default_rng(0).normal(1, 0.003, 20)
    plain = [
        replace_loss(run, run.loss * factor) for run, factor in zip(runs(), noise, strict=True)
    ]
    scaled = [Run(r.name, r.size / 1e6, r.tokens / 1e9, r.flops, r.loss * 3) for r in plain]
    one, other = law_of(plain), law_of(scaled)
    assert (one.alpha, one.beta) == pytest.approx((other.alpha, other.beta), rel=1e-6)
    assert other.floor == pytest.approx(3 * one.floor, rel=1e-6)


def replace_loss(run: Run, loss: float) -> Run:
    return run._replace(loss=float(loss))


def test_the_best_size_is_that_of_the_runs_compute(fitted: SurfaceFit) -> None:
    assert fitted.optimum(TRUTH, 3e18)[0] == pytest.approx(best_size(3e18), rel=0.01)
    assert np.isnan(fitted.optimum(replace(TRUTH, token_factor=0.0), 3e18)[0])
    # If a convention counts 5·sqrt(N), the best model stays the same.
    other = [run._replace(size=5 * run.size**0.5) for run in fitted.runs]
    law = replace(TRUTH, alpha=2 * TRUTH.alpha, size_factor=TRUTH.size_factor * 25**TRUTH.alpha)
    found = replace(fitted, runs=other)
    assert found.optimum(law, 3e18)[0] == pytest.approx(5 * best_size(3e18) ** 0.5, rel=0.01)
    assert found.size_exponent(law) == pytest.approx(SIZE_EXPONENT / 2, abs=0.003)


@given(st.integers(0, 10**6))
def test_factors_are_those_of_another_solver_of_non_negative_least_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(1, 8, 3)) + rng.uniform(0, 2)
    found = non_negative(design, np.ones((1, 8)))[0]
    assert found == pytest.approx(nnls(design[0], np.ones(8))[0], abs=1e-5)


def test_too_few_runs_sizes_or_lengths_are_refused() -> None:
    whole = runs()
    assert refusal_of(whole) == ""
    assert refusal_of(whole[:11]) == "11 runs; a law of size and tokens needs at least 12"
    two = [run._replace(size=[1e8, 2e8][index % 2]) for index, run in enumerate(whole)]
    assert refusal_of(two) == "2 different sizes; a law needs at least 3"
    short = [run._replace(tokens=1e9) for run in whole]
    assert refusal_of(short) == "1 different numbers of tokens; a law needs at least 3"


def test_a_best_size_at_the_edge_is_marked() -> None:
    small, large = runs(budgets=2)[:5], runs(budgets=2)[5:]
    cut = [run for run in small if run.size <= small[3].size][:4]
    cut[3] = cut[3]._replace(loss=0.1)  # the largest one is the best
    found = compute_budgets([*cut, *large])
    assert [budget.at_edge for budget in found] == [True, False]
    assert compute_budgets(large[:3]) == []


def test_runs_of_other_data_are_no_law_and_equal_runs_count_once(tmp_path: Path) -> None:
    first = sweep(tmp_path)
    rows = first.read_text().splitlines()
    (tmp_path / "other").mkdir()
    second = tmp_path / "other" / "results.csv"
    lines = [row.rpartition(",") for row in rows[1:]]
    changed = [f"{left},{float(loss) * 2.7}" for left, _, loss in lines]
    second.write_text("\n".join([rows[0], *changed]) + "\n")
    found = report(first, second)
    assert found.exit_code == 1
    assert "may be of different data or tokenizers" in " ".join(found.stdout.split())
    second.write_text(first.read_text())
    text = " ".join(report(first, second).stdout.split())
    assert "20 training runs" in text
    assert "it is equal to" in text


def test_trials_of_a_search_script_are_no_training_runs() -> None:
    path = Path(__file__).parents[2] / "experiments" / "scaling" / "48K.log.gz"
    assert surface_of([StudyView(study) for study in read_trials([path]).studies]) is None


def sweep(folder: Path) -> Path:
    """Write the table of a sweep whose law counts matrices and the output head."""
    lines = [HEADER]
    for flops in (1e18, 2e18, 4e18, 8e18):
        for depth in (4, 6, 8, 10, 12):
            width = 64 * depth
            matrices, head = 12 * depth * width**2, 32768 * width
            tokens = round(flops / 6 / (matrices + head))
            loss = TRUTH.loss(matrices + head, tokens)
            counts = f"{head},{head},{matrices},{matrices + 2 * head}"
            lines.append(f"{flops:.0e},{depth},{counts},{tokens},{loss:.6f}")
    lines.append("8e+18,14,,,,,1000,2.5")
    path = folder / "results.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def report(*arguments: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["report", "--scaling", *map(str, arguments)])


def test_a_sweep_has_a_law_for_each_convention_and_a_page(tmp_path: Path) -> None:
    found = report(sweep(tmp_path), "--html", tmp_path / "page.html", "--text")
    assert found.exit_code == 0, found.output
    text = " ".join(found.stdout.split())
    assert "Scaling law: val_bpb 20 training runs" in text
    assert "run 20: its number of parameters is unknown" in text
    rows = re.findall(
        r"(all parameters|matrices and head|matrices only) 20 (\S+) \S+ \S+ (\S+)", text
    )
    (all_parameters, *_), (_, alpha, beta), (only, *_) = rows
    assert (all_parameters, only) == ("all parameters", "matrices only")
    assert (float(alpha), float(beta)) == pytest.approx((0.34, 0.37), abs=0.02)
    page = (tmp_path / "page.html").read_text()
    assert "Runs of equal compute" in page
    assert "Loss against size at equal compute" in page


def test_few_runs_of_a_sweep_are_refused(tmp_path: Path) -> None:
    path = sweep(tmp_path)
    path.write_text("\n".join(path.read_text().splitlines()[:8]) + "\n")
    found = report(path)
    assert found.exit_code == 1
    text = " ".join(found.stdout.split())
    assert "No law of size and tokens is fitted: 7 runs; a law of size and tokens needs" in text
