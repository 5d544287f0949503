"""Lines of Optuna as other loggers, versions and accidents leave them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from recover_samples import STAMP
from recover_trials import Recovery, Study, read_trials
from recover_trials.optuna_log.literals import parse_literal

PAIR = (
    "Trial {0} finished with value: 0.{1} and parameters: {{'lr': 0.00{1}}}."
    " Best is trial {0} with value: 0.{1}."
)
PREFIXES = (
    "2026-03-01 10:00:00,123 INFO ",
    "INFO 2026-03-01 10:00:00,123 ",
    "2026-03-01T10:00:00.123456Z stdout F ",
    "2026-03-01 10:00:00,123 ",
    "INFO ",
    "2026-03-01 10:00:00,123 optuna.study.study INFO ",
    "2026-03-01 10:00:00,123 INFO optuna.study.study:1135 ",
    "2026-03-01 10:00:00.123 | INFO     | optuna.study:run:12 - ",
    "     12\t",
    "INFO:optuna.study.study:",
    "[2026-03-01 10:00:00,123][optuna][INFO] - ",
    "10:00:00 INFO ",
    "03/01 10:00:00 AM ",
    "2026/03/01 10:00:00 INFO ",
    "2026-03-01 10:00:00,123 INFO MainThread study ",
    "WARNING 2026-03-01 10:00:00,123 study 1234 140234 ",
    "trainer-1  | 2026-03-01 10:00:00,123 INFO ",
    "Sun Mar  1 10:00:00 2026 ",
    "2026-03-01 10:00:00,123 optuna.study.study[1135] INFORMATION ",
    "+ ",
)
PROSE = (
    "INFO stopped. ",
    "2026-03-01 10:00:00 INFO he said ",
    "10:00:00 and the ",
    "He said that ",
    "see also ",
    "INFO he said ",
    "print(",
    "assert ",
    "the first 12 ",
    "INFO The ",
    "10:00 But ",
    "\u201c",
    "10:00:00 \u00ab",
    "alice: \u201e",
)


def of_text(text: str) -> Recovery:
    return read_trials([io.BytesIO(text.encode())])


def one_study(*lines: str) -> Study:
    (study,) = of_text("".join(f"{line}\n" for line in lines)).studies
    return study


def rows_of(study: Study) -> list[tuple[Any, ...]]:
    return [(trial.number, trial.state, trial.values, trial.params) for trial in study.rows]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_prefix_of_another_logger_may_precede_a_line(prefix: str) -> None:
    study = one_study(
        f"{prefix}A new study created in memory with name: plain",
        prefix + PAIR.format(0, 5),
        f"{prefix}Trial 1 pruned. ",
        f"{prefix}Trial 2 failed with parameters: {{'lr': 0.02}} because of the following error:"
        " RuntimeError('oom').",
        f"{prefix}Trial 2 failed with value None.",
    )

    assert study.name == "plain"
    assert rows_of(study) == [
        (0, "COMPLETE", (0.5,), {"lr": 0.005}),
        (1, "PRUNED", (), {}),
        (2, "FAIL", (), {"lr": 0.02}),
    ]
    times = {str(trial.datetime_complete)[:16] for trial in study.rows}
    assert times <= {"2026-03-01 10:00", "None"}


@pytest.mark.parametrize("prefix", PROSE)
def test_prose_about_a_trial_is_no_row_and_is_counted(prefix: str) -> None:
    recovery = of_text(prefix + PAIR.format(0, 5) + "\n")

    assert not recovery.has_trials
    assert recovery.unmatched == 1


@pytest.mark.parametrize("text", ["", "Trial 1 ", PAIR.format(1, 5)])
def test_many_spaces_are_read_in_linear_time(text: str) -> None:
    study = one_study(f"{' ' * 50_000}x {text}", PAIR.format(0, 5))

    assert (0, "COMPLETE", (0.5,), {"lr": 0.005}) in rows_of(study)


@pytest.mark.parametrize("text", ["Told trial 3 about it", "Finished trial#4 somehow", "Trial 5!"])
def test_text_that_names_a_trial_is_counted(text: str) -> None:
    assert of_text(STAMP + text + "\n").unmatched == 1


def test_several_values_of_optuna_1_are_read() -> None:
    study = one_study(
        f"{STAMP}Finished trial#0 with values: [1.5, 28] with parameters: {{'x': 1.125}}.",
        f"{STAMP}Setting status of trial#1 as TrialState.FAIL because of the following error:"
        " ValueError('boom')",
        f"{STAMP}Finished trial#2 with values: [inf, -3e-05] with parameters: {{'x': 0.25}}.",
    )

    assert rows_of(study) == [
        (0, "COMPLETE", (1.5, 28.0), {"x": 1.125}),
        (1, "FAIL", (), {}),
        (2, "COMPLETE", (float("inf"), -3e-05), {"x": 0.25}),
    ]


@pytest.mark.parametrize(
    "opening", ["A new study created in RDB with name: a b", "A new study created with name: a b"]
)
def test_a_study_line_without_a_line_end_keeps_its_name(opening: str) -> None:
    study = one_study(STAMP + opening + STAMP + PAIR.format(0, 5), STAMP + PAIR.format(1, 4))

    assert study.name == "a b"
    assert rows_of(study) == [
        (0, "COMPLETE", (0.5,), {"lr": 0.005}),
        (1, "COMPLETE", (0.4,), {"lr": 0.004}),
    ]


def test_an_existing_study_without_a_line_end_keeps_its_name() -> None:
    opening = "Using an existing study with name 'a' instead of creating a new one."

    study = one_study(STAMP + opening + STAMP + PAIR.format(7, 5))

    assert (study.name, [trial.number for trial in study.rows]) == ("a", [7])


def test_trials_of_the_command_line_are_read() -> None:
    study = one_study(
        f"{STAMP}A new study created in RDB with name: cli",
        f"{STAMP}Asked trial 0 with parameters {{'x': 0.25, 'c': 'it\\'s'}}.",
        f"{STAMP}Told trial 0 with values [0.5, 2] and state None.",
        f"{STAMP}Asked trial 1 with parameters {{}}.",
        f"{STAMP}Told trial 1 with values None and state 3.",
        f"{STAMP}Asked trial 2 with parameters {{}}.",
        f"{STAMP}Told trial 2 with values [0.125] and state TrialState.PRUNED.",
        f"{STAMP}Told trial 3 with values [nan] and state None.",
        f"{STAMP}Asked trial 4 with parameters {{'x': 1}}.",
    )

    assert rows_of(study) == [
        (0, "COMPLETE", (0.5, 2.0), {"x": 0.25, "c": "it's"}),
        (1, "FAIL", (), {}),
        (2, "PRUNED", (0.125,), {}),
        (3, "FAIL", (), {}),
        (4, "RUNNING", (), {"x": 1}),
    ]


FIRST = "Told trial 0 with values [0.5] and state None."
SKIPPED = (
    "Skipped telling trial 0 with values {0} and state None since trial was already finished."
    " Finished trial has values [0.5] and state 1."
)


@pytest.mark.parametrize("told", ["[0.75]", "None"])
@pytest.mark.parametrize(
    ("first", "skipped"),
    [(FIRST, ""), (FIRST, SKIPPED), ("", SKIPPED)],
)
def test_the_first_end_of_a_trial_counts_as_in_optuna(told: str, first: str, skipped: str) -> None:
    if not first + skipped:
        return
    lines = [
        "A new study created in RDB with name: cli",
        "Asked trial 0 with parameters {'x': 1}.",
    ]
    lines += [first, skipped.format(told), f"Told trial 0 with values {told} and state None."]

    study = one_study(*(STAMP + line for line in lines if line))

    assert rows_of(study) == [(0, "COMPLETE", (0.5,), {"x": 1})]
    assert study.rows[0].flags == ["two end lines differ"]


def test_a_copy_of_lines_of_the_command_line_changes_nothing() -> None:
    messages = ["A new study created in RDB with name: cli", "Asked trial 0 with parameters {}."]
    messages += [FIRST, FIRST.replace("0.5", "0.75"), "Asked trial 1 with parameters {'x': 1}."]
    messages += ["Told trial 1 with values [2] and state None."]
    lines = [f"[I 2026-11-21 10:15:{second:02},123] {m}\n" for second, m in enumerate(messages)]
    (once,) = of_text("".join(lines)).studies

    for size in range(len(lines) + 1):
        (copied,) = of_text("".join(lines[:size] + lines)).studies
        assert copied.rows == once.rows


def test_an_end_that_is_told_again_is_no_conflict() -> None:
    told = "Told trial 0 with values [0.5] and state None."

    study = one_study(STAMP + told, STAMP.replace("10:15", "10:16") + told)

    assert [row.flags for row in study.rows] == [[]]


def test_an_end_that_may_belong_to_two_studies_is_flagged() -> None:
    opened = ("A new study created in RDB with name: {}", "Asked trial 0 with parameters {{}}.")
    lines = [line.format(name) for name in "ab" for line in opened]
    lines += [f"Told trial 0 with values [{value}] and state None." for value in (1, 2)]

    studies = of_text("".join(f"{STAMP}{line}\n" for line in lines)).studies

    assert [study.name for study in studies] == ["a", "b"]
    assert all("may belong to" in row.flags[0] for study in studies for row in study.rows)


def test_trials_of_two_studies_may_start_at_the_same_time() -> None:
    lines = [
        line
        for name, x in (("a", 1), ("b", 2))
        for line in (
            f"A new study created in RDB with name: {name}",
            f"Asked trial 0 with parameters {{'x': {x}}}.",
            "Told trial 0 with values [0.5] and state None.",
        )
    ]

    studies = of_text("".join(f"{STAMP}{line}\n" for line in lines)).studies

    assert [study.rows[0].params for study in studies] == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(
    "rest",
    [
        " beca",
        " because of the foll",
        " because of the following error: ",
        " because of the following error: Valu",
        " because of the following error: ValueError('bo",
        " because of the following error: ValueError('a(b)",
    ],
)
def test_an_error_that_is_cut_is_flagged(rest: str) -> None:
    study = one_study(f"{STAMP}Trial 0 failed with parameters: {{'lr': 0.09}}{rest}")

    assert rows_of(study) == [(0, "FAIL", (), {"lr": 0.09})]
    assert study.rows[0].flags == ["error cut short"]


@pytest.mark.parametrize(
    "line",
    [
        "Trial 0 failed with parameters: {} because of the following error: ValueError('a(b').",
        "Trial 0 failed with parameters: {} because of the following error: KeyboardInterrupt().",
        "Trial 0 failed because of the following error: ValueError('boom')",
        "Trial 0 failed, because the objective function returned nan.",
        "Trial 0 failed, because the value None could not be cast to float.",
        "Trial 0 failed with parameters: {} because of the following error: The value 'x' could"
        " not be cast to float..",
    ],
)
def test_a_whole_error_is_not_flagged(line: str) -> None:
    assert one_study(STAMP + line).rows[0].flags == []


def test_a_best_value_that_differs_is_a_conflict_and_no_direction() -> None:
    recovery = of_text(
        f"{STAMP}Trial 0 finished with value: 0.25 and parameters: {{}}. Best is trial 0 with"
        f" value: 0.2501.\n"
    )

    assert recovery.conflicts == [
        "stream: best trial 0: 0.25 in its end line, 0.2501 in a line that names it as the best"
    ]
    assert not any("missing" in line for line in recovery.report())


VALUES = (
    "<class 'torch.optim.adam.Adam'>",
    "PosixPath('/data/x')",
    "{1, 2}",
    "<function <lambda> at 0x7f00>",
    "<Point 1, 2>",
    "LGBMClassifier(max_depth=8,\n               n_jobs=1)",
    "array([[1, 2],\n       [3, 4]])",
    "Pipeline(steps=[('a', PCA(n_components=0.5)),\n\n    ('b', SVC())])",
)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("pieces", [1, 7, 100, 10_000])
@pytest.mark.parametrize("best", ["0.5", "inf", "-inf"])
def test_a_value_that_is_no_literal_costs_only_itself(value: str, pieces: int, best: str) -> None:
    text = (
        f"{STAMP}Trial 0 finished with value: {best} and parameters: {{'lr': 0.001,"
        f" 'opt': {value}, 'flag': np.True_, 'n': 3}}. Best is trial 0 with value: {best}.\n"
        f"{STAMP}Trial 1 failed with parameters: {{'opt': {value}}} because of the following"
        f" error: ValueError('x').\n{STAMP}{PAIR.format(2, 4)}\n"
    ).encode()
    chunks = [text[start : start + pieces] for start in range(0, len(text), pieces)]

    recovery = read_trials([chunks])

    (study,) = recovery.studies
    assert rows_of(study) == [
        (0, "COMPLETE", (float(best),), {"lr": 0.001, "flag": True, "n": 3}),
        (1, "FAIL", (), {}),
        (2, "COMPLETE", (0.4,), {"lr": 0.004}),
    ]
    left_out = " ".join(value.split())
    assert study.rows[0].user_attrs == {"unreadable_params": {"opt": left_out}}
    assert study.rows[0].flags == ["parameters left out, for their values are not literals: opt"]
    assert recovery.conflicts == []
    assert recovery.unmatched == 0


def test_parameters_are_not_joined_across_the_next_record() -> None:
    study = one_study(
        f"{STAMP}Trial 0 finished with value: 0.5 and parameters: {{'a': f(",
        f"{STAMP}{PAIR.format(1, 4)}",
        " ), 'b': 2}. Best is trial 0 with value: 0.5.",
    )

    assert rows_of(study) == [
        (0, "COMPLETE", (0.5,), {}),
        (1, "COMPLETE", (0.4,), {"lr": 0.004}),
    ]
    assert study.rows[0].flags == ["parameters cut short"]


def test_lines_without_any_time_stamp_are_not_said_to_lack_one() -> None:
    (line,) = of_text("He said that " + PAIR.format(0, 5) + "\n").report()

    assert "lines about trials in an unknown form: 1" in line


def test_a_time_of_twelve_hours_is_unknown() -> None:
    study = one_study("2026-03-01 10:00:00 PM INFO " + PAIR.format(0, 5))

    assert study.rows[0].datetime_complete is None


@pytest.mark.parametrize("value", ["<Foo: it's>", "Foo(it's, 'x': <1>)", "<Set 1}>", "<a 'b': 1>"])
@pytest.mark.parametrize("other", ["2", "'it\\'s'", '"it\'s"', "[1, (2, 'x')]", "None"])
def test_a_quotation_mark_without_its_pair_costs_only_its_value(value: str, other: str) -> None:
    (trial,) = one_study(
        f"{STAMP}Trial 0 finished with value: 0.5 and parameters: {{'a': {value}, 'b': {other},"
        f" 'c': {value}, 'd': -1e-05}}. Best is trial 0 with value: 0.5."
    ).rows

    assert trial.params == {"b": parse_literal(other), "d": -1e-05}
    assert trial.user_attrs == {"unreadable_params": {"a": value, "c": value}}
    assert trial.conflicts == []


@pytest.mark.parametrize("value", ["<Foo -> it's>", "it's", "<it's", "<Foo>it's"])
def test_a_value_whose_end_is_uncertain_costs_all_parameters(value: str) -> None:
    (trial,) = one_study(
        f"{STAMP}Trial 0 finished with value: 0.5 and parameters: {{'a': {value}, 'b': 2}}."
        " Best is trial 0 with value: 0.5."
    ).rows

    assert (trial.params, trial.flags) == ({}, ["parameters cut short"])


@pytest.mark.parametrize("value", ["np.longdouble('0.1')", "np.datetime64('2026-01-01')"])
def test_the_text_of_a_number_is_no_value(value: str) -> None:
    (trial,) = one_study(
        f"{STAMP}Trial 0 finished with value: 0.5 and parameters: {{'a': {value},"
        " 'b': np.str_('x')}. Best is trial 0 with value: 0.5."
    ).rows

    assert trial.params == {"b": "x"}
    assert trial.user_attrs == {"unreadable_params": {"a": value}}


def test_parameters_that_end_before_their_line_are_flagged() -> None:
    (trial,) = one_study(
        f"{STAMP}Trial 0 finished with value: 0.5 and parameters: {{'a': Set 1}}, 'b': 2}}."
        " Best is trial 0 with value: 0.5."
    ).rows

    assert trial.flags == ["parameters cut short"]
    assert trial.params == {}


def test_a_finished_trial_without_a_value_is_no_row() -> None:
    recovery = of_text(f"{STAMP}Told trial 0 with values None and state 1.\n")

    assert (recovery.has_trials, recovery.unmatched) == (False, 1)


@pytest.mark.parametrize("rest", ["", " fail", " failed with para", " finished with value: 0."])
def test_a_cut_line_before_another_on_its_line_is_counted(rest: str) -> None:
    recovery = of_text(f"{STAMP}Trial 0{rest}{STAMP}{PAIR.format(1, 4)}\n")

    assert [trial.number for study in recovery.studies for trial in study.rows] == [1]
    assert recovery.unmatched == 1


@pytest.mark.parametrize(
    "state", ["pruned. ", "failed, because the objective function returned nan."]
)
def test_a_best_trial_that_ended_otherwise_is_a_conflict(state: str) -> None:
    recovery = of_text(
        f"{STAMP}Trial 3 {state}\n{STAMP}Trial 5 finished with value: 0.5 and parameters: {{}}."
        " Best is trial 3 with value: 0.2.\n"
    )

    assert len(recovery.conflicts) == 1
    assert recovery.studies[0].best is None


def test_a_started_best_trial_without_an_end_line_is_named() -> None:
    recovery = of_text(
        f"{STAMP}Trial 3: {{'lr': 0.1}}\n{STAMP}Trial 5 finished with value: 0.5 and parameters:"
        " {}. Best is trial 3 with value: 0.2.\n"
    )

    assert recovery.studies[0].best is None
    assert "best trial 3: 0.2, named by other lines" in recovery.report()[0]
