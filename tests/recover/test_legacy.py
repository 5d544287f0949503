"""Logs of predecessors and of old versions of Optuna."""

from __future__ import annotations

import pytest

from recover_samples import STAMP, recover, recover_one

START = "Trial 3: arch_idx=5, d_model=128, n_layers=8, "
ROUNDED = "params=1,847,000, lr=0.000342, epochs=50, "
ENDED = (
    "Trial 3 finished with value: 0.4 and parameters: {'learning_rate': 0.00034212, 'epochs': 50,"
    " 'dropout': 0.15}. Best is trial 3 with value: 0.4."
)
SHAPE = {"arch_idx": 5, "d_model": 128, "n_layers": 8, "param_count": 1_847_000}


@pytest.mark.parametrize("stamp", [STAMP, ""])
@pytest.mark.parametrize(
    ("line", "attributes"),
    [
        (
            "Trial 3 starting: device=mps, lr=0.000342, epochs=50, batch_size=64",
            {"device": "mps", "batch_size": 64},
        ),
        (f"{START}{ROUNDED}batch_size=64", {**SHAPE, "batch_size": 64}),
        (f"{START}n_heads=8, {ROUNDED}batch_size=64", {**SHAPE, "n_heads": 8, "batch_size": 64}),
        (
            f"{START}n_heads=8, {ROUNDED}batch=16x16, dropout=0.15",
            {
                **SHAPE,
                "n_heads": 8,
                "batch_size": 256,
                "micro_batch": 16,
                "accumulation_steps": 16,
            },
        ),
    ],
)
def test_a_start_line_of_the_predecessor_is_read(
    line: str, attributes: dict[str, object], stamp: str
) -> None:
    (started,) = recover_one([stamp + line]).rows
    (ended,) = recover_one([stamp + line, STAMP + ENDED]).rows

    assert (started.state, started.user_attrs, started.flags) == ("RUNNING", attributes, [])
    assert (started.params["learning_rate"], started.params["epochs"]) == (0.000342, 50)
    assert (ended.state, ended.value, ended.user_attrs) == ("COMPLETE", 0.4, attributes)
    assert ended.params == {"learning_rate": 0.00034212, "epochs": 50, "dropout": 0.15}


def test_a_dropout_that_was_forced_is_the_one_trained_with() -> None:
    forced = "  → Forced dropout=0.27 for diversity (was 0.15, prev=0.14)"
    start = f"{START}n_heads=8, {ROUNDED}batch=16x16, dropout=0.27"

    (trial,) = recover_one([STAMP + forced, STAMP + start, STAMP + ENDED]).rows

    assert trial.params["dropout"] == 0.27
    assert trial.user_attrs["sampled_dropout"] == 0.15
    assert trial.flags == ["dropout was forced to another value than the study has"]


def test_a_forced_dropout_belongs_to_the_next_start_only() -> None:
    start = f"{START}{ROUNDED}batch=16x16, dropout=0.27"
    lines = ["  → Forced dropout=0.27 for diversity (was 0.15, prev=0.14)", start]
    lines += [start.replace("Trial 3", "Trial 4").replace("0.27", "0.2")]

    assert [row.params["dropout"] for row in recover_one(lines).rows] == [0.27, 0.2]


@pytest.mark.parametrize("cut", range(len(START), len(START) + len(ROUNDED) + 13))
def test_a_start_line_cut_short_has_no_wrong_value(cut: int) -> None:
    whole = f"{START}{ROUNDED}batch_size=64"
    expected = {**SHAPE, "learning_rate": 0.000342, "epochs": 50, "batch_size": 64}

    (trial,) = recover_one(whole[:cut]).rows

    assert {**trial.params, **trial.user_attrs}.items() <= expected.items()
    assert trial.flags == ["start line cut short"]


BANNER = "[10/12] Starting: hpo_2B_h1_threshold_1pct.py"
TOLD = (
    "Trial 0 finished with value: 0.5 and parameters: {'x': 1}. Best is trial 0 with value: 0.5."
)


@pytest.mark.parametrize(
    ("banner", "experiment"),
    [
        (BANNER, "hpo_2B_h1_threshold_1pct"),
        ("[2/6] Running HPO: hpo_2m_1_a100", "hpo_2m_1_a100"),
        ("Running HPO: 20M_h3", "20M_h3"),
        ("[1/3] hpo_2M_h1_threshold_1pct.py", "hpo_2M_h1_threshold_1pct"),
        ("[10/12] Starting: experiments/phase6a/hpo_2B_h1_resume.py", "hpo_2B_h1"),
    ],
)
def test_a_banner_names_the_experiment_of_the_trials_that_follow(
    banner: str, experiment: str
) -> None:
    study = recover_one([banner, "Time: now", STAMP + TOLD])

    assert (study.experiment, study.name, study.flags) == (experiment, experiment, [])


@pytest.mark.parametrize("lines_between", [0, 5000, 200_000])
def test_a_banner_without_a_count_is_found_however_far_before(lines_between: int) -> None:
    created = f"{STAMP}A new study created in memory with name: a"
    lines = ["Running HPO: 20M_h3", created, STAMP + TOLD]
    lines += ["epoch 1: loss 0.25"] * lines_between
    lines += ["Running HPO: 20M_h5", created.replace(": a", ": b"), STAMP + TOLD]

    assert [study.experiment for study in recover(lines).studies] == ["20M_h3", "20M_h5"]


def test_each_experiment_of_a_runners_log_is_a_study() -> None:
    lines: list[str] = []
    for number, name in enumerate(["hpo_2M_h1", "hpo_2M_h3"], 1):
        lines += [f"[{number}/12] Starting: {name}.py", STAMP + TOLD]
        lines += [f"[{number}/12] PASSED: {name}.py", "Duration: 00:10:00"]

    studies = recover(lines).studies

    assert [(study.name, len(study.rows)) for study in studies] == [
        ("hpo_2M_h1", 1),
        ("hpo_2M_h3", 1),
    ]


def test_a_trial_after_the_end_of_an_experiment_has_no_experiment() -> None:
    lines = [BANNER, STAMP + TOLD, "[10/12] PASSED: hpo_2B_h1_threshold_1pct.py"]
    lines += [STAMP + TOLD.replace("0.5", "0.25")]

    first, second = recover(lines).studies

    assert (first.experiment, len(first.rows)) == ("hpo_2B_h1_threshold_1pct", 1)
    assert second.experiment is None
    assert second.flags == ["no banner names the experiment of these trials"]


def test_a_banner_of_a_skip_is_ignored() -> None:
    lines = [BANNER, STAMP + TOLD, "[11/12] Skipping: hpo_2B_h3_threshold_1pct.py (done)"]
    lines += [STAMP + TOLD.replace("Trial 0", "Trial 1").replace("0.5 and", "0.75 and")]

    assert [row.number for row in recover_one(lines).rows] == [0, 1]


def test_the_script_that_resumes_an_experiment_belongs_to_it() -> None:
    lines = [BANNER, STAMP + TOLD, "[10/12] Starting: hpo_2B_h1_resume.py"]
    lines += [STAMP + TOLD.replace("Trial 0", "Trial 1").replace("0.5 and", "0.75 and")]

    study = recover_one(lines)

    assert (study.name, [row.number for row in study.rows]) == ("hpo_2B_h1_threshold_1pct", [0, 1])


def test_a_second_run_of_an_experiment_is_kept_apart() -> None:
    lines = [BANNER, STAMP + TOLD, BANNER, STAMP + TOLD.replace("0.5", "0.25")]

    studies = recover(lines).studies

    assert [(study.experiment, study.rows[0].value) for study in studies] == [
        ("hpo_2B_h1_threshold_1pct", 0.5),
        ("hpo_2B_h1_threshold_1pct", 0.25),
    ]
    assert studies[0].name != studies[1].name


@pytest.mark.parametrize("prefix", ["", "2026-01-01 10:00:00.123 | INFO     | hpo:run:12 - "])
def test_a_block_of_parameters_is_read(prefix: str) -> None:
    block = ["=" * 60, "Trial 3 - Testing parameters:"]
    block += ["  learning_rate: 0.00027", "  use_kan: True", "  name: 'a: b'", "  act: gelu"]
    lines = [prefix + line for line in [*block, "=" * 60, "Epoch 1: loss: 0.25"]]
    done = f"{prefix}Trial 3 completed with val_loss: 1.2345"

    (started,) = recover_one(lines).rows
    (ended,) = recover_one([*lines, done]).rows

    params = {"learning_rate": 0.00027, "use_kan": True, "name": "a: b", "act": "gelu"}
    assert (started.state, started.params) == ("RUNNING", params)
    assert (ended.state, ended.value, ended.params) == ("COMPLETE", 1.2345, params)


def test_a_block_of_parameters_across_blocks_of_the_reader_is_whole() -> None:
    lines = ["x" * 131_000, "Trial 3 - Testing parameters:"]
    lines += [f"  parameter_{index}: {index}" for index in range(40)]

    (trial,) = recover_one(lines).rows

    assert trial.params == {f"parameter_{index}": index for index in range(40)}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("Trial 3 failed with error: out of memory", "out of memory"),
        ("[ERROR] Trial 3 failed with config error: no such model", "no such model"),
        ("Trial 3 failed (RuntimeError): out of memory", "RuntimeError: out of memory"),
    ],
)
def test_a_failure_that_other_programs_print_is_read(line: str, error: str) -> None:
    (trial,) = recover_one(["Trial 3: {'learning_rate': 0.1}", line]).rows

    assert (trial.state, trial.params, trial.user_attrs["error"]) == (
        "FAIL",
        {"learning_rate": 0.1},
        error,
    )


def test_an_early_stop_belongs_to_the_trial_that_runs() -> None:
    lines = ["Trial 4: {'lr': 0.1}", "EarlyStopping triggered at epoch 7 (patience=20)"]
    lines += ["Trial 5: {'lr': 0.2}", "EarlyStopping triggered at epoch 9 (patience=20)"]

    rows = recover_one(lines).rows

    assert [row.user_attrs["stopped_epoch"] for row in rows] == [7, 9]


def test_a_dry_run_is_not_a_trial() -> None:
    recovery = recover(["[DRY RUN] Trial 0: {'x': 1}", "[DRY RUN] Trial 1: {'x': 2}"])

    assert recovery.studies == []
    assert recovery.report() == ["stream: dry runs, not counted as trials: 2"]


def test_parameters_that_are_printed_as_pairs_are_read() -> None:
    pairs = "hidden_size=128 dropout=0.1 distil=False activation='relu' layers=2"

    (trial,) = recover_one([f"Trial 1 finished with value: 1.2899 and parameters: {pairs}"]).rows

    assert (trial.value, trial.flags) == (1.2899, [])
    assert trial.params == {
        "hidden_size": 128,
        "dropout": 0.1,
        "distil": False,
        "activation": "relu",
        "layers": 2,
    }


PARAMS = "{'x': 0.5}"


@pytest.mark.parametrize(
    ("lines", "states"),
    [
        (["Trial 0 finished with value: 1.0 and parameters: {'x': 0.5}."], ["COMPLETE"]),
        (["Trial 0 finished with values: [1.0, 2.0] and parameters: {'x': 0.5}. "], ["COMPLETE"]),
        (["Trial 0 finished with values: {'a': 1.0} and parameters: {'x': 0.5}."], ["COMPLETE"]),
        (["Trial 0 pruned. "], ["PRUNED"]),
        (
            [
                "Trial 0 failed with parameters: {'x': 0.5} because of the following error: E().",
                "Traceback (most recent call last):",
                "RuntimeError: Trial 9 pruned.",
                "Trial 0 failed with value None.",
            ],
            ["FAIL"],
        ),
        (["Trial 0 failed because of the following error: RuntimeError('a')"], ["FAIL"]),
        (["Trial 0 failed, because the objective function returned nan."], ["FAIL"]),
        (["Trial 0 failed, because the value None could not be cast to float."], ["FAIL"]),
        (
            ["Finished trial#0 with value: 1.0 with parameters: {'x': 0.5}. Best is trial#0 with"
             " value: 1.0."],
            ["COMPLETE"],
        ),
        (
            ["Finished trial#0 resulted in value: 1.0. Current best value is 1.0 with parameters:"
             " {'x': 0.5}."],
            ["COMPLETE"],
        ),
        (["Setting status of trial#0 as TrialState.PRUNED. step 3"], ["PRUNED"]),
        (
            ["Setting status of trial#0 as TrialState.FAIL because of the following error: E()"],
            ["FAIL"],
        ),
        (
            ["Finished a trial resulted in value: 1.0. Current best value is 1.0 with parameters:"
             " {'x': 0.5}.",
             "Setting trial status as TrialState.PRUNED. x",
             "Setting trial status as TrialState.FAIL because of the following error: E()"],
            ["COMPLETE", "PRUNED", "FAIL"],
        ),
    ],
)  # fmt: skip
def test_the_lines_of_every_version_of_optuna_are_read(
    lines: list[str], states: list[str]
) -> None:
    stamped = [line if line.startswith(("Trace", "Runt")) else STAMP + line for line in lines]

    rows = recover_one(stamped).rows

    assert [(row.number, row.state) for row in rows] == list(enumerate(states))
    assert [row.params for row in rows if row.state == "COMPLETE"] == [{"x": 0.5}] * (
        states[0] == "COMPLETE"
    )


def old_line(number: int, value: float, best: float, params: str) -> str:
    """Return a line of Optuna 0.9 to 1.2."""
    message = f"Finished trial#{number} resulted in value: {value}. Current best value is {best}"
    return f"{STAMP}{message} with parameters: {params}."


def test_parameters_of_the_best_trial_are_not_those_of_another() -> None:
    lines = [old_line(0, 2.0, 2.0, "{'x': 0}"), old_line(1, 3.0, 2.0, "{'x': 0}")]
    lines += [old_line(2, 1.0, 1.0, "{'x': 2}"), old_line(3, 1.0, 1.0, "{'x': 2}")]

    rows = recover_one(lines).rows

    assert [row.params for row in rows] == [{"x": 0}, {}, {"x": 2}, {}]
    assert [len(row.flags) for row in rows] == [0, 1, 0, 1]


@pytest.mark.parametrize("name", ["memory", "RDB", "Journal", None])
def test_a_study_line_of_every_version_names_the_study(name: str | None) -> None:
    kind = f" in {name}" if name else ""
    study = recover_one([f"{STAMP}A new study created{kind} with name: a b", STAMP + TOLD])

    assert study.name == "a b"


def test_lines_that_the_root_logger_prints_again_are_the_same_trials() -> None:
    lines = ["A new study created in RDB with name: a", TOLD, "Trial 1 pruned. "]

    study = recover_one([text for line in lines for text in (STAMP + line, line)])

    assert [(row.number, row.state) for row in study.rows] == [(0, "COMPLETE"), (1, "PRUNED")]


def test_a_line_quoted_in_the_text_of_an_error_is_ignored() -> None:
    quoted = f"{STAMP}{TOLD.replace('Trial 0', 'Trial 9').replace('trial 0', 'trial 9')}"
    error = f"RuntimeError({f'first{chr(10)}{quoted}'!r})"
    lines = [
        f"{STAMP}Trial 2 failed with parameters: {{}} because of the following error: {error}."
    ]
    lines += ["Traceback (most recent call last):", "RuntimeError: first", quoted]
    lines += [f"{STAMP}Trial 2 failed with value None.", STAMP + TOLD]

    assert [row.number for row in recover_one(lines).rows] == [0, 2]


def test_lines_of_two_writers_are_separated_by_their_best_trials() -> None:
    def line(number: int, value: float, best: int, best_value: float) -> str:
        message = f"Trial {number} finished with value: {value} and parameters: {{'x': {value}}}."
        return f"{STAMP}{message} Best is trial {best} with value: {best_value}."

    lines = [line(0, 0.5, 0, 0.5), line(0, 0.25, 0, 0.25), line(1, 0.75, 0, 0.25)]
    lines += [line(1, 0.625, 0, 0.5), line(2, 0.875, 0, 0.5), line(2, 0.375, 0, 0.25)]

    studies = recover(lines).studies

    assert [[row.value for row in study.rows] for study in studies] == [
        [0.5, 0.625, 0.875],
        [0.25, 0.75, 0.375],
    ]
