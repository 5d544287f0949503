"""Files of results: recognised by content, merged with logs where identity is proven."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from recover_samples import STAMP, as_bytes, recover, sample_log
from recover_trials import Recovery, Study, UnreadableError, read_trials
from recover_trials.cli import main
from recover_trials.files.csv_results import is_csv_results
from recover_trials.files.json_results import is_json_results
from recover_trials.files.merge_results import SEVERAL
from recover_trials.files.recognise_format import is_certainly_log
from recover_trials.files.result_entries import cell_value
from recover_trials.model import CONFLICTING, NUMBERED_BY_ORDER
from recover_trials.output import to_csv, to_json, to_jsonl
from scripts import MARKET, changed, render_to, run

PARAMS = {"arch_idx": 5, "learning_rate": 0.00027583475549166736, "epochs": 75}
TRIAL = {
    "trial_number": 3,
    "value": 0.3525,
    "params": PARAMS,
    "state": "COMPLETE",
    "datetime_start": "2025-12-13T10:00:00.123456",
    "datetime_complete": "2025-12-13T10:05:00.654321",
    "duration_seconds": 300.5,
    "architecture": {"d_model": 64, "n_layers": 48, "n_heads": 8, "d_ff": 256},
    "user_attrs": {
        "architecture": {"d_model": 64},
        "learning_curve": [{"epoch": 0, "train_loss": 0.7, "val_loss": 0.6, "val_auc": 0.5}],
        "val_accuracy": 0.81,
    },
}
ALL_TRIALS = {
    "experiment": "phase6a_2B_h1",
    "budget": "2B",
    "n_trials": 2,
    "timestamp": "2025-12-13T12:00:00",
    "trials": [
        {**{k: TRIAL[k] for k in ("trial_number", "value", "params", "duration_seconds")},
         "d_model": 64, "n_layers": 48, "n_heads": 8, "param_count": 2_414_273},
        {"trial_number": 4, "value": 0.4, "params": {**PARAMS, "arch_idx": 6}, "d_model": 96},
    ],
}  # fmt: skip
LOG = (
    f"[I 2025-12-13 10:00:00,125] Trial 3: arch_idx=5, d_model=64, n_layers=48, n_heads=8,"
    " params=2,414,273, lr=0.000276, epochs=75, batch_size=64\n"
    f"[I 2025-12-13 10:05:00,660] Trial 3 finished with value: 0.3525 and parameters: {PARAMS}."
    " Best is trial 3 with value: 0.3525.\n"
)


def write(path: Path, content: Any) -> Path:
    """Write text, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def only(recovery: Recovery) -> Study:
    """Return the only study of a recovery."""
    (study,) = recovery.studies
    return study


def brief(study: Study) -> list[tuple[int, str, float | None]]:
    """Return number, state and value of each trial."""
    return [(trial.number, trial.state, trial.value) for trial in study.rows]


# --- Each kind of file ---------------------------------------------------------------------------


def test_a_trial_file_has_everything_of_its_trial(tmp_path: Path) -> None:
    path = write(tmp_path / "exp" / "trials" / "trial_0003.json", TRIAL)

    study = only(read_trials(path))

    assert (study.name, brief(study)) == ("exp", [(3, "COMPLETE", 0.3525)])
    trial = study.rows[0]
    assert (trial.params, str(trial.datetime_start)) == (PARAMS, "2025-12-13 10:00:00.123456")
    assert trial.user_attrs["d_ff"] == 256
    assert trial.user_attrs["learning_curve"][0]["val_auc"] == 0.5
    assert trial.flags == []


def test_the_trial_files_of_a_folder_are_one_study(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "exp/trials" / f"trial_{n:04d}.json", {**TRIAL, "trial_number": n})
        for n in range(3)
    ]
    other = write(tmp_path / "exp2/trials/trial_0000.json", {**TRIAL, "trial_number": 0})

    studies = read_trials([*paths, other]).studies

    assert [(study.name, len(study.trials)) for study in studies] == [("exp", 3), ("exp2", 1)]


def test_a_list_of_finished_trials_has_no_states(tmp_path: Path) -> None:
    study = only(read_trials(write(tmp_path / "a_all_trials.json", ALL_TRIALS)))

    assert study.name == "phase6a_2B_h1"
    assert brief(study) == [(3, "COMPLETE", 0.3525), (4, "COMPLETE", 0.4)]
    assert study.rows[0].user_attrs["param_count"] == 2_414_273


def test_a_recovered_list_has_trials_that_did_not_end(tmp_path: Path) -> None:
    entry = {"start_time": "2025-12-13 10:00:00", "trial_number": 0, "lr": 0.001, "epochs": 50}
    trials = [
        {**entry, "end_time": "2025-12-13 10:05:00", "val_loss": 0.5, "params": PARAMS},
        {**entry, "trial_number": 1, "end_time": None, "val_loss": None, "params": {}},
    ]

    study = only(read_trials(write(tmp_path / "a.json", {"experiment": "e", "trials": trials})))

    assert brief(study) == [(0, "COMPLETE", 0.5), (1, "RUNNING", None)]
    assert study.rows[1].user_attrs == {"learning_rate": 0.001, "epochs": 50}


@pytest.mark.parametrize("number", ["best_trial", "best_trial_number"])
def test_a_best_file_is_a_trial(tmp_path: Path, number: str) -> None:
    best = {"experiment": "e", "budget": "2B", "best_params": PARAMS, "best_value": 0.25}

    study = only(read_trials(write(tmp_path / "e_2B_best.json", {**best, number: 7})))

    assert brief(study) == [(7, "COMPLETE", 0.25)]
    assert study.named_bests == {7: 0.25}


def test_a_best_value_without_a_number_is_not_a_trial(tmp_path: Path) -> None:
    best = {"experiment": "phase6a_2B_h1", "best_params": PARAMS, "best_value": 0.25}
    alone = write(tmp_path / "best.json", best)
    beside = write(tmp_path / "a_all_trials.json", ALL_TRIALS)

    assert read_trials(alone).studies == []
    study = only(read_trials([beside, alone]))
    assert study.remarks == ["a file of results has the best value 0.25 without its trial number"]
    assert len(study.trials) == 2


def test_a_history_is_a_list_of_trials(tmp_path: Path) -> None:
    entry = {"number": 0, "value": 0.7, "params": {"lr": 1e-5}, "state": "COMPLETE"}
    pruned = {**entry, "number": 1, "value": None, "state": "TrialState.PRUNED"}

    study = only(read_trials(write(tmp_path / "c" / "trials_history.json", [entry, pruned])))

    assert brief(study) == [(0, "COMPLETE", 0.7), (1, "PRUNED", None)]
    assert study.rows[0].params == {"lr": 1e-5}


def test_a_ranking_has_no_numbers_of_its_own(tmp_path: Path) -> None:
    entry = {"rank": 1, "f1_macro": 0.7, "ece": 0.1, "params": {"lr": 1e-5}, "started_at": None}

    entries = [entry, {**entry, "rank": 2, "f1_macro": 0.6}]

    study = only(read_trials(write(tmp_path / "topk.json", entries)))

    assert brief(study) == [(0, "COMPLETE", 0.7), (1, "COMPLETE", 0.6)]
    assert [trial.flags for trial in study.rows] == [[NUMBERED_BY_ORDER]] * 2
    assert (study.direction, study.best) == ("maximize", study.rows[0])


def test_a_metrics_table_has_parameters_in_one_cell(tmp_path: Path) -> None:
    table = (
        "trial,auc,precision,recall,forced_extreme,extreme_type,duration_sec,params\n"
        "0,0.71,0.5,0.25,True,min_d_model,12.5,\"{'lr': 0.001, 'act': 'gelu, \"\"x\"\"'}\"\n"
        '1,0.72,0.5,0.25,False,,13.5,"{""lr"": 0.002}"\n'
    )

    study = only(read_trials(write(tmp_path / "t" / "trial_metrics.csv", table)))

    assert brief(study) == [(0, "COMPLETE", 0.71), (1, "COMPLETE", 0.72)]
    assert [t.params for t in study.rows] == [{"lr": 0.001, "act": 'gelu, "x"'}, {"lr": 0.002}]
    assert study.rows[0].user_attrs["extreme_type"] == "min_d_model"


def trials_of(study: Study) -> list[tuple[Any, ...]]:
    """Return the fields of each trial that every kind of file has."""
    return [
        (t.number, t.state, t.values, t.datetime_start, t.datetime_complete, t.params)
        for t in study.rows
    ]


@pytest.mark.parametrize("write_as", [to_json, to_jsonl, to_csv])
def test_recovered_trials_can_be_read_again(tmp_path: Path, write_as: Any) -> None:
    recovery = recover(sample_log().lines)
    path = write(tmp_path / "hpo_2M_h1" / "recovered", write_as(recovery))

    again = read_trials(path)

    # A running trial has no value, a pruned one its last value.
    assert trials_of(only(again)) == trials_of(only(recovery))


@pytest.mark.parametrize("write_as", [to_json, to_jsonl, to_csv])
def test_studies_of_one_file_are_not_merged(tmp_path: Path, write_as: Any) -> None:
    other = LOG.replace("Trial 3", "Trial 4").replace("trial 3", "trial 4")
    logs = [write(tmp_path / "a.log", LOG), write(tmp_path / "b.log", other)]
    path = write(tmp_path / "recovered", write_as(read_trials(logs)))

    assert [brief(study) for study in read_trials(path).studies] == [
        [(3, "COMPLETE", 0.3525)],
        [(4, "COMPLETE", 0.3525)],
    ]


@pytest.mark.parametrize("state", ["2", 2, "TrialState.PRUNED"])
def test_a_state_may_be_the_number_of_optuna(tmp_path: Path, state: Any) -> None:
    entry = {"number": 0, "value": None, "params": {}, "state": state}

    assert brief(only(read_trials(write(tmp_path / "a.json", [entry])))) == [(0, "PRUNED", None)]


def test_fields_of_the_wrong_type_are_left_out(tmp_path: Path) -> None:
    evil = {"metric": [], "direction": "up", "search_space": 3, "n_trials": "x", "name": {}}
    document = {**evil, "about": {**evil, "unit": 1}, "trials": [TRIAL], "budget": "2B"}

    assert only(read_trials(write(tmp_path / "a.json", document))).about == {"budget": "2B"}


# --- Damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "{",
        '{"trial_number": 3, "value": 0.3',
        '[{"number": 0, "params": {}, "sta',
        '{"trials": ' + "[" * 100_000,
        '{"trial_number": ' + "9" * 10_000 + "}",
    ],
)
def test_a_truncated_file_is_unreadable_and_the_others_are_read(tmp_path: Path, text: str) -> None:
    torn, good = write(tmp_path / "a/trial_0003.json", text), write(tmp_path / "b.json", TRIAL)
    unreadable: dict[str, OSError] = {}

    recovery = read_trials([torn, good], unreadable)

    assert [*unreadable] == [str(torn)]
    assert isinstance(unreadable[str(torn)], UnreadableError)
    assert brief(only(recovery)) == [(3, "COMPLETE", 0.3525)]
    ran = CliRunner().invoke(main, [str(torn), str(good)])
    assert (ran.exit_code, len(ran.stdout.splitlines())) == (2, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"trial_number": -1},
        {"trial_number": True},
        {"trial_number": 10**12},
        {"trial_number": "3"},
        {"state": "WON"},
        {"value": "0.5"},
        {"value": 10**400},
        {"params": [1]},
        {"user_attrs": "x"},
        {"datetime_start": "yesterday"},
    ],
)
def test_an_entry_that_is_not_a_trial_is_left_out_and_reported(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    trials = [{**TRIAL, **change}, {**TRIAL, "trial_number": 4}]

    recovery = read_trials(write(tmp_path / "a.json", {"experiment": "e", "trials": trials}))

    assert brief(only(recovery)) == [(4, "COMPLETE", 0.3525)]
    assert "entries left out: 1, such as" in recovery.problems[0]


def test_infinite_values_are_read_from_json(tmp_path: Path) -> None:
    text = json.dumps([{"number": 0, "state": "COMPLETE", "params": {}, "value": float("inf")}])
    text = text.replace("}]", '}, {"number": 1, "state": "FAIL", "params": {}, "value": NaN}]')

    assert brief(only(read_trials(write(tmp_path / "a.json", text)))) == [
        (0, "COMPLETE", float("inf")),
        (1, "FAIL", None),
    ]


def test_a_row_of_a_table_that_is_cut_is_left_out(tmp_path: Path) -> None:
    text = to_csv(recover(sample_log().lines))

    recovery = read_trials(write(tmp_path / "trials.csv", text[:-12]))

    assert [t.number for t in only(recovery).rows] == [0, 1]
    assert recovery.problems[0].endswith("cells'")


@pytest.mark.parametrize("opening", ['{"message": "start", "params": 1}\n', "[1]\n", "{x\n", "["])
def test_a_log_that_begins_with_a_bracket_is_a_log(tmp_path: Path, opening: str) -> None:
    assert brief(only(read_trials(write(tmp_path / "a.log", opening + "\n" + LOG)))) == [
        (3, "COMPLETE", 0.3525)
    ]


NAMES = (
    *("trials", "best_params", "best_value", "rank", "number", "about", "agent", "stage"),
    *("configurations", "pareto_front", "f1_macro", "ece", "config"),
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*TRIAL, *NAMES]) | st.text(max_size=3),
            inner,
        )
    ),
    max_leaves=12,
)


@given(DOCUMENTS.map(json.dumps) | DOCUMENTS.map(lambda d: json.dumps({"trials": [d, TRIAL]})))
def test_no_document_is_a_crash(text: str) -> None:
    recovery = read_trials([iter([text.encode()])], {})

    to_json(recovery)
    to_csv(recovery)


@given(st.integers() | st.floats() | st.booleans())
def test_a_cell_keeps_its_value(value: float) -> None:
    assert repr(cell_value(str(value))) == repr(value)


@pytest.mark.parametrize("text", ["__import__('os')", "a, b", "1_000", "0x10", "1e", "hello 1"])
def test_a_cell_of_text_remains_text(text: str) -> None:
    assert cell_value(text) == text


# --- With the logs of the same study -------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_trial_of_log_and_file_is_one_row(tmp_path: Path, order: tuple[int, int]) -> None:
    paths = [write(tmp_path / "a.log", LOG), write(tmp_path / "e_all_trials.json", ALL_TRIALS)]

    study = only(read_trials([paths[index] for index in order]))

    assert brief(study) == [(3, "COMPLETE", 0.3525), (4, "COMPLETE", 0.4)]
    assert [trial.flags for trial in study.rows] == [[], []]
    assert str(study.rows[0].datetime_start) == "2025-12-13 10:00:00.125000"
    assert study.rows[0].user_attrs["batch_size"] == 64


def test_a_trial_that_differs_is_kept_and_flagged(tmp_path: Path) -> None:
    extra = f"{STAMP}Trial 4 finished with value: 0.9 and parameters: {{'arch_idx': 6}}.\n"
    more = (
        "[I 2025-12-13 10:15:00,660] Trial 5 finished with value: 0.31 and parameters:"
        " {'arch_idx': 7}.\n"
    )
    trials = [*ALL_TRIALS["trials"], {"trial_number": 5, "value": 0.31, "params": {"arch_idx": 7}}]
    log = write(tmp_path / "a.log", LOG + extra.replace("2026-11-21", "2025-12-13") + more)
    files = write(tmp_path / "e_all_trials.json", {**ALL_TRIALS, "trials": trials})

    study = only(read_trials([log, files]))

    assert brief(study)[1:3] == [(4, "COMPLETE", 0.9), (4, "COMPLETE", 0.4)]
    assert study.rows[2].flags == [CONFLICTING]


@pytest.mark.parametrize(
    "change", [{"value": 0.5}, {"params": {**PARAMS, "epochs": 50}}, {"params": {}}]
)
def test_another_study_with_the_same_numbers_is_not_merged(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    other = {**ALL_TRIALS, "trials": [{**ALL_TRIALS["trials"][0], **change}]}

    studies = read_trials([write(tmp_path / "a.log", LOG), write(tmp_path / "b.json", other)])

    assert [len(study.rows) for study in studies.studies] == [1, 1]
    assert [trial.flags for study in studies.studies for trial in study.rows] == [[], []]


def test_files_that_match_several_studies_are_not_merged(tmp_path: Path) -> None:
    logs = [write(tmp_path / "a.log", LOG)]
    logs.append(write(tmp_path / "b.log", LOG.replace("2025-12-13", "2025-12-14")))
    files = write(tmp_path / "e.json", {**ALL_TRIALS, "trials": ALL_TRIALS["trials"][:1]})

    studies = read_trials([*logs, files]).studies

    assert [len(study.rows) for study in studies] == [1, 1, 1]
    assert studies[2].flags == [SEVERAL]


def test_files_of_two_studies_in_one_folder_are_not_merged(tmp_path: Path) -> None:
    one = write(tmp_path / "a_all_trials.json", ALL_TRIALS)
    two = write(tmp_path / "b_all_trials.json", {**ALL_TRIALS, "experiment": "other"})
    entries = [{"number": n, "value": 9.5, "params": {"x": n}, "state": "FAIL"} for n in (3, 4)]
    three = write(tmp_path / "c.json", entries)

    assert [len(study.rows) for study in read_trials([one, two, three]).studies] == [2, 2, 2]


# --- The files of a real script ------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(sp500_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a script that ran through."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(sp500_file, folder / "sp500.csv")
    script = render_to(folder, changed(MARKET, study={"n_trials": 4}))
    ran = run(script)
    assert ran.returncode == 0, ran.stderr
    return script


@pytest.mark.study
def test_every_file_of_a_script_has_the_study_of_its_log(finished: Path) -> None:
    log = finished.parent / "logs" / f"{finished.stem}.log"
    out = finished.parent / "outputs" / finished.stem
    expected = trials_of(only(read_trials(log)))
    assert trials_of(only(read_trials(out / "trials.csv"))) == expected
    assert trials_of(only(read_trials(out / "best_params.json")))[0] in [
        (*row[:3], None, None, *row[5:]) for row in expected
    ]


@pytest.mark.study
def test_a_log_with_the_files_of_its_script_is_one_study_without_a_flag(finished: Path) -> None:
    log = finished.parent / "logs" / f"{finished.stem}.log"
    out = finished.parent / "outputs" / finished.stem
    files = [*out.glob("*.json"), *out.glob("*.csv")]

    for order in ([log, *files], [*reversed(files), log]):
        recovery = read_trials(order)
        assert trials_of(only(recovery)) == trials_of(only(read_trials(log)))
        assert recovery.conflicts == []


@pytest.mark.study
def test_files_complete_a_cut_log(finished: Path, tmp_path: Path) -> None:
    whole = (finished.parent / "logs" / f"{finished.stem}.log").read_bytes()
    lines = whole.splitlines(keepends=True)
    cut = tmp_path / "cut.log"
    cut.write_bytes(b"".join(lines[: len(lines) // 2]))
    table = finished.parent / "outputs" / finished.stem / "trials.csv"

    recovery = read_trials([cut, table])

    assert trials_of(only(recovery)) == trials_of(only(read_trials(io_of(whole))))
    assert recovery.conflicts == []


def io_of(data: bytes) -> Any:
    """Return bytes as an iterable of chunks."""
    return [iter([data])]


def test_a_compressed_file_of_results_is_read(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "a.json.gz").write_bytes(gzip.compress(as_bytes(json.dumps(ALL_TRIALS))))

    assert len(only(read_trials(tmp_path / "a.json.gz")).rows) == 2


WORDS = ("{", "[", "]", "}", '"', ",", "\n", " ", "\ufeff", "number", "trial", "value", "auc", "x")


@given(st.lists(st.sampled_from(WORDS), max_size=8), st.sampled_from(["a.log", "a.json"]))
def test_a_plain_log_is_not_a_file_of_results(words: list[str], name: str) -> None:
    head = "".join([*words, '"params":']).encode()

    may_be_results = is_csv_results(head) or is_json_results(head, name)
    assert not (is_certainly_log(head, name) and may_be_results)


def test_a_log_is_plainly_no_result() -> None:
    assert is_certainly_log(LOG.encode(), "a.log")
    assert is_certainly_log(as_bytes(sample_log().lines), "a.log")
