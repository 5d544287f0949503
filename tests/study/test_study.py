"""Real studies: rendered, run in a folder of their own, and compared with their logs."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hpo_script.machinery.log_file import read_log
from scripts import (
    MARKET,
    QUICK,
    TEXT,
    changed,
    edit,
    load,
    log_of,
    read_json,
    render_to,
    result_of,
    run,
    run_cold,
    study_of,
    table,
)

pytestmark = pytest.mark.study


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, sp500_file: Path) -> Path:
    """Return the script of a finished study with complete and pruned trials."""
    folder = tmp_path_factory.mktemp("finished")
    config = changed(
        MARKET,
        study={"n_trials": 9},
        options={"start": "none"},
        data={"data_path": str(sp500_file)},
        splits={"train_subset": 0.3},
        fixed={"epochs": 3},
        pruner={"n_startup_trials": 1, "n_min_trials": 1},
    )
    script = render_to(folder, config)
    done = run_cold(script)
    assert done.returncode == 0, done.stderr
    return script


def test_an_isolated_python_runs_a_study_of_complete_and_pruned_trials(finished: Path) -> None:
    states = [trial.state for trial in study_of(finished).trials.values()]
    assert len(states) == 9
    assert set(states) == {"COMPLETE", "PRUNED"}


def test_a_value_is_the_best_evaluation(finished: Path) -> None:
    for trial in study_of(finished).trials.values():
        values = [point["val_loss"] for point in trial.curve]
        known = trial.attributes
        assert known["val_loss"] == min(values)
        assert trial.value == (min(values) if trial.state == "COMPLETE" else values[-1])
        assert known["best_epoch"] == values.index(min(values)) + 1
        assert known["epochs_trained"] == len(values)


def test_extreme_k_is_trial_k_and_never_pruned(finished: Path) -> None:
    extremes = load(finished)["EXTREME_INDICES"]
    trials = study_of(finished).trials
    assert len(extremes) >= 4
    for number, (arch_idx, ends) in enumerate(extremes.items()):
        known = trials[number].attributes
        assert (known["arch_idx"], known["extreme"]) == (arch_idx, ends)
        assert (known["kind"], trials[number].state) == ("extreme", "COMPLETE")
    kinds = {trials[number].attributes["kind"] for number in range(len(extremes), 9)}
    assert kinds == {"search"}


def test_recorded_sizes_are_those_of_the_architecture_list(finished: Path) -> None:
    rows = load(finished)["ARCHITECTURES"]
    for trial in study_of(finished).trials.values():
        known = trial.attributes
        found = {name: known[name] for name in rows[0] if name != "params"}
        assert {**found, "params": known["param_count"]} == rows[known["arch_idx"]]


def test_every_end_line_has_the_cost_of_its_trial(finished: Path) -> None:
    for trial in study_of(finished).trials.values():
        known = trial.attributes
        n_samples = known["epochs_trained"] * round(3462 * 0.3)
        assert known["samples_per_second"] == pytest.approx(n_samples / known["train_seconds"])
        assert known["peak_memory_bytes"] > 1e7
        assert known["train_flops"] > 6 * n_samples * known["param_count"]
        assert 0 < known["train_seconds"] <= known["seconds"]


def test_results_are_those_of_the_log(finished: Path) -> None:
    out = finished.parent / "outputs" / finished.stem
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == [
        "best_params.json",
        "trials.csv",
    ]
    study = study_of(finished)
    best = study.best("minimize")
    assert best is not None
    found = read_json(out / "best_params.json")
    assert (found["best_trial"], found["best_value"]) == (best.number, best.value)
    assert found["best_params"].items() <= best.attributes.items()
    assert found["best_user_attrs"]["arch_idx"] == best.attributes["arch_idx"]
    rows = list(csv.DictReader(io.StringIO((out / "trials.csv").read_text())))
    for row, trial in zip(rows, study.trials.values(), strict=True):
        assert (int(row["number"]), row["state"]) == (trial.number, trial.state)
        assert float(row["value"]) == trial.value
        assert float(row["params_learning_rate"]) == trial.attributes["learning_rate"]
    values = [float(row["value"]) for row in rows if row["state"] == "COMPLETE"]
    assert min(values) == best.value


def test_recover_trials_reads_the_same_study(finished: Path) -> None:
    from recover_trials import read_trials

    recovery = read_trials([log_of(finished)])
    assert recovery.problems == []
    (study,) = recovery.studies
    for row, trial in zip(study.rows, study_of(finished).trials.values(), strict=True):
        assert (row.number, row.state, row.value) == (trial.number, trial.state, trial.value)
        assert row.params.items() <= trial.attributes.items()
        assert row.user_attrs["learning_curve"] == trial.curve
        assert row.flags == []


def test_start_lines_match_the_pattern_that_users_have(finished: Path) -> None:
    pattern = (
        r"Trial (\d+): arch_idx=(\d+), d_model=(\d+), n_layers=(\d+), n_heads=(\d+),"
        r" params=([\d,]+), lr=([\d.e-]+), epochs=(\d+), batch_size=(\d+)"
    )
    found = re.findall(pattern, log_of(finished).read_text())
    assert [int(match[0]) for match in found] == list(range(9))


def test_a_run_of_a_finished_study_trains_nothing_and_restores_its_results(
    finished: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(finished.parent, tmp_path / "copy")) / finished.name
    before, trials = table(copy), study_of(copy).trials
    shutil.rmtree(copy.parent / "outputs")
    assert run(copy).returncode == 0
    assert table(copy) == before
    assert study_of(copy).trials == trials


def test_repeat_compares_every_evaluation_of_a_trial(finished: Path, tmp_path: Path) -> None:
    files = {p: p.read_bytes() for p in finished.parent.rglob("*") if p.is_file()}
    done = run(finished, "--repeat", "3")
    *points, last = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert all(point.endswith("} as recorded") for point in points)
    assert (len(points), last) == (3, "trial 3: the same")
    assert {p: p.read_bytes() for p in finished.parent.rglob("*") if p.is_file()} == files

    copy = Path(shutil.copy(finished, tmp_path))
    edit(copy, ('"beta1": 0.9,', '"beta1": 0.9001,'))
    differs = run(copy, "--repeat", "3", "--log", str(log_of(finished)))
    assert differs.returncode == 0, "a trial is repeated with the parameters of the log"
    edit(copy, ("math.cos(math.pi", "math.cos(3.1"))
    differs = run(copy, "--repeat", "3", "--log", str(log_of(finished)))
    assert differs.returncode == 1
    assert differs.stdout.endswith("trial 3: NOT the same\n")
    assert run(finished, "--repeat", "99").returncode == 2


FAIL_AT = "        self.model = task.build_model("
RAISE = """\
        if key[1] in {numbers}:
            raise {error}
        self.model = task.build_model("""


def test_a_trial_that_raises_fails_and_the_study_continues(sp500: Path, tmp_path: Path) -> None:
    error = 'KeyError("a\\n[I 2026-01-01 00:00:00,000] Trial 9 ended: ' + "'quoted' \\u202e\")"
    script = render_to(tmp_path, QUICK)
    edit(script, (FAIL_AT, RAISE.format(numbers={1}, error=error)))
    done = run(script)
    assert done.returncode == 0, done.stderr
    trials = study_of(script).trials
    assert [trial.state for trial in trials.values()] == ["COMPLETE", "FAIL", "COMPLETE"]
    known = trials[1].attributes
    assert (trials[1].value, known["fail_reason"]) == (None, "error")
    assert known["error"].startswith("KeyError: ")
    assert re.fullmatch(rf"{script.name}:\d+ in __init__", known["where"])
    best = read_json(tmp_path / "outputs" / script.stem / "best_params.json")
    assert (best["best_trial"] != 1, best["failed"]) == (True, 1)


def test_a_study_without_a_complete_trial_has_no_best(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, QUICK)
    edit(script, (FAIL_AT, RAISE.format(numbers={0, 1, 2}, error='RuntimeError("no")')))
    done = run(script)
    assert done.returncode == 1
    assert not (tmp_path / "outputs" / script.stem / "best_params.json").exists()
    assert [row["state"] for row in table(script)] == ["FAIL"] * 3
    assert (result_of(done)["best_trial"], result_of(done)["failed"]) == (None, 3)


def test_a_loss_that_is_not_finite_is_named(sp500: Path, tmp_path: Path) -> None:
    line = "    return F.binary_cross_entropy_with_logits(logits, targets)"
    script = edit(render_to(tmp_path, QUICK), (f"{line}\n", f"{line} * float('nan')\n"))
    assert run(script).returncode == 1
    for trial in study_of(script).trials.values():
        assert trial.attributes["fail_reason"] == "diverged"
        assert trial.attributes["error"] == "DivergedError: train_loss is nan at epoch 1"


BATCH = "        inputs, targets = task.training_batch(indices)\n"


def test_a_trial_that_runs_out_of_memory_is_tried_with_half(sp500: Path, tmp_path: Path) -> None:
    out_of_memory = """\
        if len(indices) > 64:
            raise torch.OutOfMemoryError("CUDA out of memory")
"""
    config = changed(QUICK, study={"n_trials": 1}, fixed={"batch_size": 256})
    script = edit(render_to(tmp_path, config), (BATCH, BATCH + out_of_memory))
    done = run(script)
    assert done.returncode == 0, done.stderr
    known = study_of(script).trials[0].attributes
    assert (known["micro_batch"], known["accumulation_steps"]) == (64, 4)
    log = log_of(script).read_text()
    assert log.count("Trial 0 resumed: ") == 2
    assert ", micro_batch=128, " in log


def test_a_trial_that_never_fits_fails_with_the_curve_of_its_last_attempt(
    sp500: Path, tmp_path: Path
) -> None:
    config = changed(QUICK, study={"n_trials": 1}, fixed={"epochs": 2, "batch_size": 256})
    script = edit(
        render_to(tmp_path, config),
        (
            BATCH,
            BATCH + "        model.calls = getattr(model, 'calls', 0) + 1\n"
            "        if size < 256 or model.calls > 3:\n"
            "            raise torch.OutOfMemoryError('out of memory')\n",
        ),
    )
    assert run(script).returncode == 1
    trial = study_of(script).trials[0]
    assert trial.attributes["fail_reason"] == "oom"
    assert trial.curve == []
    assert "Trial 0 epoch 1: " in log_of(script).read_text()


def test_a_machine_without_room_for_any_architecture_starts_no_trial(
    sp500: Path, tmp_path: Path
) -> None:
    script = edit(render_to(tmp_path, QUICK), ("int(free * 0.92)", "int(free * 0.0)"))
    done = run(script)
    assert done.returncode == 2
    assert "error: no architecture fits this machine" in done.stderr
    assert not (tmp_path / "logs").exists()


def test_memory_that_others_took_ends_the_run_and_no_trial(sp500: Path, tmp_path: Path) -> None:
    free = "free_memory(self.device), most"
    taken = f'0 if Path("taken").exists() else {free}'
    script = edit(render_to(tmp_path, QUICK), (free, taken))
    assert run(script, "--n-trials", "1").returncode == 0
    (tmp_path / "taken").touch()
    for _ in range(2):
        done = run(script)
        assert done.returncode == 75
        assert "memory: " in done.stderr
        assert "run the same command again" in done.stderr
    (tmp_path / "taken").unlink()
    assert run(script).returncode == 0
    trials = study_of(script).trials.values()
    assert [trial.state for trial in trials] == ["COMPLETE"] * 3


def test_an_extreme_that_wins_is_the_winner_everywhere(sp500: Path, tmp_path: Path) -> None:
    script = edit(
        render_to(tmp_path, QUICK),
        (
            "            metrics = self.task.evaluate(self.model, micro_batch)\n",
            "            metrics = self.task.evaluate(self.model, micro_batch)\n"
            "            number = self.key[1]\n"
            "            metrics['val_loss'] = 0.01 if number == 1 else 0.5 + number / 100\n",
        ),
    )
    done = run(script)
    assert done.returncode == 0, done.stderr
    winner = study_of(script).trials[1]
    assert winner.attributes["kind"] == "extreme"
    best = read_json(tmp_path / "outputs" / script.stem / "best_params.json")
    assert (best["best_trial"], best["best_value"]) == (1, 0.01)
    assert best["best_user_attrs"]["arch_idx"] == winner.attributes["arch_idx"]
    assert (result_of(done)["best_trial"], result_of(done)["best_value"]) == (1, 0.01)
    assert "best: trial 1, val_loss 0.01\n" in done.stderr


SPY = """\
def spy(value: object) -> None:
    with open("spy.jsonl", "a") as file:
        file.write(json.dumps(value) + "\\n")


def learning_rate("""


def test_recorded_parameters_are_those_trained_with(sp500: Path, tmp_path: Path) -> None:
    config = changed(
        QUICK,
        options={"start": "none"},
        search={
            "weight_decay": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
            "warmup_steps": {"type": "int", "low": 2, "high": 4},
            "epochs": {"type": "categorical", "choices": [2, 3]},
            "batch_size": {"type": "categorical", "choices": [64, 128]},
        },
        fixed={"weight_decay": None, "warmup_steps": None, "epochs": None, "batch_size": None},
    )
    script = edit(
        render_to(tmp_path, config),
        ("def learning_rate(", SPY),
        (
            "        self.optimizer.step()\n",
            "        self.optimizer.step()\n"
            "        spy([self.key[1], rate, self.optimizer.param_groups[0]['weight_decay'],"
            " len(batch), self.model.model.dropout.p,"
            " sum(p.numel() for p in self.model.parameters())])\n",
        ),
    )
    done = run(script)
    assert done.returncode == 0, done.stderr
    steps: dict[int, list[list[float]]] = {}
    for line in (tmp_path / "spy.jsonl").read_text().splitlines():
        number, *rest = json.loads(line)
        steps.setdefault(number, []).append(rest)
    for trial in study_of(script).trials.values():
        known, rows = trial.attributes, steps[trial.number]
        assert len(rows) == known["epochs"] * -(-346 // known["batch_size"])
        rates = [row[0] for row in rows]
        assert max(rates) == pytest.approx(known["learning_rate"])
        peak = rates.index(max(rates))
        assert peak in (known["warmup_steps"] - 1, known["warmup_steps"])
        assert {row[1] for row in rows} == {known["weight_decay"]}
        assert rows[0][2] == known["batch_size"]
        assert {row[3] for row in rows} == {known["dropout"]}
        assert {row[4] for row in rows} == {known["param_count"]}


def test_a_repeated_configuration_is_marked_and_has_other_streams(
    sp500: Path, tmp_path: Path
) -> None:
    config = changed(
        QUICK,
        study={"n_trials": 6},
        architecture={"n_heads": [2], "d_ff_ratio": [4]},
        search={
            "learning_rate": None,
            "dropout": None,
            "epochs": {"type": "categorical", "choices": [1, 2]},
        },
        fixed={"epochs": None, "learning_rate": 0.003, "dropout": 0.1},
    )
    script = render_to(tmp_path, config)
    assert run(script).returncode == 0
    groups: dict[str, list[Any]] = {}
    for trial in study_of(script).trials.values():
        groups.setdefault(trial.attributes["config_id"], []).append(trial)
    assert max(len(group) for group in groups.values()) > 1  # 4 configurations, 6 trials
    for group in groups.values():
        assert len({trial.value for trial in group}) == len(group)
        assert {trial.attributes["kind"] for trial in group[1:]} <= {"repeat"}
        assert {t.attributes["repeat_of"] for t in group[1:]} <= {group[0].number}


@pytest.mark.parametrize("family", ["market", "text"])
def test_a_smoke_run_is_real_short_and_apart(
    family: str, sp500: Path, text: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, MARKET if family == "market" else TEXT)
    for _ in range(2):  # each in a new log
        done = run(script, "--smoke")
        assert done.returncode == 0, done.stderr
        log = f"logs/{script.stem}-smoke.log"
        assert f"smoke test: log in {log}\n" in done.stderr
        assert result_of(done)["log"] == log
        study = read_log(tmp_path / log).study
        (about,) = study.runs.values()
        assert about["smoke"] is True
        trials = study.trials.values()
        assert [trial.state for trial in trials] == ["COMPLETE"] * 2
        for trial in trials:
            assert (trial.attributes["kind"], len(trial.curve)) == ("smoke", 2)
        sizes = [trial.attributes["param_count"] for trial in trials]
        assert sizes[0] < sizes[1]
    assert not (tmp_path / "outputs" / script.stem).exists()


def test_a_smoke_run_leaves_given_places_of_real_results_alone(
    sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, changed(QUICK, study={"n_trials": 1}))
    given = ["--out", "res", "--log", "res.log"]
    assert run(script, *given).returncode == 0
    paths = [tmp_path / "res" / "trials.csv", tmp_path / "res.log"]
    before = [path.read_bytes() for path in paths]
    assert run(script, *given, "--smoke").returncode == 0
    assert [path.read_bytes() for path in paths] == before
    assert (tmp_path / "res-smoke").is_dir()


def test_each_log_has_its_own_results(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(QUICK, study={"n_trials": 1}))
    assert run(script).returncode == 0
    paths = list((tmp_path / "outputs" / script.stem).glob("*.*"))
    before = [path.read_bytes() for path in paths]
    assert run(script, "--log", "logs/v1.5.log", "--seed", "7").returncode == 0
    assert [path.read_bytes() for path in paths] == before
    names = sorted(path.name for path in (tmp_path / "outputs" / "v1.5").glob("*.*"))
    assert names == ["best_params.json", "trials.csv"]


def test_a_language_model_learns(text: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(TEXT, fixed={"steps": 60, "eval_interval": 20}))
    done = run(script)
    assert done.returncode == 0, done.stderr
    for trial in study_of(script).trials.values():
        bits = [point["bits_per_byte"] for point in trial.curve]
        assert bits[-1] < bits[0] < 8.5
        assert trial.attributes["tokens"] == 60 * 16 * 32
        assert [point["step"] for point in trial.curve] == [20, 40, 60]


def test_the_direction_of_the_metric_decides_what_is_better(text: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(TEXT, study={"n_trials": 1}))
    script.write_text(script.read_text().replace("bits_per_byte", "surprise"))
    done = run(script)
    best = result_of(done)
    for name, metrics in best["baselines"].items():
        assert metrics["surprise"] < best["best_value"]
        assert f"is NOT better than the {name} with" in done.stderr


@pytest.mark.parametrize("family", ["market", "text"])
def test_a_dry_run_checks_everything_and_writes_nothing(
    family: str, sp500: Path, text: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, MARKET if family == "market" else TEXT)
    before = sorted(tmp_path.rglob("*"))
    done = run(script, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "differ from their model's: 0, outside" in done.stdout
    assert "Nothing was trained." in done.stdout
    assert "baselines       class prior: val_loss " in done.stdout or family == "text"
    assert not re.search(r"\{|\d\.\d{8}", done.stdout)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_estimates_times_and_says_what_may_spoil_a_study(
    sp500: Path, tmp_path: Path
) -> None:
    epochs = {"type": "categorical", "choices": [1, 50]}
    config = changed(MARKET, search={"epochs": epochs}, fixed={"epochs": None})
    script = render_to(tmp_path, config)
    done = run(script, "--dry-run")
    trial = r" trial: arch_idx \d+, \d+:\d\d:\d\d of training, timed\n"
    assert re.search(f"largest{trial}median{trial}3 median trials: ", done.stdout), done.stdout
    said = "a trial ends before the pruner may act, with epochs=1, batch_size=256, warmup_steps=5"
    assert done.stderr == f"warning: {said}\n"
    slow = {"timeout_hours": 1e-9, "n_trials": 10**6}
    script = render_to(tmp_path, changed(config, study=slow, fixed={"warmup_steps": 8}))
    done = run(edit(script, ("10**10 if", "1 if")), "--dry-run")
    assert len(re.findall("from FLOPs, at the speed of one timed layer", done.stdout)) == 2
    assert "warning: the warm-up is longer than half of a trial, with epochs=1, " in done.stderr
    assert "warning: the study may take longer than TIMEOUT_HOURS, 1e-09\n" in done.stderr
    assert run(script, "--dry-run", "--trial-seconds", "1").stderr == ""


def test_a_dry_run_finds_a_wrong_count(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, MARKET)
    row = next(r for r in script.read_text().splitlines() if r.startswith('    {"d_model"'))
    count = row.split('"params": ')[1].split("}")[0]
    edit(script, (row, row.replace(count, str(int(count) + 1))))
    done = run(script, "--dry-run")
    assert done.returncode == 1
    assert "differ from their model's: 1, outside" in done.stdout


def test_help_and_status_answer_without_packages_and_a_missing_one_is_named(
    finished: Path,
) -> None:
    bare = ("-I", "-S")  # no site-packages
    helped = run_cold(finished, "--help", options=bare)
    assert helped.returncode == 0
    assert "--n-trials" in helped.stdout
    status = run_cold(finished, "--status", options=bare)
    assert (status.returncode, status.stderr) == (0, "")
    assert result_of(status) == result_of(run(finished))
    missing = run_cold(finished, "--smoke", options=bare)
    assert missing.returncode == 3
    assert "is not installed: python -m pip install numpy optuna pandas torch" in missing.stderr


def test_a_file_that_is_no_log_is_refused_and_left_as_it_is(sp500: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("a line\nanother line\n")
    done = run(render_to(tmp_path, QUICK), "--log", "notes.txt")
    assert done.returncode == 2
    assert "error: notes.txt is no log of a script; give another --log\n" in done.stderr
    assert notes.read_text() == "a line\nanother line\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n-trials", "0"], "--n-trials 0 is not a whole number above 0"),
        (["--n-trials", "x"], "argument --n-trials: invalid int value: 'x'"),
        (["--trial-seconds", "nan"], "--trial-seconds nan is not a number above 0"),
        (["--checkpoint-minutes", "x"], "argument --checkpoint-minutes: invalid float value: 'x'"),
        (["--n-tri", "3"], "unrecognized arguments: --n-tri 3"),
        (["--device", "tpu"], "--device tpu is not auto, cpu, cuda, cuda:N or mps"),
        (["--enqueue", "none.json"], "no such file: --enqueue none.json\n"),
        (["--history", "none.log"], "no such file: --history none.log\n"),
        (["--log", "."], "--log . is a folder, not a file"),
        (["--status", "--smoke"], "not allowed with argument"),
        (["--data", "none.csv"], "no such file: --data none.csv\n"),
    ],
)
def test_a_wrong_argument_is_refused_before_torch_is_imported(
    arguments: list[str], message: str, sp500: Path, tmp_path: Path
) -> None:
    done = run_cold(render_to(tmp_path, QUICK), *arguments, options=("-I", "-S"))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("usage: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "mps"], "error: --device mps: this machine or this torch lacks it"),
        (["--device", "cuda:63"], "error: --device cuda:63: this machine or this torch lacks it"),
        (["--out", "sp500.csv"], "error: "),
        (
            ["--log", "/proc/none/x.log"],
            "error: [Errno 2] No such file or directory: '/proc/none'",
        ),
    ],
)
def test_a_device_or_place_that_cannot_be_used_is_one_message(
    arguments: list[str], message: str, sp500: Path, tmp_path: Path
) -> None:
    done = run(render_to(tmp_path, QUICK), *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


def test_overrides_on_the_command_line_are_used_and_logged(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(QUICK, study={"n_trials": 5}))
    sp500.rename(tmp_path / "moved.csv")
    given = {"data": "moved.csv", "n_trials": "1", "seed": "7", "out": "there"}
    given["log"] = "there/study.log"
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    done = run(script, *(word.replace("_", "-") for word in words))
    assert done.returncode == 0, done.stderr
    study = read_log(tmp_path / "there" / "study.log").study
    (about,) = study.runs.values()
    assert len(study.trials) == 1
    assert (about["seed"], about["overrides"]) == (7, given)
    assert (tmp_path / "there" / "trials.csv").exists()
    assert not (tmp_path / "logs").exists()


def test_a_closed_terminal_does_not_end_the_run(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(QUICK, study={"n_trials": 2}))
    command = f"set -o pipefail; {sys.executable} -I {script.name} 2>&1 >/dev/null | true"
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    assert [trial.state for trial in study_of(script).trials.values()] == ["COMPLETE"] * 2
