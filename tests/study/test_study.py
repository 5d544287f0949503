"""Real studies: rendered, run alone in a folder, and rebuilt from the log."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from recover_trials import Study, Trial, read_trials
from scripts import MARKET, TEXT, changed, edit, load, read_json, render_to, run

pytestmark = pytest.mark.study


def study_of(script: Path) -> optuna.Study:
    """Return the study a script has written."""
    name = script.stem
    return optuna.load_study(
        study_name=name, storage=f"sqlite:///{script.parent}/outputs/{name}/study.db"
    )


def log_of(script: Path) -> Study:
    """Return the study as its log alone tells it."""
    recovery = read_trials([script.parent / "logs" / f"{script.stem}.log"])
    assert recovery.problems == []
    (study,) = recovery.studies
    return study


def assert_equal(found: Trial, known: FrozenTrial) -> None:
    """Compare a recovered trial with the study's own record, field by field."""
    assert found.number == known.number
    assert found.state == known.state.name
    assert found.value == known.value
    assert found.params == known.params
    assert found.user_attrs == known.user_attrs
    assert found.intermediate_values == known.intermediate_values
    assert found.datetime_start == known.datetime_start
    assert found.datetime_complete == known.datetime_complete
    assert found.flags == []


def assert_log_equals_study(script: Path) -> None:
    """The log alone gives the study back."""
    known = [t for t in study_of(script).trials if t.state != TrialState.WAITING]
    found = log_of(script).rows
    assert len(found) == len(known)
    for one, two in zip(found, known, strict=True):
        assert_equal(one, two)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, sp500_file: Path) -> Path:
    """Return the script of a finished study with completed and pruned trials."""
    folder = tmp_path_factory.mktemp("finished")
    config = changed(
        MARKET,
        study={"n_trials": 9},
        data={"data_path": str(sp500_file)},
        fixed={"epochs": 3},
        pruner={"n_startup_trials": 1, "n_min_trials": 1},
    )
    script = render_to(folder, config)
    done = run(script)
    assert done.returncode == 0, done.stderr
    return script


def test_the_log_alone_gives_the_study_back(finished: Path) -> None:
    assert_log_equals_study(finished)
    states = {trial.state for trial in log_of(finished).rows}
    assert states == {"COMPLETE", "PRUNED"}


def test_a_value_is_the_best_evaluation(finished: Path) -> None:
    for trial in study_of(finished).get_trials(states=(TrialState.COMPLETE,)):
        curve = [point["val_loss"] for point in trial.user_attrs["learning_curve"]]
        assert trial.value == min(curve) == trial.user_attrs["val_loss"]
        assert list(trial.intermediate_values.values()) == curve
        assert trial.user_attrs["best_epoch"] == curve.index(min(curve)) + 1
        assert trial.user_attrs["epochs_trained"] == len(curve)


def test_every_extreme_was_tried_once_and_never_pruned(finished: Path) -> None:
    script = finished.read_text()
    extremes = [t for t in study_of(finished).trials if t.user_attrs["kind"] == "extreme"]
    assert len(extremes) == script.count('"min ') + script.count('"max ') >= 4
    assert len({trial.user_attrs["arch_idx"] for trial in extremes}) == len(extremes)
    assert {trial.state for trial in extremes} == {TrialState.COMPLETE}


def test_recorded_sizes_are_those_of_the_architecture_list(finished: Path) -> None:
    rows = load(finished)["ARCHITECTURES"]
    for trial in study_of(finished).trials:
        row = rows[trial.user_attrs["arch_idx"]]
        recorded = {name: trial.user_attrs[name] for name in row if name != "params"}
        assert recorded == {name: value for name, value in row.items() if name != "params"}
        assert trial.user_attrs["param_count"] == row["params"]


def test_the_files_say_what_the_study_says(finished: Path) -> None:
    out = finished.parent / "outputs" / finished.stem
    study = study_of(finished)
    all_trials = read_json(out / "all_trials.json")
    best = read_json(out / "best_params.json")
    rows = list(csv.DictReader(io.StringIO((out / "trials.csv").read_text())))
    assert best["best_trial"] == study.best_trial.number
    assert best["best_value"] == study.best_value
    assert best["best_params"] == study.best_params
    assert best["architecture"]["arch_idx"] == study.best_trial.user_attrs["arch_idx"]
    assert len(all_trials["trials"]) == len(rows) == len(study.trials) == 9
    for trial, record, row in zip(study.trials, all_trials["trials"], rows, strict=True):
        own = read_json(out / "trials" / f"trial_{trial.number:04d}.json")
        assert own == record
        assert (record["trial_number"], record["state"]) == (trial.number, trial.state.name)
        assert record["value"] == trial.value
        assert record["params"] == trial.params
        assert row["state"] == trial.state.name
        assert float(row["params_learning_rate"]) == trial.params["learning_rate"]
    assert sorted(path.name for path in out.iterdir()) == [
        "all_trials.json", "best_params.json", "study.db", "study.db.locks",
        "trials", "trials.csv",
    ]  # fmt: skip


def test_the_start_line_is_the_one_existing_patterns_expect(finished: Path) -> None:
    import re

    log = (finished.parent / "logs" / f"{finished.stem}.log").read_text()
    pattern = (
        r"Trial (\d+): arch_idx=(\d+), d_model=(\d+), n_layers=(\d+), n_heads=(\d+),"
        r" params=([\d,]+), lr=([\d.e-]+), epochs=(\d+), batch_size=(\d+)"
    )
    assert [int(match[0]) for match in re.findall(pattern, log)] == list(range(9))


def test_the_log_has_the_line_that_optuna_would_print(finished: Path) -> None:
    study, log = (
        study_of(finished),
        (finished.parent / "logs" / f"{finished.stem}.log").read_text(),
    )
    last = max(study.get_trials(states=(TrialState.COMPLETE,)), key=lambda t: t.number)
    assert (
        f"Trial {last.number} finished with value: {last.value} and parameters: {last.params}."
        f" Best is trial {study.best_trial.number} with value: {study.best_value}.\n"
    ) in log


def test_a_rerun_of_a_finished_study_trains_nothing(finished: Path) -> None:
    before = study_of(finished).trials
    done = run(finished)
    assert done.returncode == 0
    assert study_of(finished).trials == before
    assert_log_equals_study(finished)


def test_a_larger_total_goes_on_where_the_study_ended(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 2}))
    assert run(script).returncode == 0
    first = study_of(script).trials[:2]
    assert run(script, "--n-trials", "4").returncode == 0
    trials = [t for t in study_of(script).trials if t.state != TrialState.WAITING]
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    assert trials[:2] == first
    assert_log_equals_study(script)


@pytest.mark.thorough
def test_restarts_do_not_change_what_is_suggested_or_found(sp500: Path, tmp_path: Path) -> None:
    def table(folder: Path, totals: list[int]) -> list[tuple[Any, ...]]:
        folder.mkdir()
        (folder / "sp500.csv").write_bytes(sp500.read_bytes())
        script = render_to(folder, changed(MARKET, fixed={"epochs": 1}, sampler=startup))
        for total in totals:
            assert run(script, "--n-trials", str(total)).returncode == 0
        return [
            (t.number, t.params, t.value, t.state)
            for t in study_of(script).trials
            if t.state != TrialState.WAITING
        ]

    startup = {"n_startup_trials": 4}
    assert table(tmp_path / "one", [9]) == table(tmp_path / "two", [5, 7, 9])


FAIL_AT = """\
    torch.manual_seed(stream_seed(*key, "weights"))
    model = task.build_model("""
RAISE = """\
    if key[1] in {numbers}:
        raise {error}
    torch.manual_seed(stream_seed(*key, "weights"))
    model = task.build_model("""


@pytest.mark.parametrize("number", [0, 1])
def test_a_trial_that_raises_is_recorded_and_the_study_goes_on(
    number: int, sp500: Path, tmp_path: Path
) -> None:
    error = 'KeyError("a\\n[I 2026-01-01 00:00:00,000] Trial 9 ended: ' + "'quoted' \\u202e\")"
    script = edit(
        render_to(tmp_path, MARKET), (FAIL_AT, RAISE.format(numbers={number}, error=error))
    )
    done = run(script)
    assert done.returncode == 0, done.stderr
    trials = [t for t in study_of(script).trials if t.state != TrialState.WAITING]
    assert [t.state.name for t in trials].count("FAIL") == 1
    failed = trials[number]
    assert failed.value is None
    assert failed.user_attrs["fail_reason"] == "error"
    assert failed.user_attrs["error"].startswith("KeyError: ")
    assert script.name in failed.user_attrs["where"]
    assert_log_equals_study(script)
    best = read_json(tmp_path / "outputs" / script.stem / "best_params.json")
    assert best["best_trial"] != number
    assert best["n_trials_fail"] == 1


def test_a_study_whose_trials_all_fail_has_no_best(sp500: Path, tmp_path: Path) -> None:
    error = 'RuntimeError("no")'
    script = edit(
        render_to(tmp_path, MARKET), (FAIL_AT, RAISE.format(numbers={0, 1, 2}, error=error))
    )
    done = run(script)
    assert done.returncode == 1
    out = tmp_path / "outputs" / script.stem
    assert not (out / "best_params.json").exists()
    assert [t["state"] for t in read_json(out / "all_trials.json")["trials"]] == ["FAIL"] * 3
    assert_log_equals_study(script)
    assert log_of(script).best is None


def test_a_loss_that_is_no_number_is_named(sp500: Path, tmp_path: Path) -> None:
    script = edit(
        render_to(tmp_path, MARKET),
        (
            "    return F.binary_cross_entropy_with_logits(logits, targets)\n",
            "    return F.binary_cross_entropy_with_logits(logits, targets) * float('nan')\n",
        ),
    )
    assert run(script).returncode == 1
    trials = log_of(script).rows
    assert [trial.user_attrs["fail_reason"] for trial in trials] == ["diverged"] * 3
    assert trials[0].user_attrs["error"] == "DivergedError: train_loss is nan at epoch 1"
    for path in (tmp_path / "outputs" / script.stem).rglob("*.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)


def test_a_trial_that_runs_out_of_memory_is_tried_with_less(sp500: Path, tmp_path: Path) -> None:
    out_of_memory = """\
        inputs, targets = task.training_batch(indices)
        if len(indices) > 64:
            raise torch.OutOfMemoryError("CUDA out of memory")
"""
    script = edit(
        render_to(tmp_path, changed(MARKET, study={"n_trials": 1})),
        ("        inputs, targets = task.training_batch(indices)\n", out_of_memory),
    )
    done = run(script)
    assert done.returncode == 0, done.stderr
    (trial,) = [t for t in study_of(script).trials if t.state == TrialState.COMPLETE]
    assert (trial.user_attrs["micro_batch"], trial.user_attrs["accumulation_steps"]) == (64, 4)
    notes = (tmp_path / "logs" / f"{script.stem}.log").read_text()
    assert notes.count("Trial 0 retried: ") == 2
    assert ", micro_batch=128, " in notes
    assert ", micro_batch=64, " in notes
    assert_log_equals_study(script)


def test_a_trial_that_at_last_fails_keeps_the_curve_of_its_last_attempt_only(
    sp500: Path, tmp_path: Path
) -> None:
    script = edit(
        render_to(tmp_path, changed(MARKET, study={"n_trials": 1})),
        (
            "        inputs, targets = task.training_batch(indices)\n",
            "        inputs, targets = task.training_batch(indices)\n"
            "        if micro_batch < 256 or model.calls > 14:\n"
            "            raise torch.OutOfMemoryError('out of memory')\n"
            "        model.calls += 1\n",
        ),
        (
            "    optimizer = make_optimizer(",
            "    model.calls = 0\n    optimizer = make_optimizer(",
        ),
    )
    assert run(script).returncode == 1
    (trial,) = log_of(script).rows
    assert trial.user_attrs["fail_reason"] == "oom"
    assert trial.user_attrs["learning_curve"] == []
    assert_log_equals_study(script)


def test_a_trial_that_does_not_fit_fails_as_out_of_memory(sp500: Path, tmp_path: Path) -> None:
    script = edit(
        render_to(tmp_path, changed(MARKET, study={"n_trials": 1})),
        (", free, 1) > 0\n", ", free, 1) > 0 and not any(fit.fitted for fit in found)\n"),
        (
            "        free = free_memory(self.device)\n",
            "        free = free_memory(self.device) if self.fit_of(arch_idx).fitted else 0\n",
        ),
    )
    assert run(script).returncode == 1
    (trial,) = log_of(script).rows
    assert trial.user_attrs["fail_reason"] == "oom"


def test_a_forced_extreme_that_wins_is_the_winner_everywhere(sp500: Path, tmp_path: Path) -> None:
    script = edit(
        render_to(tmp_path, changed(MARKET, study={"n_trials": 8}, fixed={"epochs": 1})),
        (
            "            metrics = task.evaluate(model, micro_batch)\n",
            "            metrics = task.evaluate(model, micro_batch)\n"
            "            metrics['val_loss'] = 0.01 if key[1] == 1 else 0.5 + key[1] / 100\n",
        ),
    )
    done = run(script)
    assert done.returncode == 0, done.stderr
    study = study_of(script)
    winner = study.trials[1]
    assert winner.user_attrs["kind"] == "extreme"
    arch_idx = winner.user_attrs["arch_idx"]
    assert arch_idx != 0
    out = tmp_path / "outputs" / script.stem
    best = read_json(out / "best_params.json")
    assert (best["best_trial"], best["best_value"]) == (1, 0.01)
    assert best["architecture"]["arch_idx"] == arch_idx
    assert best["best_params"] == winner.params != {}
    rows = list(csv.DictReader(io.StringIO((out / "trials.csv").read_text())))
    lead = min(rows, key=lambda row: float(row["value"] or "inf"))
    assert (lead["number"], lead["user_attrs_arch_idx"]) == ("1", str(arch_idx))
    recovered = log_of(script)
    assert recovered.best is not None
    assert recovered.best.user_attrs["arch_idx"] == arch_idx
    assert "best: trial 1, val_loss 0.01" in done.stderr
    assert f"'arch_idx': {arch_idx}," in done.stderr


SPY = """\
def spy(value):
    import json as _json
    with open("spy.jsonl", "a") as file:
        file.write(_json.dumps(value) + "\\n")


def make_optimizer("""


def test_recorded_parameters_are_those_trained_with(sp500: Path, tmp_path: Path) -> None:
    config = changed(
        MARKET,
        study={"n_trials": 3},
        search={
            "weight_decay": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
            "warmup_steps": {"type": "int", "low": 2, "high": 9},
            "epochs": {"type": "categorical", "choices": [1, 2]},
            "clip_norm": {"type": "float", "low": 0.5, "high": 2.0},
            "batch_size": {"type": "categorical", "choices": [128, 256]},
        },
        fixed={"weight_decay": None, "warmup_steps": None, "epochs": None},
    )
    script = edit(
        render_to(tmp_path, config),
        ("def make_optimizer(", SPY),
        (
            "            optimizer.step()\n",
            "            optimizer.step()\n"
            "            spy([key[1], step, optimizer.param_groups[0]['lr'],"
            " optimizer.param_groups[0]['weight_decay'], len(batch), model.dropout.p,"
            " sum(p.numel() for p in model.parameters()), len(batches), total])\n",
        ),
    )
    done = run(script)
    assert done.returncode == 0, done.stderr
    steps: dict[int, list[list[float]]] = {}
    for line in (tmp_path / "spy.jsonl").read_text().splitlines():
        number, *rest = json.loads(line)
        steps.setdefault(number, []).append(rest)
    for trial in log_of(script).rows:
        known = {**trial.user_attrs, **trial.params}
        rows = steps[trial.number]
        n_batches = -(-3462 // known["batch_size"])
        assert len(rows) == rows[0][-1] == known["epochs"] * n_batches
        assert max(row[1] for row in rows) == pytest.approx(known["learning_rate"])
        assert [row[1] for row in rows].index(max(row[1] for row in rows)) in (
            known["warmup_steps"] - 1,
            known["warmup_steps"],
        )
        assert {row[2] for row in rows} == {known["weight_decay"]}
        assert rows[0][3] == known["batch_size"]
        assert {row[4] for row in rows} == {known["dropout"]}
        assert {row[5] for row in rows} == {known["param_count"]}


def test_a_killed_run_is_told_by_its_log(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 4}, fixed={"epochs": 500}))
    log = tmp_path / "logs" / f"{script.stem}.log"
    process = subprocess.Popen(
        [sys.executable, "-I", script.name], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: log.exists() and "Trial 0 epoch 2:" in log.read_text())
    process.kill()
    process.wait()
    (trial,) = log_of(script).rows
    assert trial.state == "RUNNING"
    assert len(trial.intermediate_values) >= 2
    known = study_of(script).trials[0]
    assert known.state == TrialState.RUNNING
    assert trial.params == known.params
    assert trial.user_attrs == known.user_attrs
    assert trial.datetime_start == known.datetime_start


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_ends_the_run_and_says_so(
    number: signal.Signals, code: int, sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 4}, fixed={"epochs": 500}))
    log = tmp_path / "logs" / f"{script.stem}.log"
    process = subprocess.Popen(
        [sys.executable, "-I", script.name],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: log.exists() and "Trial 0 epoch 1:" in log.read_text())
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"{number.name}: 0 complete, 0 pruned, 0 failed, 1 running" in errors
    assert "Traceback" not in errors
    assert f'reason="{number.name}"' in log.read_text()


def test_a_run_under_nohup_outlives_its_terminal(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 1}, fixed={"epochs": 20}))
    log = tmp_path / "logs" / f"{script.stem}.log"
    process = subprocess.Popen(
        ["nohup", sys.executable, "-I", script.name],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: log.exists() and "Trial 0 epoch 1:" in log.read_text())
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=200) == 0
    assert [trial.state for trial in log_of(script).rows] == ["COMPLETE"]


def wait_for(condition: Any, seconds: float = 120.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def test_a_closed_terminal_does_not_end_the_run(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 2}))
    command = f"{sys.executable} -I {script.name} 2>&1 >/dev/null | head -c 1 >/dev/null"
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, timeout=250)
    wait_for(lambda: "Run" in (text := (tmp_path / "logs" / f"{script.stem}.log").read_text())
             and 'reason="trials"' in text)  # fmt: skip
    assert [trial.state for trial in log_of(script).rows] == ["COMPLETE"] * 2


def test_other_data_on_an_old_study_are_refused(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 1}))
    assert run(script).returncode == 0
    sp500.write_text(sp500.read_text().replace("1999-01-04,1229.22998", "1999-01-04,1229.23"))
    done = run(script, "--n-trials", "2")
    assert done.returncode == 2
    assert "data_sha256 was " in done.stderr
    assert len([t for t in study_of(script).trials if t.state == TrialState.COMPLETE]) == 1


@pytest.mark.parametrize(
    "changes",
    [{"metric": "auc"}, {"splits": {"train_fraction": 0.6}}],
    ids=["metric", "splits"],
)
def test_other_settings_on_an_old_study_are_refused(
    changes: dict[str, Any], sp500: Path, tmp_path: Path
) -> None:
    assert run(render_to(tmp_path, changed(MARKET, study={"n_trials": 1}))).returncode == 0
    done = run(render_to(tmp_path, changed(MARKET, **changes)), "--n-trials", "2")
    assert done.returncode == 2
    assert "settings." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--storage", "nonsense://x"], "error: the storage cannot be used: "),
        (["--storage", "sqlite:////nowhere/at/all.db"], "error: the storage /nowhere/at/all.db"),
        (["--device", "mps"], "error: --device mps: this machine or this torch has none"),
    ],
)
def test_a_storage_or_device_that_is_not_there_is_one_message(
    arguments: list[str], message: str, sp500: Path, tmp_path: Path
) -> None:
    done = run(render_to(tmp_path, MARKET), *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


def test_a_password_in_a_storage_address_stays_out_of_the_log(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 1}))
    text = script.read_text()
    script.write_text(
        text.replace("open_storage(arguments.url)", 'open_storage("sqlite:///x.db")')
    )
    address = "postgresql://me:s3cret@host/db"
    done = run(script, env={**os.environ, "OPTUNA_STORAGE": address})
    assert done.returncode == 0, done.stderr
    assert "s3cret" not in done.stderr
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"s3cret" in p.read_bytes()]
    refused = run(script, "--storage", address)
    assert refused.returncode == 2
    assert "s3cret" not in refused.stderr
    assert "put the URL into OPTUNA_STORAGE" in refused.stderr


def test_a_trial_that_a_user_enqueues_is_said_to_be_one(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 8}, fixed={"epochs": 1}))
    assert run(script, "--n-trials", "6").returncode == 0
    study_of(script).enqueue_trial({"shape_idx": 0, "n_heads_idx": 0, "dropout": 0.25})
    assert run(script).returncode == 0
    trials = log_of(script).rows
    kinds = [trial.user_attrs["kind"] for trial in trials]
    assert kinds.count("enqueued") == 1
    chosen = trials[kinds.index("enqueued")]
    assert (chosen.params["dropout"], chosen.user_attrs["arch_idx"]) == (0.25, 0)


def test_other_architectures_on_an_old_study_are_refused(sp500: Path, tmp_path: Path) -> None:
    assert run(render_to(tmp_path, changed(MARKET, study={"n_trials": 1}))).returncode == 0
    script = render_to(tmp_path, changed(MARKET, tolerance=0.15))
    done = run(script, "--n-trials", "2")
    assert done.returncode == 2
    assert "another search space: search_space.shape_idx.attributes.high was " in done.stderr
    assert "architectures.d_model=" in done.stderr


def test_an_exact_repeat_is_said_to_be_one_and_has_another_seed(
    sp500: Path, tmp_path: Path
) -> None:
    config = changed(
        MARKET,
        budget="5K",
        study={"n_trials": 4},
        architecture={"d_model": [8], "n_layers": [2, 3], "n_heads": [2], "d_ff_ratio": [2]},
        tolerance=0.9,
        search={
            "learning_rate": None,
            "dropout": None,
            "epochs": {"type": "categorical", "choices": [1, 2]},
        },
        fixed={"epochs": None, "learning_rate": 0.003, "dropout": 0.1},
    )
    script = render_to(tmp_path, changed(config, study={"n_trials": 8}))
    done = run(script)
    assert done.returncode == 0, done.stderr
    trials = log_of(script).rows
    by_config: dict[str, list[Trial]] = {}
    for trial in trials:
        by_config.setdefault(trial.user_attrs["config_id"], []).append(trial)
    repeated = [group for group in by_config.values() if len(group) > 1]
    assert repeated  # 4 configurations, 8 trials
    for group in by_config.values():
        assert len({trial.value for trial in group}) == len(group)
        later = [t.user_attrs["kind"] for t in group[1:] if t.user_attrs["kind"] != "extreme"]
        assert set(later) <= {"repeat"}


def test_a_killed_extreme_is_tried_again(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 8}, fixed={"epochs": 1}))
    assert run(script, "--n-trials", "1").returncode == 0
    study = study_of(script)
    study.ask()  # a worker that dies here leaves the second extreme behind
    assert run(script).returncode == 0
    done = [t for t in study_of(script).trials if t.state.is_finished()]
    ends = [t.user_attrs["extreme"] for t in done if t.user_attrs["kind"] == "extreme"]
    assert sorted(ends) == sorted(load(script)["EXTREME_INDICES"].values())


def test_a_trial_that_another_program_ended_does_not_stop_the_study(
    sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 3}, fixed={"epochs": 1}))
    assert run(script, "--n-trials", "1").returncode == 0
    study = study_of(script)
    study.tell(study.ask(), state=TrialState.FAIL)
    done = run(script)
    assert done.returncode == 0, done.stderr
    states = [t.state.name for t in study_of(script).trials if t.state != TrialState.WAITING]
    assert states == ["COMPLETE", "FAIL", "COMPLETE"]


def test_a_database_without_its_index_of_names_has_one_study(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 2}, fixed={"epochs": 1}))
    assert run(script, "--n-trials", "1").returncode == 0
    file = tmp_path / "outputs" / script.stem / "study.db"
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("DROP INDEX ix_studies_study_name")  # what a disk that was full leaves
    assert run(script).returncode == 0
    assert [trial.state.name for trial in study_of(script).trials[:2]] == ["COMPLETE"] * 2


def test_a_lost_log_is_written_again_from_the_study(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 3}))
    assert run(script, "--n-trials", "2").returncode == 0
    (tmp_path / "logs" / f"{script.stem}.log").unlink()
    assert run(script).returncode == 0
    assert_log_equals_study(script)


def test_a_smoke_run_leaves_given_folders_of_real_results_alone(
    sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 1}))
    given = ["--out", "res", "--log", "res.log"]
    assert run(script, *given).returncode == 0
    before = {
        p: p.read_bytes() for p in [*(tmp_path / "res").rglob("*.json"), tmp_path / "res.log"]
    }
    assert run(script, *given, "--smoke").returncode == 0
    assert {path: path.read_bytes() for path in before} == before
    assert (tmp_path / "res-smoke").is_dir()
    assert run(script, "--out", ".", "--smoke").returncode == 0
    assert not (tmp_path / "study.db").exists()


def test_a_machine_that_fits_no_architecture_starts_no_trial(sp500: Path, tmp_path: Path) -> None:
    script = edit(
        render_to(tmp_path, MARKET),
        ("    room = int(free * 0.92) -", "    room = int(free * 0.0) -"),
    )
    done = run(script)
    assert done.returncode == 2
    assert "error: no architecture fits this machine" in done.stderr
    assert "bytes and" in done.stderr
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    "arguments",
    [["--out", "sp500.csv"], ["--log", "/proc/none/x.log"], ["--out", "a?b"], ["--out", "a%20b"]],
)
def test_a_place_that_cannot_be_written_is_one_message(
    arguments: list[str], sp500: Path, tmp_path: Path
) -> None:
    done = run(render_to(tmp_path, MARKET), *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("family", ["market", "text"])
def test_a_smoke_run_is_real_short_and_marked(
    family: str, sp500: Path, text: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, MARKET if family == "market" else TEXT)
    done = run(script, "--smoke")
    assert done.returncode == 0, done.stderr
    (study,) = read_trials([tmp_path / "logs" / f"{script.stem}-smoke.log"]).studies
    assert [trial.state for trial in study.rows] == ["COMPLETE"] * 2
    assert study.about["smoke"] is True
    for trial in study.rows:
        assert trial.user_attrs["kind"] == "smoke"
        assert len(trial.user_attrs["learning_curve"]) == 2
    assert study.rows[0].value != study.rows[1].value
    sizes = [trial.user_attrs["param_count"] for trial in study.rows]
    assert sizes[0] < sizes[1]
    assert not (tmp_path / "outputs" / script.stem).exists()


def test_a_language_model_learns_and_its_log_gives_the_study_back(
    text: Path, tmp_path: Path
) -> None:
    config = changed(TEXT, fixed={"steps": 60, "eval_interval": 20}, study={"n_trials": 2})
    script = render_to(tmp_path, config)
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert_log_equals_study(script)
    for trial in log_of(script).rows:
        bits = [point["bits_per_byte"] for point in trial.user_attrs["learning_curve"]]
        assert bits[-1] < bits[0] < 8.5
        assert trial.user_attrs["tokens"] == 60 * 16 * 32
        assert list(trial.intermediate_values) == [20, 40, 60]


@pytest.mark.parametrize("family", ["market", "text"])
def test_a_dry_run_checks_everything_and_writes_nothing(
    family: str, sp500: Path, text: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, MARKET if family == "market" else TEXT)
    before = sorted(tmp_path.rglob("*"))
    done = run(script, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "every parameter count equals its model's; 0 outside" in done.stdout
    assert "Nothing was trained." in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_finds_a_wrong_count(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, MARKET)
    text = script.read_text()
    row = next(line for line in text.splitlines() if line.startswith('    {"d_model"'))
    count = row.split('"params": ')[1].split("}")[0]
    edit(script, (row, row.replace(count, str(int(count) + 1))))
    done = run(script, "--dry-run")
    assert done.returncode != 0
    assert f"the model has {int(count):,} parameters" in done.stderr


def test_missing_data_are_one_message(tmp_path: Path) -> None:
    script = render_to(tmp_path, MARKET)
    done = run(script)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: sp500.csv: no such file. Give a CSV")
    assert "Traceback" not in done.stderr


def test_help_answers_without_torch_and_a_missing_package_is_named(tmp_path: Path) -> None:
    script = render_to(tmp_path, MARKET)
    bare = [sys.executable, "-I", "-S", script.name]  # no site-packages
    helped = subprocess.run(
        [*bare, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert helped.returncode == 0
    assert "--n-trials" in helped.stdout
    missing = subprocess.run(
        [*bare, "--smoke"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert missing.returncode == 3
    assert "is not installed: python -m pip install numpy optuna pandas torch" in missing.stderr


@pytest.mark.parametrize(
    "arguments", [["--n-trials", "0"], ["--n-trials", "x"], ["--n-tri", "3"], ["--device", "tpu"]]
)
def test_a_wrong_argument_is_a_usage_error(arguments: list[str], tmp_path: Path) -> None:
    done = run(render_to(tmp_path, MARKET), *arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_overrides_on_the_command_line_are_used_and_logged(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 5}))
    (tmp_path / "moved.csv").write_bytes(sp500.read_bytes())
    sp500.unlink()
    done = run(
        script, "--data", "moved.csv", "--n-trials", "1", "--seed", "7",
        "--out", "there", "--log", "there/study.log", "--storage", "sqlite:///mine.db",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (study,) = read_trials([tmp_path / "there" / "study.log"]).studies
    assert len(study.rows) == 1
    assert study.about["seed"] == 7
    assert study.about["overrides"] == {
        "data": "moved.csv", "n_trials": "1", "seed": "7",
        "out": "there", "log": "there/study.log", "storage": "sqlite:///mine.db",
    }  # fmt: skip
    assert (tmp_path / "mine.db").exists()
    assert (tmp_path / "there" / "trials" / "trial_0000.json").exists()
