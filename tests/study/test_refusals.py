"""Another experiment under an old log: refused by name, or used as history."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from scripts import (
    QUICK,
    changed,
    edit,
    log_of,
    mortal,
    render_to,
    result_of,
    run,
    run_until_done,
    study_of,
    table,
)

pytestmark = pytest.mark.study

VERSION_1 = Path(__file__).parents[1] / "data" / "version_1.log"
MORE = ("--n-trials", "4")
APART = ("--log", "logs/new.log", "--out", "outputs/new")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, sp500_file: Path) -> Path:
    """Return the script of a finished study."""
    folder = tmp_path_factory.mktemp("done")
    shutil.copy(sp500_file, folder)
    script = render_to(folder, QUICK)
    assert run(script).returncode == 0
    return script


@pytest.fixture
def script(done: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return Path(shutil.copytree(done.parent, tmp_path / "copy")) / done.name


def refusal(script: Path, *arguments: str) -> str:
    """Return the message of a run that is refused and changes nothing."""
    before = {path: path.read_bytes() for path in script.parent.rglob("*") if path.is_file()}
    found = run(script, *arguments)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("error: ")
    assert "Traceback" not in found.stderr
    after = {path: path.read_bytes() for path in script.parent.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before
    assert {path.suffix for path in after.keys() - before.keys()} <= {".lock"}
    return found.stderr


COMPARED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "metric": ({"metric": "auc"}, ['metric was "val_loss", is "auc"', "direction was "]),
    "splits": ({"splits": {"train_fraction": 0.6}}, ["settings.train_fraction was ", " is "]),
    "columns": ({"data": {"feature_columns": ["Open"]}}, ["settings.feature_columns was "]),
    "task": ({"task": "threshold_0.5pct"}, ["task was ", "1pct", "0.5pct"]),
    "patches": ({"model": {"stride": 10}}, ["settings.stride was "]),
}
RANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "range": (
        {"search": {"dropout": {"type": "float", "low": 0.0, "high": 0.2}}},
        ["search_space.dropout.attributes.high was 0.3, is 0.2"],
    ),
    "fixed": ({"fixed": {"weight_decay": 0.01}}, ["fixed_params.weight_decay was 0.001, is 0.01"]),
    "grid": (
        {"architecture": {"d_ff_ratio": [4]}},
        ["architectures_sha256 was ", "search_space.shape_idx.attributes.high was "],
    ),
    "skip": ({"architecture": {"skip": [0]}}, ["skip_indices was [], is [0]"]),
}


@pytest.mark.parametrize("kind", [*COMPARED, *RANGES])
def test_another_experiment_is_refused_naming_each_difference_and_the_way_on(
    kind: str, script: Path
) -> None:
    changes, names = {**COMPARED, **RANGES}[kind]
    script = render_to(script.parent, changed(QUICK, **changes)).rename(script)
    edit(script, (f'NAME = "{name_in(script)}"', f'NAME = "{script.stem}"'))
    said = refusal(script, *MORE)
    assert all(name in said for name in names), said
    assert f"logs/{script.stem}.log has trials of another experiment: " in said
    assert "give another --log and --out" in said
    assert (f"--history logs/{script.stem}.log" in said) == (kind in RANGES)


def name_in(script: Path) -> str:
    """Return the name that a script has in its constants."""
    line = next(row for row in script.read_text().splitlines() if row.startswith("NAME = "))
    name: str = json.loads(line.removeprefix("NAME = "))
    return name


def test_other_data_are_refused(script: Path) -> None:
    file = script.parent / "sp500.csv"
    file.write_text(file.read_text().replace("1999-01-04,1229.22998", "1999-01-04,1229.23"))
    assert "data_sha256 was " in refusal(script, *MORE)


def test_data_that_the_script_was_not_rendered_for_are_refused(
    sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, changed(QUICK, data={"data_sha256": "0" * 64}))
    said = refusal(script)
    assert said.startswith("error: sp500.csv: sha256 ")
    assert "--new-data" in said
    assert run(script, "--new-data", "--n-trials", "1").returncode == 0


def test_another_seed_or_pruner_is_noted_and_continues(script: Path) -> None:
    render_to(script.parent, changed(QUICK, pruner={"type": "none"}))
    found = run(script, "--seed", "7", *MORE)
    assert found.returncode == 0, found.stderr
    assert "warning: not as in the first run: seed was 42, is 7\n" in found.stderr
    assert "warning: not as in the first run: pruner.type was " in found.stderr
    trials = study_of(script).trials
    assert [trial.attributes["seed"] for trial in trials.values()] == [42, 42, 42, 7]


def test_a_log_of_version_1_is_refused_with_a_way_on(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, QUICK)
    log_of(script).parent.mkdir()
    shutil.copy(VERSION_1, log_of(script))
    said = refusal(script)
    assert f"logs/{script.stem}.log was written by another version of hpogen" in said
    assert "recover-trials reads it" in said
    assert "Give another --log" in said
    said = refusal(script, *APART, "--history", f"logs/{script.stem}.log")
    assert said.endswith(f"logs/{script.stem}.log: no log of a script of this version of hpogen\n")


EDITS = {
    "schedule": ("math.cos(math.pi", "math.cos(3.1"),
    "model": ("self.norm(self.blocks(x)).mean(1)", "self.blocks(x).mean(1)"),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edited_experiment_is_recognised_and_runs_in_a_new_log(what: str, script: Path) -> None:
    edit(script, EDITS[what])
    assert "code_sha256 was " in refusal(script, *MORE)
    found = run(script, *APART)
    assert found.returncode == 0, found.stderr
    assert result_of(found)["log"] == "logs/new.log"


def test_edited_machinery_continues_a_log(script: Path) -> None:
    edit(script, ("MOST_KILLS = 10", "MOST_KILLS = 11"))
    assert run(script, *MORE).returncode == 0


def test_an_edited_model_with_other_counts_is_counted_anew(script: Path) -> None:
    edit(script, ("nn.Linear(d_model, 1)", "nn.Linear(d_model, 1, False)"))
    found = run(script, *APART)
    assert found.returncode == 0, found.stderr
    rows = [json.loads(line.rstrip(",")) for line in script.read_text().splitlines()
            if line.startswith('    {"d_model"')]  # fmt: skip
    assert f"the model has {rows[-1]['params'] - 1:,} parameters" in found.stderr
    log = (script.parent / "logs" / "new.log").read_text()
    assert f" params={rows[-1]['params'] - 1:,}, " in log
    assert run(script, "--dry-run").returncode == 1


def test_comparable_trials_of_another_range_are_used_as_history(script: Path) -> None:
    assert run(script, "--n-trials", "6").returncode == 0
    tried = sorted(trial.attributes["dropout"] for trial in study_of(script).trials.values())
    n_inside, high = 3, tried[2]
    narrow = {"dropout": {"type": "float", "low": 0.0, "high": high}}
    sampler = {"type": "tpe", "n_startup_trials": 2}
    config = changed(QUICK, search=narrow, sampler=sampler, study={"n_trials": 5})
    render_to(script.parent, config)
    history = f"logs/{script.stem}.log"
    out = ("--out", f"outputs/{script.stem}")
    arguments = ("--log", "logs/narrow.log", *out, "--history", history)
    killed = Path(shutil.copytree(script.parent, script.parent.with_name("killed"))) / script.name
    found = run(script, *arguments)
    assert found.returncode == 0, found.stderr
    said = f"--history {history}: {n_inside} of 6 trials lie in this search space\n"
    assert said in found.stderr
    log = (script.parent / "logs" / "narrow.log").read_text()
    assert log.count(" history: from_study=") == n_inside
    assert [int(row["number"]) for row in table(script)] == list(range(5))
    assert all(float(row["params_dropout"]) <= high for row in table(script))
    # The same command again after a death adds no trial twice and gives the same table.
    assert run_until_done(mortal(killed, [(3, 1), (4, 1)]), *arguments) == 2
    assert table(killed) == table(script)
    again = (killed.parent / "logs" / "narrow.log").read_text()
    assert again.count(" history: from_study=") == n_inside


def test_the_histories_of_two_logs_are_used_once_each(script: Path) -> None:
    old = f"logs/{script.stem}.log"
    assert run(script, "--log", "logs/other.log", "--seed", "7", "--n-trials", "2").returncode == 0
    for history in (old, "logs/other.log", old):
        found = run(script, *APART, "--history", history, "--n-trials", "2")
        assert found.returncode == 0, found.stderr
    log = (script.parent / "logs" / "new.log").read_text()
    assert log.count(" history: from_study=") == 3 + 2


def test_the_trials_of_a_study_do_not_count_twice_as_its_history(script: Path) -> None:
    shutil.copy(log_of(script), log_of(script).with_name("copy.log"))
    found = run(script, "--history", "logs/copy.log", "--n-trials", "4")
    assert found.returncode == 0, found.stderr
    assert len(study_of(script).trials) == 4
    assert study_of(script).history == []


@pytest.mark.parametrize("kind", ["metric", "splits"])
def test_a_history_that_does_not_compare_is_refused(kind: str, script: Path) -> None:
    changes, names = COMPARED[kind]
    render_to(script.parent, changed(QUICK, **changes))
    said = refusal(script, *APART, "--history", f"logs/{script.stem}.log")
    assert f"error: --history logs/{script.stem}.log: " in said
    assert all(name in said for name in names), said


def test_a_history_that_is_no_log_is_refused(script: Path) -> None:
    said = refusal(script, *APART, "--history", "sp500.csv")
    assert said == "error: --history sp500.csv: no log of a script of this version of hpogen\n"


def enqueue(script: Path, configs: object, name: str = "next.json") -> tuple[str, str]:
    """Write configurations to a file; return the arguments that enqueue them."""
    text = configs if isinstance(configs, str) else json.dumps(configs)
    script.with_name(name).write_text(text)
    return "--enqueue", name


CONFIGS: list[dict[str, Any]] = [
    {"arch_idx": 0, "learning_rate": 0.002, "dropout": 0.25},
    {"dropout": 0.125},
    {"shape_idx": 1, "n_heads_idx": 1, "dropout": 0},
]


def kinds(script: Path) -> list[str]:
    """Return the kinds of the trials in order."""
    return [trial.attributes["kind"] for trial in study_of(script).trials.values()]


def test_enqueued_configurations_follow_the_extremes_once_each(
    sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, changed(QUICK, study={"n_trials": 8}))
    arguments = enqueue(script, CONFIGS)
    for total in ("2", "4", "8"):  # the same file again is the same command again
        found = run(script, *arguments, "--n-trials", total)
        assert found.returncode == 0, found.stderr
    assert kinds(script) == ["extreme"] * 3 + ["enqueued"] * 3 + ["search"] * 2
    known = [trial.attributes for trial in study_of(script).trials.values()][3:6]
    assert (known[0]["arch_idx"], known[0]["learning_rate"]) == (0, 0.002)
    assert [trial["dropout"] for trial in known] == [0.25, 0.125, 0.0]
    assert 0.001 <= known[1]["learning_rate"] <= 0.01
    assert (known[2]["shape_idx"], known[2]["n_heads_idx"]) == (1, 1)
    more = enqueue(script, [{"dropout": 0.03}], "more.json")
    assert run(script, *more, "--n-trials", "9").returncode == 0
    assert kinds(script)[8] == "enqueued"


def test_no_enqueued_configuration_is_lost_by_a_death(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(QUICK, study={"n_trials": 7}))
    arguments = enqueue(script, CONFIGS)
    assert run_until_done(mortal(script, [(3, 1), (5, 1)]), *arguments) == 2
    assert kinds(script) == ["extreme"] * 3 + ["enqueued"] * 3 + ["search"]
    known = [trial.attributes["dropout"] for trial in study_of(script).trials.values()]
    assert known[3:6] == [0.25, 0.125, 0.0]


def test_a_damaged_enqueued_line_costs_no_configuration(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(QUICK, study={"n_trials": 7}))
    arguments = enqueue(script, CONFIGS)
    assert run(script, *arguments, "--n-trials", "4").returncode == 0  # the first is used
    log = log_of(script)
    lines = log.read_text().splitlines(keepends=True)
    for number in (0, 1):
        (at,) = (i for i, line in enumerate(lines) if f'-{number}", trial_params' in line)
        lines[at] = lines[at].replace("enqueued: ", "enqueuef: ")
    log.write_text("".join(lines))
    found = run(script, *arguments)
    assert found.returncode == 0, found.stderr
    rows = table(script)
    assert [row["user_attrs_kind"] for row in rows[3:]] == ["enqueued"] * 3 + ["search"]
    assert sorted(float(row["params_dropout"]) for row in rows[3:6]) == [0.0, 0.125, 0.25]


@pytest.mark.parametrize(
    ("configs", "named"),
    [
        ([{}, {"learning_rat": 0.1}], ["[1]", "learning_rat: not searched"]),
        ([{"dropout": 9.0}], ["[0]", "dropout"]),
        ([{"dropout": "much"}], ["[0]"]),
        ([{}, {}, {"arch_idx": 99}], ["[2]", "arch_idx 99"]),
        ([{"arch_idx": "a"}], ["[0]", "arch_idx 'a'"]),
        ([{"arch_idx": [1]}], ["[0]"]),
        ([{"epochs": 3}], ["[0]", "epochs: not searched"]),
        ([{}, 5], ["[1]"]),
        ({"dropout": 0.1}, ["JSON list"]),
        ("no json", ["JSON list"]),
        ("[NaN", ["JSON list"]),
    ],
    ids=str,
)
def test_a_file_that_cannot_be_enqueued_is_refused_with_index_and_name(
    configs: object, named: list[str], script: Path
) -> None:
    said = refusal(script, *MORE, *enqueue(script, configs))
    assert said.startswith("error: --enqueue next.json: ")
    assert all(name in said for name in named), said
