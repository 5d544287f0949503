"""Logs of training scripts that others read with grep: one trial per run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from recover_trials import Recovery, Trial, read_trials
from recover_trials.cli import main
from recover_trials.model import (
    MINIMUM_DIFFERS,
    NUMBERED_BY_ORDER,
    STEPS_BACK,
    VALUE_CUT,
    VALUE_MISSING,
)

SPEED = "lrm: 1.00 | dt: 1000.00ms | tok/sec: 524,288 | bf16_mfu: 42.10 | epoch: 0 pq: 0 rg: 0"
NANOCHAT = (
    'Model config:\n{\n  "n_layer": 12,\n  "n_embd": 768,\n  "window_pattern": "SSSL"\n}\n'
    "Parameter counts:\nwte                     : 50,331,648\n"
    "total                   : 286,261,730\n"
    "Estimated FLOPs per token: 1.234000e+09\n"
    "Calculated number of iterations from target FLOPs: 20\n"
    "Total number of training tokens: 10,485,760\n"
    "Step 00000 | Validation bpb: 3.200000\n"
    f"step 00000/00020 (0.00%) | loss: 11.090000 | {SPEED} | total time: 0.00m\n"
    f"step 00001/00020 (5.00%) | loss: 10.500000 | {SPEED} | total time: 0.02m | eta: 0.3m\n"
    "Step 00020 | Validation bpb: 1.100000\n"
    "Step 00020 | CORE metric: 0.0512\n"
    "Peak memory usage: 7276.65MiB\n"
    "Total training time: 0.30m\n"
    "Minimum validation bpb: 1.100000\n"
)
MODDED = (
    "class Hyperparameters:\n    # data\n    files = 'fineweb_*.bin' # input\n"
    "    train_seq_len = 48*1024 # tokens\n    cooldown_frac : float = 0.45\n"
    "args = Hyperparameters()\n"
    f"{'=' * 100}\n"
    "step:0/1750 val_loss:10.8258 train_time:0ms step_avg:0.01ms\n"
    "step:1/1750 train_time:131ms step_avg:131.50ms\n"
    "step:1750/1750 val_loss:3.2782 train_time:167000ms step_avg:95.43ms\n"
    "peak memory allocated: 30000 MiB reserved: 40000 MiB\n"
)
AUTORESEARCH = (
    "\rstep 00010 (3.1%) | loss: 5.100000 | lrm: 1.00 | dt: 300ms | mfu: 39.8% | remaining: 290s  "
    "\n---\nval_bpb:          0.997900\ntraining_seconds: 300.1\npeak_vram_mb:     45060.2\n"
    "num_params_M:     50.3\ndepth:            8\n"
)
TUNE = "".join(
    f"[tune-metric]: {json.dumps({'epoch': epoch, 'mean_loss': 1 / epoch, **worker})}\n"
    for epoch in (1, 2)
    for worker in ({"st_worker_timestamp": 1e9, "st_worker_time": epoch, "st_worker_iter": epoch},)
)
METRICS = "METRIC val_bpb=1.5\nMETRIC train_time=45.2\nMETRIC val_bpb=1.25\nMETRIC train_time=46\n"


def recovered(text: str) -> Recovery:
    return read_trials([[text.encode()]])


def trials_of(text: str) -> list[Trial]:
    return [trial for study in recovered(text).studies for trial in study.rows]


def test_a_run_of_nanochat_has_configuration_curve_end_and_cost() -> None:
    recovery = recovered(NANOCHAT)

    (study,) = recovery.studies
    (trial,) = study.rows
    assert (trial.state, trial.values) == ("COMPLETE", (1.1,))
    assert trial.params == {"n_layer": 12, "n_embd": 768, "window_pattern": "SSSL"}
    assert trial.intermediate_values == {0: 3.2, 20: 1.1}
    curve = trial.user_attrs.pop("learning_curve")
    assert curve[1]["train_loss"] == 10.5
    assert curve[2] == {"step": 20, "val_bpb": 1.1, "core_metric": 0.0512}
    assert trial.user_attrs == {
        "param_count": 286_261_730,
        "flops_per_token": 1.234e9,
        "iterations": 20,
        "tokens": 10_485_760,
        "train_seconds": 18.0,
        "peak_memory_mib": 7276.65,
        "min_val_bpb": 1.1,
    }
    assert (study.about["metric"], study.direction) == ("val_bpb", "minimize")
    assert recovery.conflicts == []


def test_a_run_of_modded_nanogpt_has_the_settings_of_its_code() -> None:
    (trial,) = trials_of(MODDED)

    assert (trial.state, trial.values) == ("COMPLETE", (3.2782,))
    assert trial.params == {
        "files": "fineweb_*.bin",
        "train_seq_len": 49152,
        "cooldown_frac": 0.45,
    }
    assert trial.user_attrs["train_seconds"] == 167.0
    assert trial.intermediate_values == {0: 10.8258, 1750: 3.2782}


def test_a_result_block_ends_a_run() -> None:
    first, second = trials_of(AUTORESEARCH + AUTORESEARCH.replace("0.9979", "0.9851"))

    assert [first.values, second.values] == [(0.9979,), (0.9851,)]
    assert first.user_attrs["depth"] == 8
    assert first.user_attrs["learning_curve"][0]["train_loss"] == 5.1


def test_reports_of_syne_tune_show_no_end() -> None:
    recovery = recovered(TUNE)

    ((trial,),) = [study.rows for study in recovery.studies]
    assert (trial.state, trial.values) == ("RUNNING", ())
    assert trial.intermediate_values == {1: 1.0, 2: 0.5}
    assert trial.user_attrs["last_mean_loss"] == 0.5
    assert trial.user_attrs["train_seconds"] == 2
    assert recovery.studies[0].direction == "minimize"


def test_repeated_metric_lines_are_the_next_run() -> None:
    assert [trial.values for trial in trials_of(METRICS)] == [(1.5,), (1.25,)]


@pytest.mark.parametrize("line", ["METRIC val_bpb=", "METRIC val_bpb=-", "[tune-metric]: {"])
def test_a_missing_number_is_reported_and_is_not_zero(line: str) -> None:
    recovery = recovered(METRICS + line + "\n")

    assert [trial.values for trial in recovery.studies[0].rows] == [(1.5,), (1.25,)]
    assert recovery.problems == [f"stream: measurements that cannot be read: 1, such as {line!r}"]


@pytest.mark.parametrize(
    ("text", "state", "flags"),
    [
        (NANOCHAT.replace("Step 00020 | Validation", "Step 00015 | Validation"), "COMPLETE",
         [VALUE_MISSING]),
        (NANOCHAT[: NANOCHAT.index("Step 00020")], "RUNNING", []),
        (NANOCHAT[: NANOCHAT.index("Step 00020")]
         + "Traceback (most recent call last):\n  File\nRuntimeError: memory\n", "FAIL", []),
        (NANOCHAT.replace("bpb: 1.100000\nStep", "bpb: nan\nStep"), "FAIL",
         [VALUE_CUT, MINIMUM_DIFFERS]),
        (NANOCHAT.replace("Step 00020 | Validation bpb: 1.1", "Step 00020 | Validation bpb: 0.9"),
         "COMPLETE", [MINIMUM_DIFFERS]),
        (MODDED.replace("3.2782", "3.2"), "COMPLETE", [VALUE_CUT]),
        (MODDED.replace("step:1/", "step:1760/"), "COMPLETE", [STEPS_BACK]),
    ],
)  # fmt: skip
def test_damage_is_flagged(text: str, state: str, flags: list[str]) -> None:
    (trial,) = trials_of(text)

    assert trial.state == state
    assert [flag for flag in trial.flags if flag != NUMBERED_BY_ORDER] == flags
    assert trial.values == () or not flags or flags[0] != VALUE_MISSING


def test_a_configuration_after_the_first_step_is_not_that_of_the_next_run() -> None:
    deep = NANOCHAT.replace('"n_layer": 12', '"n_layer": 24').replace("1.100000", "0.900000")
    early = "Step 00010 | Validation bpb: 2.500000\n"

    first, second = trials_of(early + NANOCHAT + deep.replace('  "n_layer": 24,\n', "{\n"))

    assert (first.params, second.params) == ({}, {})
    assert STEPS_BACK in first.flags


def test_an_end_before_the_last_step_does_not_begin_another_run() -> None:
    end = "Total training time: 0.30m\n"
    final = "Step 00020 | Validation"

    (trial,) = trials_of(NANOCHAT.replace(end, "").replace(final, end + final, 1))

    assert trial.values == (1.1,)
    assert STEPS_BACK in trial.flags


def test_the_logs_of_a_folder_are_one_study(tmp_path: Path) -> None:
    for name, value in (("d8", "1.300000"), ("d12", "1.100000")):
        text = NANOCHAT.replace("1.100000", value)
        (tmp_path / f"{name}_train.log").write_text(text)

    (study,) = read_trials(sorted(tmp_path.iterdir())).studies

    assert study.name == tmp_path.name
    assert [(t.user_attrs["log"], t.value) for t in study.rows] == [
        ("d12_train.log", 1.1),
        ("d8_train.log", 1.3),
    ]


TSV = (
    "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
    "a1b2c3d\t0.997900\t44.0\tkeep\tbaseline\n"
    'b2c3d4e\t1.005000\t44.0\tdiscard\tGeLU, "quick\n'
    "c3d4e5f\t0.000000\t0.0\tcrash\tdouble width\n"
)
SWEEP = (
    "flops_budget,depth,model_dim,params_total,tokens_trained,val_bpb,core_score,train_time_sec\n"
    "1e18,8,512,100,200,1.1,0.0,30\n1e18,10,640,150,200,,0.0123,31\n"
)


def test_the_zeros_of_a_crash_are_missing_numbers() -> None:
    keep, discard, crash = trials_of(TSV)

    assert [keep.values, discard.values, crash.values] == [(0.9979,), (1.005,), ()]
    assert crash.state == "FAIL"
    assert "memory_gb" not in crash.user_attrs
    assert discard.user_attrs["description"] == 'GeLU, "quick'


def test_a_score_that_the_sweep_did_not_find_is_missing() -> None:
    first, second = trials_of(SWEEP)

    assert "core_score" not in first.user_attrs
    assert second.user_attrs["core_score"] == 0.0123
    assert second.values == ()
    assert VALUE_MISSING in second.flags
    assert first.params == {"flops_budget": 1e18, "depth": 8, "model_dim": 512}


def sql(text: str, statement: str, *options: str) -> Any:
    return CliRunner().invoke(main, ["-", "--sql", statement, *options], input=text)


def test_sql_reads_trials_and_curves() -> None:
    done = sql(NANOCHAT, "SELECT params_n_layer, value FROM trials")
    assert done.stdout == "params_n_layer,value\n12,1.1\n"

    done = sql(NANOCHAT, "SELECT step, value FROM curves WHERE metric = 'train_loss'")
    assert done.stdout == "step,value\n0,11.09\n1,10.5\n"

    done = sql(METRICS, "SELECT min(value) AS best FROM trials", "--format", "table")
    assert done.stdout.split() == ["best", "1.25"]


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELEC", 'error: --sql: near "SELEC": syntax error\n'),
        ("DELETE FROM trials", "error: --sql: the statement returns no table; give a SELECT\n"),
    ],
)
def test_a_statement_that_is_no_query_is_refused(statement: str, error: str) -> None:
    done = sql(METRICS, statement)

    assert done.exit_code == 2
    assert done.stderr.endswith(error)
