"""`hpogen report --scaling`: intervals on planted laws, studies that do not qualify, bets."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hpogen.cli import main
from hpogen.report.study_table import COLUMNS
from hpogen.report.view import StudyView
from hpogen.scaling.curve_fit import fit
from hpogen.scaling.exponent_interval import answer_of
from hpogen.scaling.held_out import held_out
from hpogen.scaling.learning_rate import rate_law
from hpogen.scaling.next_runs import next_plans
from hpogen.scaling.parameters_and_compute import AXES
from hpogen.scaling.sentences import Scaling
from hpogen.scaling.studies_that_qualify import Group, groups_of
from ladders import SPACE, Truth, architecture_of, end_trial, study_log, write_ladder
from recover_samples import SampleLog2, recover, recover_one

BUDGETS = [50_000, 100_000, 200_000, 400_000, 800_000, 1_600_000]
TRUTH = Truth(noise=0.002)


def report(*arguments: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def text_of(*arguments: object) -> str:
    """Return the output of the command on one line."""
    return " ".join(report(*arguments).stdout.split())


def group_from(logs: list[SampleLog2], *keep: str) -> Group:
    """Return the only group of logs."""
    views = [StudyView(study) for study in recover(*(log.lines for log in logs)).studies]
    (group,) = groups_of(views, keep)
    return group


def ladder(truth: Truth = TRUTH, budgets: list[int] = BUDGETS) -> list[SampleLog2]:
    """Return a log per budget."""
    return [study_log(truth, budget) for budget in budgets]


@pytest.fixture(scope="module")
def logs() -> list[SampleLog2]:
    return ladder()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_ladder(tmp_path_factory.mktemp("ladder"), TRUTH, BUDGETS)


@pytest.mark.parametrize(
    ("factor", "exponent", "floor"), [(20, 0.3, 0), (200, 0.5, 0.3), (30, 0.3, 1.5)]
)
def test_a_law_without_noise_is_found(factor: float, exponent: float, floor: float) -> None:
    sizes = np.geomspace(5e4, 5e7, 7)
    law = fit(np.log(sizes), np.log(factor * sizes**-exponent + floor), offset=True)
    assert law.exponent[0] == pytest.approx(exponent, abs=0.001)
    assert law.floor[0] == pytest.approx(floor, abs=0.002)
    assert law.factor[0] == pytest.approx(factor, rel=0.01)
    assert abs(law.errors).max() < 1e-4


def test_one_odd_point_hardly_turns_the_curve() -> None:
    sizes = np.geomspace(5e4, 5e7, 7)
    losses = np.log(20 * sizes**-0.3)
    losses[1] += 0.5
    assert fit(np.log(sizes), losses, offset=False).exponent[0] == pytest.approx(0.3, abs=0.02)


def test_growing_losses_have_a_negative_exponent() -> None:
    sizes = np.geomspace(5e4, 5e7, 7)
    assert fit(np.log(sizes), np.log(sizes**0.2), offset=False).exponent[0] == pytest.approx(-0.2)


def test_a_planted_law_lies_in_its_interval_against_each_size(logs: list[SampleLog2]) -> None:
    group = group_from(logs)
    assert not group.left_out
    low, high = answer_of(group.cells).interval
    assert low <= TRUTH.exponent <= high < low + 0.1
    answers = [answer_of(group.cells, axis) for axis in AXES]
    assert [a.axis.key for a in answers if a.refusal] == []


def test_the_largest_budget_is_predicted_better_than_by_the_budget_before(
    logs: list[SampleLog2],
) -> None:
    found = held_out(group_from(logs).cells)
    assert found
    assert found.cell.budget == BUDGETS[-1]
    assert abs(found.predicted[0] - found.cell.loss) < abs(found.before - found.cell.loss) / 3


def test_the_best_learning_rate_falls_with_size_as_planted(logs: list[SampleLog2]) -> None:
    law = rate_law(group_from(logs).cells)
    assert law
    assert law.interval[0] <= -0.5 <= law.interval[1]


@pytest.mark.parametrize(("n", "n_fits"), [(3, 0), (4, 1), (5, 2)])
def test_too_few_budgets_are_refused(n: int, n_fits: int, logs: list[SampleLog2]) -> None:
    answer = answer_of(group_from(logs[:n]).cells)
    assert len(answer.fits) == n_fits
    assert bool(answer.refusal) == (n == 3)


def test_no_gain_is_an_answer(tmp_path: Path) -> None:
    flat = Truth(factor=0.5, exponent=0.0, noise=0.01)
    done = report("--scaling", *write_ladder(tmp_path, flat, BUDGETS))
    assert done.exit_code == 0, done.output
    assert "No gain with size is shown" in done.stdout


def at_edge() -> SampleLog2:
    return study_log(replace(TRUTH, best_rate=0.1), BUDGETS[0])


def other(**about: object) -> Callable[[], SampleLog2]:
    """Return a study with other facts in its run line."""
    return lambda: study_log(TRUTH, BUDGETS[0], **about)


def one_trial(curve: list[float] | None = None, **attributes: object) -> SampleLog2:
    """Return a study of one trial."""
    arch = architecture_of(BUDGETS[0])
    log = SampleLog2()
    log.open_run(budget=BUDGETS[0], data_sha256="ab" * 32, search_space=SPACE)
    params = {"learning_rate": 0.001, "dropout": 0.0}
    end_trial(log, 0, 0.5, arch, params, curve=curve, **attributes)
    return log


@pytest.mark.parametrize(
    ("study", "kind", "reason"),
    [
        (at_edge, "edge", "at the edge: learning_rate"),
        (other(data_sha256="cd" * 32), "data", "data_sha256 cdcdcdcdcdcd instead of abababababab"),
        (other(val_samples=7), "data", "val_samples 7 instead of 9"),
        (other(baselines={"prior": {"val_loss": 0.01}}), "baseline", "not better than prior"),
        (lambda: one_trial(collapsed=True), "collapsed", "is collapsed"),
        (lambda: one_trial([0.6, 0.5]), "unconverged", "still fell at its end"),
        (other(smoke=True), None, "smoke run"),
        (other(direction="maximize"), None, "a power law needs a loss"),
    ],
)
def test_a_study_that_does_not_qualify_is_named_with_its_reason(
    study: Callable[[], SampleLog2], kind: str | None, reason: str
) -> None:
    others = [study_log(TRUTH, budget, val_samples=9) for budget in BUDGETS[1:5]]
    group = group_from([study(), *others])
    assert [reason in line for _, lines in group.left_out for line in lines] == [True]
    assert len(group.cells) == 4
    if kind:
        kept = group_from([study(), *others], kind)
        assert len(kept.cells) == 5
        assert any("is kept: " in remark for remark in kept.remarks)


@pytest.mark.parametrize("marked", [False, True])
def test_confirmed_losses_are_means_over_seeds(marked: bool) -> None:
    logs = []
    for budget in BUDGETS[:4]:
        log = study_log(TRUTH, budget)
        again = {"rerun_of": 7} if marked else {}
        for number, loss in enumerate((0.9, 0.8, 0.7), 20):
            params = {"learning_rate": 0.001, "dropout": 0.1}
            end_trial(
                log, number, loss, architecture_of(budget), params, config_id="again", **again
            )
        logs.append(log)
    cells = group_from(logs).cells
    assert [(cell.loss, cell.seeds) for cell in cells] == [(pytest.approx(0.8), 3)] * 4


def test_the_law_of_smoothed_and_confirmed_losses_stands_beside_that_of_the_best() -> None:
    logs = ladder(Truth(noise=0.01))
    for log, budget in zip(logs[1:], BUDGETS[1:], strict=True):
        arch, params = architecture_of(budget), {"learning_rate": 0.001, "dropout": 0.1}
        loss = TRUTH.loss(arch["param_count"])
        for number, share in enumerate((0.995, 1.0, 1.005), 20):
            end_trial(log, number, share * loss, arch, params, rerun_of=7)
    law = Scaling(group_from(logs))
    assert law.group.loss == "best"  # the smallest budget has no reruns
    assert list(law.by_loss) == ["smoothed", "confirmed"]
    for answer in law.by_loss.values():
        low, high = answer.interval
        assert low <= TRUTH.exponent <= high
    head, rows = law.cells_table
    confirmed = [row[head.index("confirmed")] for row in rows]
    assert confirmed[0] == ""
    assert all(confirmed[1:])
    assert any(row[0] == "smoothed loss, all parameters" for row in law.exponents_table[1])


def test_a_plan_fits_into_its_hours_and_narrows_the_interval() -> None:
    answer = answer_of(group_from(ladder(Truth(noise=0.01))).cells)
    plans = next_plans(answer, 3.0)
    assert plans
    assert all(0 < plan.hours <= 3.0 for plan in plans)
    assert plans[0].width < answer.interval[1] - answer.interval[0]
    assert next_plans(answer, 1e-6) == []


def test_the_regret_of_transferred_settings_is_shown_once_they_were_tried(
    tmp_path: Path,
) -> None:
    logs = {f"hpo_{budget // 1000}K_h1": study_log(TRUTH, budget) for budget in BUDGETS[:4]}
    files = [tmp_path / f"{name}.log" for name in logs]
    for _ in range(2):
        for path, log in zip(files, logs.values(), strict=True):
            path.write_text("".join(f"{line}\n" for line in log.lines))
        said = text_of("--scaling", *files, "--transfer", tmp_path / "untried")
        for name, log in logs.items():
            (arch,) = {
                t.user_attrs["param_count"]: t for t in recover_one(log.lines).rows
            }.values()
            try_all(log, arch.user_attrs, tmp_path / "untried" / f"{name}.json")
    assert "Regret of transferred settings best of at 50K at 100K" in said
    assert "The best settings of another budget cost 25.00% on average" in said


def try_all(log: SampleLog2, attributes: dict[str, Any], path: Path) -> None:
    """Let a study try the configurations of a file, each a quarter worse than its best trial."""
    arch = {name: attributes[name] for name in architecture_of(BUDGETS[0])}
    best = min(trial.values[0] for trial in recover_one(log.lines).rows)
    for number, configuration in enumerate(json.loads(path.read_bytes()), 20):
        params = {name: configuration[name] for name in ("learning_rate", "dropout")}
        end_trial(log, number, 1.25 * best, arch, params)


def test_a_bet_is_written_once_and_compared_with_the_later_study(
    files: list[Path], tmp_path: Path
) -> None:
    bet = tmp_path / "bet.json"
    command = ["--scaling", "--bet", bet, "--bet-budget", "1.6M"]
    said = text_of(*command, *files[:5])
    assert "Written: 1.6M, threshold_1pct, horizon 1: val_loss" in said
    written = bet.read_bytes()
    assert "is not among the logs" in text_of(*command, *files[:5])
    assert "began before the bet was made" in text_of(*command, *files)
    content = json.loads(written)
    bet.write_text(json.dumps({**content, "made": "2020-01-01 00:00:00"}))
    assert "Won: hpo_1600K_h1 found" in text_of(*command, *files)
    cut = files[5].read_text().splitlines(keepends=True)
    (tmp_path / "cut.log").write_text("".join(cut[: len(cut) // 2]))
    said = text_of(*command, *files[:5], tmp_path / "cut.log")
    assert re.search("(Won|Lost) so far, after [0-9]+ of 20 trials: hpo_1600K_h1 found", said)
    content["bets"][0] |= {"low": 0.1, "high": 0.1, "predicted": 0.1}
    bet.write_text(json.dumps({**content, "made": "2020-01-01 00:00:00"}))
    assert "Lost: hpo_1600K_h1 found" in text_of(*command, *files)


def test_a_bet_on_confirmed_losses_is_compared_with_a_confirmed_loss(tmp_path: Path) -> None:
    files = []
    for budget in BUDGETS:
        arch, params = architecture_of(budget), {"learning_rate": 0.001, "dropout": 0.1}
        log = study_log(Truth(noise=0.05), budget)
        end_trial(log, 20, 1.02 * TRUTH.loss(arch["param_count"]), arch, params, rerun_of=7)
        files.append(tmp_path / f"{budget}.log")
        files[-1].write_text("".join(f"{line}\n" for line in log.lines))
        end_trial(log, 21, 1.04 * TRUTH.loss(arch["param_count"]), arch, params, rerun_of=7)
        if budget != BUDGETS[-1]:
            files[-1].write_text("".join(f"{line}\n" for line in log.lines))
    bet = tmp_path / "bet.json"
    command = ["--scaling", "--bet", bet, "--bet-budget", "1.6M"]
    assert "Written: 1.6M, threshold_1pct, horizon 1: confirmed val_loss" in text_of(
        *command, *files[:-1]
    )
    bet.write_text(json.dumps({**json.loads(bet.read_bytes()), "made": "2020-01-01 00:00:00"}))
    assert "no configuration was trained more than once" in text_of(*command, *files)
    files[-1].write_text("".join(f"{line}\n" for line in log.lines))
    loss = 1.03 * TRUTH.loss(architecture_of(BUDGETS[-1])["param_count"])
    assert f"Won: hpo_1600K_h1 found {loss:.5g} with" in text_of(*command, *files)


def test_the_budget_of_a_bet_needs_a_bet(files: list[Path]) -> None:
    done = report("--scaling", *files, "--bet-budget", "1.6M")
    assert (done.exit_code, done.stderr) == (2, "error: --bet-budget needs --bet FILE\n")


def test_studies_that_are_left_out_come_with_the_options_that_keep_them(tmp_path: Path) -> None:
    paths = [tmp_path / f"{budget}.log" for budget in BUDGETS]
    for path, budget in zip(paths, BUDGETS, strict=True):
        log = study_log(TRUTH, budget, baselines={"prior": {"val_loss": 0.01}})
        path.write_text("\n".join(log.lines))
    done = report("--scaling", *paths)
    (hint,) = [line for line in done.stdout.splitlines() if line.startswith("To fit them")]
    options = hint.partition(": ")[2].split()
    assert options == ["--keep", "baseline"]
    assert (done.exit_code, report("--scaling", *paths, *options).exit_code) == (1, 0)


def test_no_other_file_is_taken_for_a_bet(files: list[Path]) -> None:
    before = files[0].read_bytes()
    done = report("--scaling", *files, "--bet", files[0])
    assert done.exit_code == 2
    assert "no file of bets" in done.stderr
    assert files[0].read_bytes() == before


def test_the_page_has_the_law_before_the_studies(files: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    assert report("--scaling", *files, "--html", page).exit_code == 0
    text = page.read_text()
    assert text.index("Scaling law: threshold_1pct, horizon 1") < text.index('id="study-0"')
    assert '"law-0-loss-compute"' in text


def test_without_a_law_the_exit_code_is_1(files: list[Path]) -> None:
    done = report("--scaling", *files[:3])
    assert done.exit_code == 1
    assert "3 budgets; a law needs at least 4" in done.stdout


def test_an_option_of_scaling_alone_is_refused(files: list[Path]) -> None:
    done = report(*files, "--hours", "3")
    assert (done.exit_code, done.stderr) == (2, "error: --hours needs --scaling\n")


def test_the_table_has_a_row_for_each_study_also_a_failed_one(
    files: list[Path], tmp_path: Path
) -> None:
    failed = SampleLog2()
    failed.open_run(name="=hostile", n_trials=1)
    failed.start(0)
    failed.end(0, "FAIL", None, fail_reason="oom", error="no memory")
    log, table = tmp_path / "failed.log", tmp_path / "t.csv"
    log.write_text("".join(f"{line}\n" for line in failed.lines))
    for _ in range(2):  # written anew, not appended to
        assert report(*files[:1], log, "--table", table).exit_code == 0
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert len(COLUMNS) == 22
    assert [(row["experiment"], row["status"]) for row in rows] == [
        ("hpo_50K_h1", "success"),
        ("'=hostile", "failed"),
    ]
    assert rows[1]["error_message"] == "oom: no memory"
    assert report(*files, "--table", log).exit_code == 2
