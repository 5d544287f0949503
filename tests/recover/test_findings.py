"""Logs that once crashed the reader, or gave false rows."""

from __future__ import annotations

import io
import warnings

import pytest

from recover_samples import STAMP, STUDY, SampleLog, recover, recover_one
from recover_trials import Recovery, read_trials
from recover_trials.output import WRITERS

BEST = ". Best is trial 0 with value: 0.5."
LONG = "9" * 5000  # more digits than Python converts to a number
RESULT = f"{STAMP}Trial 0 finished with value: 0.5 and parameters: "

TABLES = ("table", "csv", "json", "jsonl", "parquet")  # the others hold one study each


def written(recovery: Recovery) -> list[str]:
    """Return everything that is written of a recovery."""
    return [WRITERS[name](recovery) for name in TABLES] + recovery.report()


def test_an_earlier_start_of_another_study_is_not_a_duplicate() -> None:
    start = [f"{STAMP}Trial 0 - Testing parameters:", "  lr: 0.1"]
    named = [f"{STAMP}A new study created in memory with name: {name}" for name in "ab"]
    result = f"{STAMP}Trial 1 finished with value: 0.5 and parameters: {{'x': 1}}{BEST}"

    recovery = recover([named[0], *start, named[1], result, *start])

    params = {s.name: {t.number: t.params for t in s.rows} for s in recovery.studies}
    assert params == {"a": {0: {"lr": 0.1}}, "b": {1: {"x": 1}}}


@pytest.mark.parametrize("params", ["{1: 2, 'a': 3}", "{b'x': 2, 'a': 3}", "{None: 1, 2: {3: 4}}"])
def test_names_of_parameters_are_text(params: str) -> None:
    recovery = recover([f"{RESULT}{params}{BEST}"])

    assert [row.params for row in recovery.studies[0].rows] == [{}]
    assert recovery.conflicts
    assert written(recovery)


@pytest.mark.parametrize(
    "line",
    [
        "Trial 0 finished with value: 0.5 (params: ,)",
        f"Trial 0 finished with value: 0.5 (params: {LONG})",
        f"Trial 0 finished with value: {LONG} and parameters: {{'a': {LONG}}}{BEST}",
        f"Trial 0 finished with values: [{LONG[:4000]}, 1] and parameters: {{'a': 1}}. ",
        f"Trial 0 finished with values: [0x{LONG}, 1] and parameters: {{'a': 0x{LONG}}}. ",
        f"Trial 0: lr=0.1, epochs=50, batch={LONG}x2, dropout=0.10",
        f"Trial 0: arch_idx=1, d_model=2, params=1{',111' * 2000}, lr=0.1, epochs=50",
        f"Trial {LONG} pruned. ",
        f"{RESULT}{{'a': {'[' * 100_000}}}{BEST}",
    ],
)
def test_numbers_of_any_length_are_accepted(line: str) -> None:
    early = f"Early stopping triggered at epoch {LONG}"
    for stamp in ("", STAMP):
        assert len(written(recover([stamp + line, early, stamp + line]))) >= len(TABLES)


def test_a_text_that_python_warns_of_is_read_silently() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = recover_one([f"{RESULT}{{'a': 1if 2else 3, 'b': '\\d'}}{BEST}"])

    assert study.rows[0].params == {"b": "\\d"}


def test_a_line_quoted_within_the_text_of_an_error_is_ignored() -> None:
    text = f"""'3' not in ('it\\'s "x"', '{STAMP}Trial 3 pruned. ', 'back\\\\')"""
    lines = [
        f"{STAMP}Trial 1 failed because of the following error: {ValueError(text)!r}",
        "Traceback (most recent call last):",
        f"ValueError: {text}",
        f"{STAMP}Trial 2 pruned. ",
    ]

    assert [row.number for row in recover_one(lines).rows] == [1, 2]


def damaged(line: str, *changes: tuple[str, str]) -> str:
    """Return a line in which some texts are others."""
    for before, after in changes:
        assert before in line
        line = line.replace(before, after, 1)
    return line


def test_a_damaged_start_line_of_hpogen_is_not_one_of_the_predecessor() -> None:
    log = SampleLog()
    log.open_run()
    line = damaged(log.start(2), ("10:15", "10"), ("d_model", "d_\ufffdudel"), (" ;", " ;FY"))

    recovery = recover([log.lines[0], line])

    assert [study.key for study in recovery.studies] == []
    assert recovery.damaged == 1


def test_a_quotation_in_a_damaged_line_of_hpogen_is_ignored() -> None:
    for text in ("Trial 9 finished with value: 1.0 and parameters: {}.", "x: Trial 9: lr=0.1"):
        log = SampleLog()
        log.open_run()
        log.start(2)
        line = damaged(log.end(2, text=text), ("arch_idx", "arXDch_idx"), ('study="', "stu"))

        recovery = recover([*log.lines[:2], line])

        assert [study.key for study in recovery.studies] == [STUDY]
        assert [row.number for row in recovery.studies[0].rows] == [2]


def test_a_journal_with_invalid_numbers_is_read_in_part() -> None:
    lines = [
        '{"op_code": 0, "worker_id": "w", "study_name": "s", "directions": [1]}',
        '{"op_code": 4, "worker_id": "w", "study_id": 0}',
        '{"op_code": 5, "worker_id": "w", "trial_id": 0, "param_name": "x",'
        ' "param_value_internal": Infinity, "distribution": "{\\"name\\":'
        ' \\"IntDistribution\\", \\"attributes\\": {\\"low\\": 0, \\"high\\": 1}}"}',
    ]
    recovery = read_trials([io.BytesIO("\n".join([*lines, ""]).encode())])

    assert [row.params for row in recovery.studies[0].rows] == [{}]
    assert recovery.damaged == 1
