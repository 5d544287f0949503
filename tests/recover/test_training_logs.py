"""Logs of training scripts that others read with grep: one trial per run."""

from __future__ import annotations

import json
import re
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
    "step:1750/1750 train_time:166900ms step_avg:95.37ms\n"
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


RECORDS = (
    'Model config:\n{\n  "n_layer": 12\n}\nparams wte=1000 lm_head=2000 total=36700160\n'
    "eval step=0 val_bpb=3.2\n"
    f"step 00000/00002 (0.00%) | loss: 11.090355 | {SPEED} | total time: 0.00m\n"
    f"step 00001/00002 (50.0%) | loss: 10.090355 | {SPEED} | total time: 0.25m\n"
    "eval step=2 val_bpb=0.85\ncore step=2 core=0.0512\n"
    "Total training time: 0.25m\nMinimum validation bpb: 0.850000\n"
    "summary model_tag=flops1e18_d12 depth=12 num_params=36700160 num_iterations=2"
    " tokens_trained=900 train_time_sec=15.5 peak_vram_mib=1234 target_flops=1e+18"
    " val_bpb=0.85 min_val_bpb=0.85 core=0.0512 gpu='NVIDIA H100'\n"
)


def test_the_records_of_nanochat_are_read() -> None:
    recovery = recovered(RECORDS)

    (trial,) = recovery.studies[0].rows
    assert (trial.state, trial.values) == ("COMPLETE", (0.85,))
    assert trial.params == {"n_layer": 12, "depth": 12, "target_flops": 1e18}
    assert trial.intermediate_values == {0: 3.2, 2: 0.85}
    assert trial.user_attrs["train_seconds"] == 15.5
    assert trial.user_attrs["param_count"] == 36_700_160
    assert trial.user_attrs["learning_curve"][2]["core_metric"] == 0.0512
    assert recovery.conflicts == []


def test_a_cut_record_gives_no_value() -> None:
    recovery = recovered(RECORDS.replace("eval step=2 val_bpb=0.85", "eval step=2 val_bpb=0.8"))

    (trial,) = recovery.studies[0].rows
    assert trial.values == ()
    assert VALUE_MISSING in trial.flags
    assert "cannot be read: 1" in recovered(RECORDS + "eval step=2 val_\n").problems[0]


def test_a_cut_record_without_a_summary_is_flagged() -> None:
    whole = RECORDS[: RECORDS.index("Minimum")].replace("=3.2\n", "=3.200000\n")

    (trial,) = trials_of(whole.replace("val_bpb=0.85", "val_bpb=0.8"))

    assert (trial.state, trial.values) == ("COMPLETE", (0.8,))
    assert VALUE_CUT in trial.flags


def test_a_diverged_run_with_a_summary_failed() -> None:
    (trial,) = trials_of(RECORDS.replace("0.850000", "nan").replace("0.85", "nan"))

    assert (trial.state, trial.user_attrs["error"]) == ("FAIL", "val_bpb is nan")


def test_the_curve_of_an_experiment_has_a_trial_per_model() -> None:
    (study,) = recovered(
        "model model_tag=d10 depth=10 base.val_bpb=0.9 base.train_time_sec=30 sft.val_bpb=0.4\n"
        "model model_tag=d12 depth=12 base.val_bpb=0.8 base.train_time_sec=31\n"
    ).studies

    assert study.about == {"metric": "base.val_bpb", "direction": "minimize"}
    assert [(t.params, t.values) for t in study.rows] == [
        ({"depth": 10}, (0.9,)),
        ({"depth": 12}, (0.8,)),
    ]


def test_runs_in_folders_of_their_own_are_one_study(tmp_path: Path) -> None:
    for depth in (10, 12):
        (tmp_path / f"ladder/d{depth}").mkdir(parents=True)
        text = RECORDS.replace('"n_layer": 12', f'"n_layer": {depth}')
        text = text.replace("total time: 0.25m", f"total time: 0.{depth}m")
        (tmp_path / f"ladder/d{depth}/base_train.log").write_text(text)

    (study,) = read_trials(sorted(tmp_path.glob("*/*/*.log"))).studies

    assert study.name == "ladder"
    assert [t.user_attrs["log"] for t in study.rows] == [
        "d10/base_train.log",
        "d12/base_train.log",
    ]


KILLED = MODDED[: MODDED.index("step:1750/")]
SHALLOW = NANOCHAT.replace('"n_layer": 12', '"n_layer": 6').replace("1.100000", "1.300000")


def test_a_validation_at_the_step_of_a_training_line_is_no_step_back() -> None:
    recovery = recovered(MODDED)

    assert recovery.conflicts == []
    (trial,) = recovery.studies[0].rows
    assert trial.user_attrs["learning_curve"][-1] == {
        "step": 1750,
        "train_seconds": 167.0,
        "step_avg_seconds": 0.09543,
        "val_loss": 3.2782,
    }


@pytest.mark.parametrize("first", [MODDED, KILLED])
def test_runs_that_begin_with_equal_losses_are_separate(first: str) -> None:
    second = MODDED.replace("48*1024", "64*1024").replace("3.2782", "3.1900")

    recovery = recovered(first + second)

    one, two = recovery.studies[0].rows
    assert one.values == ((3.2782,) if first == MODDED else ())
    assert two.values == (3.19,)
    assert [t.params["train_seq_len"] for t in (one, two)] == [49152, 65536]
    assert two.intermediate_values[0] == 10.8258
    assert recovery.conflicts == []


def test_a_copy_of_a_log_adds_no_run(tmp_path: Path) -> None:
    console = MODDED[MODDED.index("step:0/") :]
    for name, text in (("console.log", console), ("run.txt", MODDED), ("again.txt", MODDED)):
        (tmp_path / name).write_text(text)

    (study,) = read_trials(sorted(tmp_path.iterdir())).studies

    (trial,) = study.rows
    assert trial.params["train_seq_len"] == 49152


@pytest.mark.parametrize(
    "prefix",
    [
        "[rank0]: ",
        "0: ",
        "(main pid=21, ip=10.0.0.3) ",
        "trainer-1  | ",
        "\x1b[32m",
        "2026-03-01T10:00:00.123Z ",
        "[2026-03-01 10:00:00] ",
        "INFO:root:",
        "2026-03-01 10:00:00,123 - runs.train - INFO - ",
        "[2026-03-01 10:00:00,123][__main__][INFO] - ",
        "2026-03-01 10:00:00.123 | INFO     | __main__:main:12 - ",
    ],
)
def test_prefixes_of_loggers_and_workers_are_left_out(prefix: str) -> None:
    text = "".join(f"{prefix}{line}\n" for line in NANOCHAT.splitlines())

    assert trials_of(text) == trials_of(NANOCHAT)


def test_envelopes_of_training_logs_are_opened() -> None:
    records = (
        {"log": f"{line}\n", "stream": "stdout", "time": "2026-03-01T10:00:00.1Z"}
        for line in NANOCHAT.splitlines()
    )
    text = "".join(f"{json.dumps(record)}\n" for record in records)

    assert trials_of(text) == trials_of(NANOCHAT)
    assert read_trials([[NANOCHAT.encode("utf-16")]]).studies[0].rows == trials_of(NANOCHAT)


@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_a_log_is_recognised_after_the_code_of_its_script(size: int) -> None:
    data = (f"x = 1  # {'code' * 200}\n" * 1000 + MODDED).encode()

    recovery = read_trials([[data[i : i + size] for i in range(0, len(data), size)]])

    assert [trial.values for trial in recovery.studies[0].rows] == [(3.2782,)]


def test_lines_about_trials_within_a_training_log_are_reported() -> None:
    trial = "[I 2026-03-01 10:00:00,123] Trial 0 finished with value: 1.0 and parameters: {}.\n"
    noise = f"# {'line' * 200}\n" * 1000

    recovery = recovered(MODDED + noise + trial)

    assert "lines about trials in an unknown form: 1" in "".join(recovery.report())


def test_each_stage_of_a_run_has_its_own_metric() -> None:
    middle = (
        "Step 00000 | Validation bpb: 0.7000\nstep 00000 (0.00%) | loss: 2.0\n"
        "step 00001 (50.0%) | loss: 1.9\nStep 00002 | Validation bpb: 0.4000\n"
        "Total training time: 0.10m\nMinimum validation bpb: 0.4000\n"
    )
    tuning = (
        "Step 00000 | Validation loss: 1.10\nStep 00000/00002 | Training loss: 0.9| lrm: 1.0\n"
        "Step 00002 | Validation loss: 1.01\n"
    )

    base, tuned = recovered(NANOCHAT + middle + tuning).studies

    assert [trial.values for trial in base.rows] == [(1.1,), (0.4,)]
    assert tuned.about["metric"] == "validation_loss"
    assert tuned.rows[0].values == (1.01,)


def test_a_run_that_broke_off_belongs_to_the_study_of_its_folder(tmp_path: Path) -> None:
    broken = (
        "step 00001/00020 (5.00%) | loss: 9.9\nTraceback (most recent call last):\nOSError: x\n"
    )
    (tmp_path / "d12_train.log").write_text(NANOCHAT)
    (tmp_path / "d26_train.log").write_text(broken)

    (study,) = read_trials(sorted(tmp_path.iterdir())).studies

    assert [(t.state, t.values) for t in study.rows] == [("COMPLETE", (1.1,)), ("FAIL", ())]


def test_a_run_that_stops_at_a_time_limit_has_a_value() -> None:
    text = (
        "step:0/20000 val_loss:6.9 val_bpb:4.1 train_time:0ms step_avg:0.01ms\n"
        "step:1489/20000 val_loss:2.2 val_bpb:1.3 train_time:480124ms step_avg:322.45ms\n"
        "stopping_early: wallclock_cap train_time:480124ms step:1489/20000\n"
        "peak memory allocated: 9537 MiB reserved: 9628 MiB\n"
    )

    (trial,) = trials_of(text)

    assert (trial.state, trial.values, trial.flags) == ("COMPLETE", (2.2,), [NUMBERED_BY_ORDER])


@pytest.mark.parametrize(
    ("text", "curve"),
    [
        ("step:0 val_loss:3.50\nstep:10 val_loss:3.25\n", {0: 3.5, 10: 3.25}),
        ("step:5/90  val_loss:4.5\nstep:50/90 val_loss:3.5\n", {5: 4.5, 50: 3.5}),
        ("s:0 tel:11.0\ns:0 trl:11.1 lr:0.1 norm:9.1\ns:8 tel:6.5\n", {0: 11.0, 8: 6.5}),
        ("step     3 | loss: 11.0 | lr 6e-4 | norm: 1.5\nstep 4 | loss: 9.0\n", {3: 11.0, 4: 9.0}),
        ("step 00002 (0.1%)  | val loss: 9.0 | dt: 15ms\n", {2: 9.0}),
    ],
)
def test_steps_of_other_versions_are_read(text: str, curve: dict[int, float]) -> None:
    (trial,) = trials_of(text)

    assert trial.state == "RUNNING"
    assert trial.intermediate_values == curve
    assert len(trial.user_attrs["learning_curve"]) == 2 - ("15ms" in text)


def test_two_lines_of_a_step_without_a_line_end_between_them_are_reported() -> None:
    recovery = recovered("s:0 tel:11.0\ns:1 trl:9.2s:2 trl:9.1\ns:8 tel:6.5\n")

    (trial,) = recovery.studies[0].rows
    assert [point["step"] for point in trial.user_attrs["learning_curve"]] == [0, 8]
    assert "cannot be read: 1" in recovery.problems[0]


NANOGPT = (
    "Overriding config with config/train_small.py:\n# a small model\nout_dir = 'out-small'\n"
    "batch_size = 64\nlearning_rate = 1e-3 # high\nmax_iters = 500\n\n"
    "Overriding: n_layer = 6\nOverriding: dataset = letters\n"
    "tokens per iteration will be: 16,384\n"
    "step 0: train loss 4.2874, val loss 4.2823\n"
    "iter 0: loss 4.2649, time 31761.99ms, mfu -100.00%\n"
    "step 250: train loss 1.9655, val loss 2.0660\n"
    "step 500: train loss 1.5290, val loss 1.7003\nsaving checkpoint to out-small\n"
    "iter 500: loss 1.5112, time 400.00ms, mfu 18.00%\n"
)


def test_a_run_of_nanogpt_ends_at_its_last_iteration() -> None:
    recovery = recovered(NANOGPT + NANOGPT.replace("n_layer = 6", "n_layer = 8"))

    first, second = recovery.studies[0].rows
    assert (first.state, first.values) == ("COMPLETE", (1.7003,))
    assert first.params == {
        "out_dir": "out-small",
        "batch_size": 64,
        "learning_rate": 0.001,
        "max_iters": 500,
        "n_layer": 6,
        "dataset": "letters",
    }
    assert second.params["n_layer"] == 8
    assert first.user_attrs["learning_curve"][2] == {
        "step": 500,
        "train_loss": 1.529,
        "val_loss": 1.7003,
        "batch_loss": 1.5112,
        "time_seconds": 0.4,
        "mfu": 18.0,
    }
    assert recovery.conflicts == []


def test_numbers_in_full_precision_are_not_flagged_as_cut() -> None:
    (trial,) = trials_of(
        "step 0: train loss 4.2, val loss 4.470689296722412\n"
        "step 10: train loss 1.7, val loss 1.863983154296875\n"
        "step 20: train loss 1.5, val loss 1.65625\n"
    )

    assert VALUE_CUT not in trial.flags


@pytest.mark.parametrize(
    "text",
    [
        "10/10 [====] - 1s 5ms/step - loss: 2.1 - accuracy: 0.3 - val_loss: 1.9\n",
        "Epoch 0: 100%|###| 10/10 [00:01<00:00, 9.1it/s, train_loss=2.1, val_loss=1.9]\n",
        " iteration       10/     100 | consumed samples: 320 | lm loss: 1.0E+01 |\n",
        "---\ntitle: 5\nval_size: 1000\n---\n",
        "val_loss: 0.5\n",
        'echo "METRIC val_bpb=$val_bpb"\n',
    ],
)
def test_other_text_gives_no_trial(text: str) -> None:
    assert recovered(text * 3).studies == []


@pytest.mark.parametrize(
    ("text", "values", "attributes"),
    [
        ("METRIC total_µs=15200\n", (15200.0,), {}),
        ("METRIC val_bpb=1.5 steps=100\n", (1.5,), {"steps": 100}),
        ("METRIC score=.5000\n", (0.5,), {}),
        ("METRIC val_bpb=NaN\n", (), {"error": "val_bpb is nan"}),
    ],
)
def test_forms_of_metric_lines(
    text: str, values: tuple[float, ...], attributes: dict[str, Any]
) -> None:
    (trial,) = trials_of(text)

    assert (trial.values, trial.user_attrs) == (values, attributes)


def test_a_bpb_of_zero_is_a_missing_number() -> None:
    recovery = recovered("METRIC val_bpb=0\nMETRIC peak_memory_mb=0\n")

    assert recovery.studies[0].rows[0].values == ()
    assert "METRIC val_bpb=0" in recovery.problems[0]


def test_reports_of_syne_tune_keep_their_names() -> None:
    text = '[tune-metric]: {"epoch": 1, "loss": 0.5, "elapsed_time": 3.2, "st_worker_iter": 0}\n'

    (study,) = recovered(text).studies
    assert study.about["metric"] == "loss"
    assert recovered('[tune-metric]: {"epoch": 1, "loss": [1]}\n').studies == []


def test_a_result_that_is_no_number_does_not_end_the_block() -> None:
    text = "---\nbest_miou: 0.51\nstopped_early: False\ndevice: cuda\ntraining_seconds: 9.5\n"

    (trial,) = trials_of(text)

    assert (trial.values, trial.user_attrs) == ((0.51,), {"train_seconds": 9.5})


def test_the_error_of_torchrun_does_not_hide_that_of_the_run() -> None:
    trace = "Traceback (most recent call last):\n  File\n"

    (trial,) = trials_of(f"{KILLED}{trace}OSError: x\nW01 y\n{trace}torch.ChildFailedError: \n")

    assert trial.user_attrs["error"] == "OSError: x"


def test_a_diverged_run_of_autoresearch_failed() -> None:
    (trial,) = trials_of("step 00010 (3.1%) | loss: 105.1 | lrm: 1.00\nFAIL\n")

    assert (trial.state, trial.user_attrs["error"]) == ("FAIL", "FAIL")


def test_a_folder_per_trial_gives_its_number(tmp_path: Path) -> None:
    for number in (0, 2, 10):
        (tmp_path / f"search/{number}").mkdir(parents=True)
        (tmp_path / f"search/{number}/std.out").write_text(TUNE.replace("0.5", f"0.{number}5"))

    (study,) = read_trials(sorted(tmp_path.glob("*/*/std.out"))).studies

    assert study.name == "search"
    assert [(t.number, t.user_attrs["last_mean_loss"]) for t in study.rows] == [
        (0, 0.05),
        (2, 0.25),
        (10, 0.105),
    ]
    assert all(NUMBERED_BY_ORDER not in trial.flags for trial in study.rows)


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


def table(header: str, *rows: str) -> str:
    return "".join("\t".join(line.split()) + "\n" for line in (header, *rows))


@pytest.mark.parametrize(
    ("status", "state"), [("KEEP", "COMPLETE"), ("CRASH", "FAIL"), ("timeout", "FAIL")]
)
def test_spellings_of_the_status(status: str, state: str) -> None:
    header = "commit val_bpb memory_gb status description"
    text = table(header, f"a1 {int(state == 'COMPLETE')}.000 0.0 {status} base")

    (trial,) = trials_of(text)

    assert (trial.state, trial.values) == (state, (1.0,) if state == "COMPLETE" else ())


def test_tables_with_other_columns() -> None:
    header = "commit kind val_loss delta memory_gb status description lesson"
    text = table(header, "a1 lr 0.95 -0.1 29.9 keep b x", "a2 lr 0.000 0.000 0.0 discard b x")

    kept, aborted = trials_of(text)

    assert (kept.values, kept.user_attrs["kind"]) == ((0.95,), "lr")
    assert aborted.values == ()
    assert VALUE_MISSING in aborted.flags


def test_a_zero_beside_other_measurements_is_a_value() -> None:
    (trial,) = trials_of(
        table("commit accuracy memory_gb status description", "a1 0.0 3.0 keep b")
    )

    assert trial.values == (0.0,)


def test_rows_of_a_table_that_are_no_runs() -> None:
    header = "commit val_bpb memory_gb status description"
    text = table(header, "a1 0.9 4.0 keep b", header, "a2 0.8 keep", "a3 nan 4.0 discard b")

    recovery = recovered(text.removesuffix("\n"))

    kept, diverged = recovery.studies[0].rows
    assert kept.values == (0.9,)
    assert (diverged.state, diverged.user_attrs["error"]) == ("FAIL", "val_bpb is nan")
    assert "row 2: 3 cells for 5 columns" in recovery.problems[0]


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
        ("", "error: --sql: the statement returns no table; give a SELECT\n"),
        ("ATTACH 'other.db' AS other", "error: --sql: not authorized\n"),
    ],
)
def test_a_statement_that_is_no_query_is_refused(statement: str, error: str) -> None:
    done = sql(METRICS, statement)

    assert done.exit_code == 2
    assert done.stderr.endswith(error)
    assert not Path("other.db").exists()


TRAINER = (
    "  0%|          | 0/20 [00:00<?, ?it/s]\r"
    "{'loss': 2.1043, 'grad_norm': 1.5, 'learning_rate': 4.5e-05, 'epoch': 0.5}\n"
    "{'loss': 1.9, 'grad_norm': 1.5, 'learning_rate': 3e-05, 'epoch': 1.0}\n"
    " 50%|#####     | 10/20 [00:10<00:10,  1.0s/it]"
    "{'eval_loss': 1.75, 'eval_accuracy': 0.7, 'eval_runtime': 3.2, 'epoch': 1.0}\n"
    "{'loss': 1.5, 'grad_norm': 1.2, 'learning_rate': 0.0, 'epoch': 2.0}\n"
    "{'eval_loss': 1.5, 'eval_accuracy': 0.75, 'eval_runtime': 3.1, 'epoch': 2.0}\n"
    "{'train_runtime': 100.5, 'train_samples_per_second': 10.0, 'train_loss': 1.8, 'epoch': 2.0}\n"
)
AFTER = "{'eval_loss': 1.375, 'eval_accuracy': 0.8, 'eval_runtime': 3.1, 'epoch': 2.0}\n"


def test_a_run_of_the_trainer_of_transformers_is_read() -> None:
    best = TRAINER + AFTER
    strings = re.sub(r": ([\d.e-]+)", r": '\1'", TRAINER)

    first, second, third = trials_of(best + strings + TRAINER[: TRAINER.rindex("{'eval")])

    assert (first.state, first.values) == ("COMPLETE", (1.375,))
    assert (second.state, second.values) == ("COMPLETE", (1.5,))
    assert (third.state, third.user_attrs["last_eval_loss"]) == ("RUNNING", 1.75)
    assert second.intermediate_values == {1: 1.75, 2: 1.5}
    assert second.user_attrs["train_seconds"] == 100.5
    assert second.user_attrs["learning_curve"][0] == {
        "step": 0,
        "train_loss": 2.1043,
        "grad_norm": 1.5,
        "learning_rate": 4.5e-05,
        "epoch": 0.5,
    }


def test_a_run_of_the_trainer_without_its_last_evaluation_has_no_value() -> None:
    text = "".join(line for line in TRAINER.splitlines(keepends=True) if "1.5, 'eval" not in line)

    (trial,) = trials_of(text)

    assert (trial.state, trial.values) == ("COMPLETE", ())
    assert VALUE_MISSING in trial.flags
