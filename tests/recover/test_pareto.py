"""`--pareto`: the trials of a log that no other one beats in all columns asked for."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hpo_script.machinery.pareto_front import pareto_front
from recover_samples import SampleLog2
from recover_trials.cli import main

NUMBERS = st.one_of(st.integers(0, 4).map(float), st.floats(allow_nan=False))
POINTS = st.integers(1, 4).flatmap(lambda size: st.lists(st.tuples(*[NUMBERS] * size)))
TWO = """\
[I 2026-03-01 10:00:00,001] A new study created in memory with name: two
[I 2026-03-01 10:01:10,120] Trial 0 finished with values: [0.5, 2.0] and parameters: {'x': 1}.
[I 2026-03-01 10:01:20,120] Trial 1 finished with values: [0.25, 1.0] and parameters: {'x': 2}.
[I 2026-03-01 10:01:30,120] Trial 2 finished with values: [0.75, 1.0] and parameters: {'x': 3}.
"""


@given(POINTS)
def test_a_front_has_the_points_that_no_other_one_beats(points: list[tuple[float, ...]]) -> None:
    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    undominated = {p for p in points if not any(beats(other, p) for other in points)}
    assert pareto_front(points) == undominated


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12))
def test_a_front_is_that_of_optuna(points: list[tuple[float, float]]) -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    study.add_trials([optuna.trial.create_trial(values=point) for point in points])
    best = {tuple(trial.values) for trial in study.best_trials}
    assert pareto_front(points) == best


def text_log() -> SampleLog2:
    """Return a log of F1 and calibration: 0 and 3 are on the front, 2 is beaten, 1 is a rerun."""
    log = SampleLog2()
    log.open_run(metric="macro_f1", direction="maximize")
    for number, (score, ece, more) in enumerate(
        [
            (0.8, 0.2, {}),
            (0.9, 0.1, {"rerun_of": 0}),
            (0.7, 0.2, {}),
            (0.6, 0.1, {}),
            (0.9, None, {}),
        ]
    ):
        log.start(number, **more)
        log.end(number, value=score, macro_f1=score, ece=ece, **more)
    log.start(5)
    log.end(5, state="PRUNED", value=0.95, macro_f1=0.95, ece=0.05)
    return log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a.log"
    path.write_text("".join(f"{line}\n" for line in text_log().lines))
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.mark.parametrize("columns", ["macro_f1,ece", "value,user_attrs_ece", "ece:minimize,value"])
def test_reruns_and_trials_without_both_numbers_are_on_no_front(log: Path, columns: str) -> None:
    found = run(log, "--pareto", columns)
    assert found.exit_code == 0, found.output
    numbers = [row["number"] for row in csv.DictReader(io.StringIO(found.stdout))]
    assert numbers == (["3", "0"] if columns.startswith("ece") else ["0", "3"])


def test_every_format_has_the_front(log: Path, tmp_path: Path) -> None:
    front = run(log, "--pareto", "macro_f1,ece", "--format", "json").stdout
    assert [trial["trial_number"] for trial in json.loads(front)["studies"][0]["trials"]] == [0, 3]
    table = run(log, "--pareto", "macro_f1,ece", "--format", "table").stdout.splitlines()
    assert table[1].split()[:5] == ["number", "state", "value", "macro_f1", "ece"]
    assert [line.lstrip("* ").split()[0] for line in table[2:4]] == ["0", "3"]
    lines = run(log, "--pareto", "macro_f1,ece", "--format", "jsonl").stdout.splitlines()
    assert (
        len(lines) == len(run(log, "--pareto", "value,ece", "--top", "2").stdout.splitlines()) - 1
    )
    folder = tmp_path / "trials"
    run(log, "--pareto", "macro_f1,ece", "--format", "trial_files", "--output", folder)
    assert len([*folder.iterdir()]) == 2


def test_the_script_s_second_metric_and_several_values_are_known_as_values(tmp_path: Path) -> None:
    both = text_log()
    both.lines.pop(0)
    log = SampleLog2()
    log.open_run(
        metric="macro_f1", direction="maximize", second_metric="ece", second_direction="minimize"
    )
    path = tmp_path / "b.log"
    path.write_text("".join(f"{line}\n" for line in [*log.lines, *both.lines]))
    assert run(path, "--pareto", "values").stdout == run(path, "--pareto", "value,ece").stdout
    path.write_text(TWO)
    refused = run(path, "--pareto", "values")
    assert refused.exit_code == 2
    assert "write values_0:minimize or values_0:maximize" in refused.stderr
    found = run(path, "--pareto", "values_0:minimize,values_1:maximize", "--columns", "number")
    assert found.stdout.split() == ["number", "1", "0"]


def test_the_objectives_of_a_storage_are_known(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/two.db"
    study = optuna.create_study(storage=storage, directions=["maximize", "minimize"])
    for values in [(0.5, 2.0), (0.25, 1.0), (0.75, 1.0)]:
        study.add_trial(optuna.trial.create_trial(values=values))
    found = run(tmp_path / "two.db", "--pareto", "values", "--columns", "number")
    assert found.stdout.split() == ["number", "2"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("value,ec", "error: no column ec; did you mean ece? the columns are number, value"),
        ("value,dropout", "error: the direction of dropout is unknown; write dropout:minimize or"),
        ("value,ece:down", "error: ece:down: write ece:minimize or ece:maximize"),
        ("ece", "error: ece: a Pareto front needs two columns, such as value,ece"),
        ("values", "error: hpo_2M_h1: its trials have one value; name two columns"),
    ],
)
def test_columns_that_are_no_objectives_are_refused(log: Path, columns: str, message: str) -> None:
    found = run(log, "--pareto", columns)
    assert (found.exit_code, found.stdout) == (2, "")
    assert message in found.stderr
