"""Files of an earlier text system: its history, its rankings, and the results of its stages."""

from __future__ import annotations

import copy
import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from recover_trials import Recovery, Study, Trial, UnreadableError, read_trials
from recover_trials.cli import main
from recover_trials.files.rankings import (
    ALL_SMOKE,
    ONLY_BEST,
    ONLY_FRONT,
    RANKS_MISSING,
    UNKNOWN_RANKING,
    UNKNOWN_STAGE,
)
from recover_trials.model import (
    CONFLICTING,
    DOMINATED,
    NUMBERED_BY_ORDER,
    RANK_DIFFERS,
    RANK_TWICE,
    SCORE_OUT_OF_RANGE,
    VALUE_MISSING,
)
from recover_trials.output import to_csv, to_json

SCORES = (0.71, 0.7000000000000001, 0.64)


def entry(rank: int, score: float, **others: Any) -> dict[str, Any]:
    """Return an entry of a topk file."""
    return {
        "rank": rank,
        "f1_macro": score,
        "ece": 0.125,
        "logloss": 0.5,
        "runtime_s": 90.25,
        "params": {"optim.lr": 1e-5 * (rank + 1), "model.name": 'a "b"'},
        "artifact_uri": "mlruns/1",
        "seed_info": {"seeds": [1, 2]},
        "started_at": f"2025-10-29T10:0{rank}:00",
        **others,
    }


TOPK = [entry(rank, score) for rank, score in enumerate(SCORES, 1)]
HISTORY = [
    {
        "number": 3 * one["rank"],
        "value": one["f1_macro"],
        "params": one["params"],
        "state": "COMPLETE",
        "datetime_start": one["started_at"],
        "datetime_complete": one["started_at"].replace(":00", ":59"),
    }
    for one in TOPK
] + [
    {"number": 0, "value": None, "params": {"optim.lr": 0.1}, "state": "FAIL"},
    {"number": 1, "value": 0.25, "params": {"optim.lr": 0.2}, "state": "PRUNED"},
]
FRONT = [
    {
        "rank": 1,
        "trial_number": 7,
        "f1_macro": 0.7,
        "ece": 0.2,
        "logloss": 1.5,
        "config": {"a": 1},
    },
    {
        "rank": 1,
        "trial_number": 2,
        "f1_macro": 0.6,
        "ece": 0.1,
        "logloss": 1.0,
        "config": {"a": 2},
    },
]
STAGE_A = {"agent": "criteria", "stage": "A", "topk": 50, "configurations": TOPK}
STAGE_B = {
    "agent": "evidence",
    "stage": "B",
    "pareto_size": 2,
    "total_trials": 1500,
    "pareto_front": FRONT,
}


def read(*documents: Any, folder: Path) -> Recovery:
    """Read documents, each from a file of its own folder."""
    paths = []
    for index, document in enumerate(documents):
        path = folder / str(index) / "criteria_max_topk.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
        paths.append(path)
    return read_trials(paths)


def only(recovery: Recovery) -> Study:
    (study,) = recovery.studies
    return study


def facts(trial: Trial) -> tuple[Any, ...]:
    return trial.number, trial.state, trial.values, trial.params


# --- Each kind of file ---------------------------------------------------------------------------


def test_a_history_keeps_states_values_parameters_and_times(tmp_path: Path) -> None:
    study = only(read(HISTORY, folder=tmp_path))

    assert [facts(trial) for trial in study.rows] == [
        (0, "FAIL", (), {"optim.lr": 0.1}),
        (1, "PRUNED", (0.25,), {"optim.lr": 0.2}),
        *((3 * one["rank"], "COMPLETE", (one["f1_macro"],), one["params"]) for one in TOPK),
    ]
    assert str(study.trials[3][0].datetime_start) == "2025-10-29 10:01:00"
    assert study.direction is None  # the file does not hold it


def test_a_history_whose_first_entry_is_damaged_keeps_the_others(tmp_path: Path) -> None:
    recovery = read([{"number": 9}, *HISTORY, None], folder=tmp_path)

    assert sorted(only(recovery).trials) == [0, 1, 3, 6, 9]
    assert (
        "entries left out: 1, such as 'entry 6: the entry is not a mapping'"
        in (recovery.problems[0])
    )


def test_a_ranking_is_named_by_its_file_and_keeps_its_measures(tmp_path: Path) -> None:
    study = only(read(TOPK, folder=tmp_path))

    assert (study.name, study.direction, study.about["metric"]) == (
        "criteria_max",
        "maximize",
        "f1_macro",
    )
    assert [facts(trial)[2:] for trial in study.rows] == [
        ((one["f1_macro"],), one["params"]) for one in TOPK
    ]
    assert [trial.flags for trial in study.rows] == [[NUMBERED_BY_ORDER]] * 3
    trial = study.rows[0]
    assert (trial.user_attrs["ece"], trial.user_attrs["seed_info"]) == (0.125, {"seeds": [1, 2]})
    assert str(trial.datetime_start) == "2025-10-29 10:01:00"
    assert study.remarks == [ONLY_BEST]


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("source", ["params", "config", "text"])
def test_stage_a_holds_the_best_trials(tmp_path: Path, source: str, numbered: bool) -> None:
    entries = []
    for one in copy.deepcopy(TOPK):
        params = one.pop("params")
        one["params" if source == "params" else "config"] = (
            json.dumps(params) if source == "text" else params
        )
        entries.append({**one, **({"trial_number": 100 - one["rank"]} if numbered else {})})

    study = only(read({**STAGE_A, "configurations": entries}, folder=tmp_path))

    assert (study.name, study.best and study.best.value) == ("criteria_stage_A", 0.71)
    assert {facts(trial)[2:][0]: trial.params for trial in study.rows} == {
        (one["f1_macro"],): one["params"] for one in TOPK
    }
    assert sorted(study.trials) == ([97, 98, 99] if numbered else [0, 1, 2])
    assert study.flags == []


def test_a_ranking_by_score_ignores_other_measures(tmp_path: Path) -> None:
    entries = [{**one, "val_loss": 0.1 * one["rank"], "value": 9.0} for one in TOPK]

    rows = only(read(entries, folder=tmp_path)).rows

    assert [trial.values for trial in rows] == [(score,) for score in SCORES]
    assert (rows[0].user_attrs["val_loss"], rows[0].user_attrs["value"]) == (0.1, 9.0)


@pytest.mark.parametrize("ending", ["\n", "", "\n4,0.6"])
def test_a_ranking_may_be_a_table(tmp_path: Path, ending: str) -> None:
    """The last row of a table that is cut is left out."""
    table = io.StringIO()
    writer = csv.DictWriter(table, [*TOPK[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(TOPK)
    path = tmp_path / "criteria_max_topk.csv"
    path.write_text(table.getvalue().removesuffix("\n") + ending)

    recovery = read_trials(path)

    study = only(recovery)
    n_read = 2 if ending == "" else 3
    assert [facts(trial) for trial in study.rows] == [
        (place, "COMPLETE", (one["f1_macro"],), one["params"])
        for place, one in enumerate(TOPK[:n_read])
    ]
    assert study.rows[0].user_attrs["seed_info"] == {"seeds": [1, 2]}
    assert len(recovery.problems) == (ending != "\n")


def test_stage_b_has_two_objectives_and_no_best_trial(tmp_path: Path) -> None:
    study = only(read(STAGE_B, folder=tmp_path))

    assert [facts(trial) for trial in study.rows] == [
        (2, "COMPLETE", (0.6, 0.1), {"a": 2}),
        (7, "COMPLETE", (0.7, 0.2), {"a": 1}),
    ]
    assert (study.name, study.best) == ("evidence_stage_B", None)
    assert study.about["directions"] == ["maximize", "minimize"]
    assert study.rows[0].user_attrs["logloss"] == 1.0
    assert (study.flags, study.remarks) == ([], [ONLY_FRONT])
    assert read(STAGE_B, folder=tmp_path).conflicts == []


# --- Conflicts and damage ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "flags"),
    [
        ([entry(1, 0.6), entry(2, 0.7)], [[], [RANK_DIFFERS]]),
        ([entry(2, 0.6), entry(1, 0.7)], [[], []]),
        ([entry(1, 0.7), entry(1, 0.6)], [[RANK_TWICE], [RANK_TWICE]]),
        ([entry(1, 1.7), entry(2, -0.6)], [[SCORE_OUT_OF_RANGE], [SCORE_OUT_OF_RANGE]]),
        ([entry(1, math.nan), entry(2, 0.6)], [[VALUE_MISSING], []]),
        ([entry(0, 0.7), entry(1, 0.6)], [[], []]),
    ],
)
def test_a_contradiction_in_a_ranking_is_flagged(
    tmp_path: Path, entries: list[Any], flags: list[list[str]]
) -> None:
    recovery = read(entries, folder=tmp_path)

    rows = only(recovery).rows
    assert [[f for f in trial.flags if f != NUMBERED_BY_ORDER] for trial in rows] == flags
    assert all(trial.state == "COMPLETE" for trial in rows)
    assert bool(recovery.conflicts) == any(flags)


@pytest.mark.parametrize(
    ("document", "flag"),
    [
        ([TOPK[0], TOPK[2]], RANKS_MISSING),
        (TOPK[1:], RANKS_MISSING),
        ([entry(1, 0.5), entry(2, 0.5)], ALL_SMOKE),
        ({**STAGE_A, "topk": 2}, "the file names 2 entries and holds 3"),
        ({**STAGE_B, "pareto_size": 3}, "the file names 3 entries and holds 2"),
        ({**STAGE_B, "total_trials": 7}, "the file names 7 trials in total, but holds trial 7"),
    ],
)
def test_a_file_that_contradicts_itself_is_flagged(
    tmp_path: Path, document: Any, flag: str
) -> None:
    recovery = read(document, folder=tmp_path)

    assert only(recovery).flags == [flag]
    assert len(recovery.conflicts) == 1


def test_trials_that_are_not_on_a_pareto_front_are_flagged(tmp_path: Path) -> None:
    """The flag agrees with a comparison of all pairs."""
    points = [(0.7, 0.2), (0.7, 0.3), (0.6, 0.2), (0.6, 0.1), (0.7, 0.2), (0.5, 0.1), (0.8, 0.9)]
    front = [
        {**FRONT[0], "trial_number": number, "f1_macro": score, "ece": ece}
        for number, (score, ece) in enumerate(points)
    ]

    study = only(read({**STAGE_B, "pareto_front": front, "pareto_size": 7}, folder=tmp_path))

    assert [DOMINATED in trial.flags for trial in study.rows] == [
        any(a >= score and b <= ece and (a, b) != (score, ece) for a, b in points)
        for score, ece in points
    ]


@pytest.mark.parametrize("missing", [{"ece": None}, {"f1_macro": math.nan}])
def test_a_point_without_one_objective_has_no_value(
    tmp_path: Path, missing: dict[str, Any]
) -> None:
    front = [FRONT[0], {**FRONT[1], **missing}]

    study = only(read({**STAGE_B, "pareto_front": front}, folder=tmp_path))

    assert [(trial.values, trial.flags) for trial in study.rows] == [
        ((), [VALUE_MISSING]),
        ((0.7, 0.2), []),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"params": None},
        {"params": "{"},
        {"params": "[" * 10_000},
        {"params": [1]},
        {"f1_macro": "0.7"},
        {"f1_macro": True},
        {"f1_macro": 10**400},
        {"state": "WON"},
        {"started_at": "yesterday"},
        {"user_attrs": 3},
    ],
)
def test_an_entry_that_is_not_a_trial_is_left_out_and_reported(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    entries = [{**TOPK[0], **change}, *TOPK[1:]]

    recovery = read({**STAGE_A, "configurations": entries}, folder=tmp_path)

    assert [trial.values for trial in only(recovery).rows] == [(SCORES[1],), (SCORES[2],)]
    assert "entries left out: 1, such as" in recovery.problems[0]
    assert "entry 0: " in recovery.problems[0]


@pytest.mark.parametrize("key", ['"f1_macro": 0.9', '"params": {}', '"rank": 7'])
def test_an_entry_with_a_key_twice_is_left_out(key: str) -> None:
    text = json.dumps(TOPK).replace('{"rank": 2', f'{{{key}, "rank": 2')

    recovery = read_trials([iter([text.encode()])])

    assert [trial.values for trial in only(recovery).rows] == [(SCORES[0],), (SCORES[2],)]
    assert "the entry is not a mapping" in recovery.problems[0]


def test_a_stage_with_a_key_twice_is_refused() -> None:
    text = json.dumps(STAGE_A).replace('{"agent"', '{"configurations": [], "agent"')

    with pytest.raises(UnreadableError, match="a key of the document occurs twice"):
        read_trials([iter([text.encode()])])


def test_entries_without_the_numbers_of_the_others_are_left_out(tmp_path: Path) -> None:
    recovery = read([{**TOPK[0], "trial_number": 8}, TOPK[1]], folder=tmp_path)

    assert sorted(only(recovery).trials) == [8]
    assert "invalid trial number" in recovery.problems[0]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"agent": "criteria", "stage": "C", "fold_metrics": [0.7, 0.8]}, UNKNOWN_STAGE),
        ({**STAGE_A, **STAGE_B}, UNKNOWN_STAGE),
        ({**STAGE_A, "configurations": {"lr": 1}}, UNKNOWN_STAGE),
        ({"best_trial": {"number": 1}, "top_k_trials": TOPK}, UNKNOWN_RANKING),
    ],
)
def test_another_form_is_refused_with_one_error(
    tmp_path: Path, document: Any, message: str
) -> None:
    path = tmp_path / "stage.json"
    path.write_text(json.dumps(document))

    with pytest.raises(UnreadableError, match=message.split(";")[0].replace("(", r"\(")[:40]):
        read_trials(path)
    ran = CliRunner().invoke(main, [str(path)])
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.count("error: ") == 1


# --- With the history of the same study ----------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_ranking_takes_the_numbers_of_equal_trials(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    documents = [HISTORY, TOPK]

    study = only(read(*(documents[index] for index in order), folder=tmp_path))

    assert [trial.number for trial in study.rows] == [0, 1, 3, 6, 9]
    assert [trial.flags for trial in study.rows] == [[]] * 5
    assert (study.rows[2].user_attrs["ece"], study.direction) == (0.125, "maximize")
    assert study.remarks == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_stage_belongs_to_the_history_that_proves_it(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    numbered = [{**one, "trial_number": 3 * one["rank"]} for one in TOPK]
    numbered[2]["f1_macro"] = 0.65
    documents = [HISTORY, {**STAGE_A, "configurations": numbered}]

    study = only(read(*(documents[index] for index in order), folder=tmp_path))

    assert [(trial.number, trial.values) for trial in study.rows[-2:]] == [
        (9, (0.64,)),
        (9, (0.65,)),
    ]
    assert study.rows[-1].flags == [CONFLICTING]


@pytest.mark.parametrize(
    "change",
    [
        {"f1_macro": 0.7100000000000001},
        {"params": {"optim.lr": 0.5, "model.name": 'a "b"'}},
        {"params": {"optim.lr": 2e-5}},
        {"started_at": "2025-10-29T10:05:00"},
    ],
)
def test_a_ranking_with_another_trial_stays_a_study_of_its_own(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    recovery = read(HISTORY, [{**TOPK[0], **change}, *TOPK[1:]], folder=tmp_path)

    assert [len(study.rows) for study in recovery.studies] == [5, 3]
    assert recovery.conflicts == []


def test_a_trial_that_occurs_twice_gives_a_ranking_no_number(tmp_path: Path) -> None:
    twin = {**HISTORY[0], "number": 12}

    recovery = read([*HISTORY, twin], TOPK, folder=tmp_path)

    assert [len(study.rows) for study in recovery.studies] == [6, 3]


def test_a_file_given_twice_is_one_study(tmp_path: Path) -> None:
    path = tmp_path / "0" / "criteria_max_topk.json"
    for document in (TOPK, STAGE_A, STAGE_B, HISTORY):
        once = only(read(document, folder=tmp_path))
        twice = only(read_trials([path, path]))
        assert [facts(trial) for trial in twice.rows] == [facts(trial) for trial in once.rows]
        assert [trial.flags for trial in twice.rows] == [trial.flags for trial in once.rows]


# --- Any content ---------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
PARAMS = st.dictionaries(
    st.text(max_size=5), st.integers() | st.floats(allow_nan=False) | st.text() | st.booleans()
)
ENTRIES = st.builds(
    lambda score, ece, params: {"f1_macro": score, "ece": ece, "params": params},
    st.floats(0, 1),
    st.floats(0, 1),
    PARAMS,
)
KEYS = st.sampled_from(["rank", "f1_macro", "ece", "params", "config", "trial_number", "state"])


@given(
    st.lists(ENTRIES, min_size=1, max_size=5), st.sampled_from(["topk", "configurations", "front"])
)
def test_whole_files_give_each_entry_once_and_exactly(
    entries: list[dict[str, Any]], kind: str
) -> None:
    entries.sort(key=lambda one: -one["f1_macro"])
    ranked: Any = [{"rank": rank, **one} for rank, one in enumerate(entries, 1)]
    forms = {
        "topk": ranked,
        "configurations": {**STAGE_A, "configurations": ranked},
        "front": {**STAGE_B, "pareto_front": ranked, "pareto_size": len(ranked)},
    }

    study = only(read_trials([iter([json.dumps(forms[kind]).encode()])]))

    names = ("f1_macro", "ece") if kind == "front" else ("f1_macro",)
    expected = [(tuple(one[name] for name in names), one["params"]) for one in entries]
    assert repr([(trial.values, trial.params) for trial in study.rows]) == repr(expected)


@given(st.integers(0, 2), KEYS, ANYTHING, st.sampled_from([STAGE_A, STAGE_B, TOPK]))
def test_a_damaged_entry_makes_no_false_trial(
    place: int, key: str, value: Any, document: Any
) -> None:
    document = copy.deepcopy(document)
    entries = (
        document
        if isinstance(document, list)
        else document.get("configurations") or document["pareto_front"]
    )
    entries[place % len(entries)][key] = value
    whole = json.dumps(document)

    recovery = read_trials([iter([whole.encode()])], {})

    to_csv(recovery)
    to_json(recovery)
    recovery.report()
    rows = [trial for study in recovery.studies for trial in study.rows]
    left_out = sum("entries left out" in problem for problem in recovery.problems)
    assert len(rows) <= len(entries)
    assert len(rows) == len(entries) or left_out or value in ("WAITING", "4", 4)
    scores = [one.get("f1_macro") for one in entries]
    for trial in rows:
        assert not trial.values or trial.values[0] in scores


@given(st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=4), max_size=4))
def test_a_table_of_any_cells_makes_no_false_trial(rows: list[list[str]]) -> None:
    table = io.StringIO()
    csv.writer(table).writerows([["rank", "f1_macro", "params", "ece"], *rows])

    recovery = read_trials([iter([table.getvalue().encode("utf-8", "replace")])], {})

    to_csv(recovery)
    to_json(recovery)
    for study in recovery.studies:
        for trial in study.rows:
            assert not trial.values or any(str(trial.values[0]) in row[1:2] for row in rows)


@given(st.integers(0, 10_000), st.sampled_from([STAGE_A, STAGE_B, TOPK, HISTORY]))
def test_a_cut_file_gives_no_trial(length: int, document: Any) -> None:
    text = json.dumps(document, indent=1)
    cut = text[: length % len(text)]

    unreadable: dict[str, OSError] = {}
    recovery = read_trials([iter([cut.encode()])], unreadable)

    assert [study for study in recovery.studies if study.trials] == []
