"""Whole logs, in any order and with any other text: all trials are read."""

from __future__ import annotations

import io
import random
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recover_samples import (
    LATER_RUN,
    OTHER_STUDY,
    SampleLog,
    as_bytes,
    contents_of,
    moment,
    recover,
    recover_one,
    sample_log,
)
from recover_trials import Trial, read_trials
from recover_trials.files.blocks import BLOCK, LONGEST_LINE
from version1 import checksum_suffix


def test_a_history_is_read_as_it_was() -> None:
    first = SampleLog()
    first.open_run()
    first.start(0, kind="extreme", extreme=["smallest", "deepest"])
    first.evaluate(0, 1, val_loss=0.75, auc=0.5)
    first.evaluate(0, 2, val_loss=0.5, auc=1.0)
    first.end(0, value=0.5, kind="extreme", seconds=1.5)
    first.start(1)
    first.evaluate(1, 1, val_loss=0.875)
    first.end(1, "PRUNED", 0.875)
    first.start(2)
    first.evaluate(2, 1, val_loss=0.625)
    later = SampleLog(run=LATER_RUN)
    later.open_run()
    later.add("study_resumed", {"complete": 1, "pruned": 1, "failed": 0, "running": 1})
    later.start(3)
    later.add("note", {"text": "trial 3: out of memory"})
    later.end(3, "FAIL", None, error='it\'s "over"\n', fail_reason="oom")

    study = recover_one(first.lines + later.lines)

    architecture = {"arch_idx": 57, "d_model": 64, "n_layers": 48, "n_heads": 8, "d_ff": 256}
    start = {"param_count": 2_414_273, "epochs": 50, "batch_size": 256, "kind": "search"}
    attributes = {**architecture, **start}
    curves = [
        [{"epoch": 1, "val_loss": 0.75, "auc": 0.5}, {"epoch": 2, "val_loss": 0.5, "auc": 1.0}],
        [{"epoch": 1, "val_loss": 0.875}],
    ]
    extreme = {"kind": "extreme", "extreme": ["smallest", "deepest"], "seconds": 1.5}
    failure = {"error": 'it\'s "over"\n', "fail_reason": "oom"}
    params = {"shape_idx": 3, "learning_rate": 0.00012520653814659472, "dropout": 0.1}
    assert study.name == "hpo_2M_h1"
    assert list(map(without_notes, study.rows)) == [
        Trial(
            number=0,
            state="COMPLETE",
            values=(0.5,),
            datetime_start=moment(0),
            datetime_complete=moment(30),
            params=params,
            user_attrs={**attributes, "config_id": "c0", **extreme, "learning_curve": curves[0]},
            intermediate_values={1: 0.75, 2: 0.5},
        ),
        Trial(
            number=1,
            state="PRUNED",
            values=(0.875,),
            datetime_start=moment(60),
            datetime_complete=moment(90),
            params=params,
            user_attrs={**attributes, "config_id": "c1", "learning_curve": curves[1]},
            intermediate_values={1: 0.875},
        ),
        Trial(
            number=2,
            state="RUNNING",
            datetime_start=moment(120),
            params=params,
            user_attrs={**attributes, "config_id": "c2"},
            intermediate_values={1: 0.625},
        ),
        Trial(
            number=3,
            state="FAIL",
            datetime_start=moment(180),
            datetime_complete=moment(210),
            params=params,
            user_attrs={**attributes, "config_id": "c3", **failure, "learning_curve": []},
        ),
    ]


def without_notes(trial: Trial) -> Trial:
    """Return a trial without the fields that only the reader uses."""
    return replace(trial, curve={}, run=None, end=None)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_the_lines_of_two_studies_may_be_mixed(seed: int) -> None:
    logs = [sample_log().lines, sample_log(OTHER_STUDY).lines]
    whose = [index for index, lines in enumerate(logs) for _ in lines]
    random.Random(seed).shuffle(whose)  # noqa: S311
    rests = [iter(lines) for lines in logs]

    mixed = contents_of(recover([next(rests[index]) for index in whose]))

    assert mixed == contents_of(recover(*logs))


def test_two_logs_in_one_file_are_two_studies() -> None:
    logs = [sample_log().lines, sample_log(OTHER_STUDY).lines]

    assert contents_of(recover(logs[0] + logs[1])) == contents_of(recover(*logs))


def test_a_log_read_twice_is_read_once() -> None:
    lines = sample_log().lines

    assert contents_of(recover(lines, lines)) == contents_of(recover(lines))
    assert contents_of(recover([line for line in lines for _ in range(2)])) == contents_of(
        recover(lines)
    )


@pytest.mark.parametrize(
    "dress",
    [
        pytest.param(lambda line: f"[rank0]: {line}", id="rank"),
        pytest.param(lambda line: f"{line}\r", id="CRLF"),
        pytest.param(lambda line: f"\x1b[32m{line}\x1b[0m", id="colours"),
        pytest.param(lambda line: f"\x1b[?25l\x1b[2K\x1b]0;title\x07{line}", id="terminal codes"),
        pytest.param(lambda line: f" 50%|### | 1/2 [00:01]\r{line}\r", id="progress bar"),
        pytest.param(lambda line: f"epoch 1: loss 0.5 {line} and more", id="amid other output"),
        pytest.param(lambda line: f"\0\0\0\xff{line}", id="binary"),
        pytest.param(lambda line: f"{line}\n\nTrial and error. Run for your life.", id="prose"),
    ],
)
def test_text_around_lines_does_not_matter(dress: Callable[[str], str]) -> None:
    lines = sample_log().lines

    recovery = recover([dress(line) for line in lines])

    assert contents_of(recovery) == contents_of(recover(lines))
    assert recovery.problems == []


def test_carriage_returns_end_lines_too() -> None:
    lines = sample_log().lines

    assert contents_of(recover("\r".join(lines))) == contents_of(recover(lines))


def test_bytes_that_are_no_text_do_not_matter() -> None:
    lines = as_bytes(sample_log().lines)

    assert contents_of(recover(b"\xff\xfe\x80\n" + lines + b"\xc3")) == contents_of(recover(lines))


def test_damaged_lines_are_counted_and_reported(tmp_path: Path) -> None:
    lines = sample_log().lines
    (tmp_path / "torn.log").write_text(f"{lines[0]}\n{lines[1]}\n{lines[2][:-1]}\n{lines[4][:99]}")

    recovery = read_trials([tmp_path / "torn.log"])

    assert recovery.problems == [f"{tmp_path / 'torn.log'}: damaged lines left out: 2"]
    assert recovery.report()[-1] == recovery.problems[0]


def test_a_stream_is_named_in_the_report() -> None:
    stream = io.BytesIO(as_bytes([sample_log().lines[0][:-1]]))
    stream.name = "<stdin>"

    assert read_trials([stream]).problems == ["<stdin>: damaged lines left out: 1"]


def test_a_line_of_a_later_version_is_not_a_conflict() -> None:
    log = sample_log()
    expected = contents_of(recover(log.lines))

    recovery = recover([*log.lines, later_version(log.lines[0])])

    assert contents_of(recovery) == expected
    assert recovery.problems == []


def later_version(line: str) -> str:
    """Return a line with a head that is not in the table."""
    line = line.rpartition(" ;")[0].replace(" started: ", " paused for 3 s: ")
    return line + checksum_suffix(line)


def test_a_result_lost_in_our_line_is_taken_from_the_line_optuna_would_print() -> None:
    log = sample_log()
    torn = [line[:-1] if " ended: " in line else line for line in log.lines]

    rows = recover_one(torn).rows

    assert [(row.state, row.values) for row in rows] == [
        ("COMPLETE", (0.5,)),
        ("PRUNED", ()),
        ("RUNNING", ()),
    ]


def test_a_line_of_optuna_is_read_after_a_cut_line_of_hpogen() -> None:
    lines = sample_log().lines

    study = recover_one("\n".join(lines[:4]) + "\n" + lines[4][:60] + lines[5])

    assert [(row.state, row.values) for row in study.rows] == [("COMPLETE", (0.5,))]


@pytest.mark.parametrize("size", [BLOCK - 100, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_a_line_across_blocks_is_read_whole(size: int) -> None:
    lines = sample_log().lines

    text = "\n".join(lines)
    assert contents_of(recover("x" * size + "\n" + text)) == contents_of(recover(lines))


def test_a_text_without_line_ends_is_read_in_constant_memory() -> None:
    class Zeros(io.RawIOBase):
        """A hole in a file, as a crash of the machine leaves it."""

        left = 6 * LONGEST_LINE // BLOCK

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return bytes(size) if self.left >= 0 else b""

    tracemalloc.start()
    try:
        read_trials([Zeros()])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * LONGEST_LINE


def test_a_path_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_trials([tmp_path / "none.log"])


def test_a_path_that_cannot_be_read_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "good.log").write_bytes(as_bytes(sample_log().lines))
    sources: Iterable[Path] = [tmp_path / "none.log", tmp_path, tmp_path / "good.log"]
    unreadable: dict[str, OSError] = {}

    recovery = read_trials(sources, unreadable)

    assert list(unreadable) == [str(tmp_path / "none.log"), str(tmp_path)]
    assert [len(study.rows) for study in recovery.studies] == [3]


def test_a_study_without_trials_is_left_out() -> None:
    log = SampleLog()
    log.open_run()

    assert recover(log.lines).studies == []


def test_a_long_stream_takes_memory_for_its_rows_only() -> None:
    noise = b"2026-11-21 10:15:00,123 - INFO - epoch 3/50 train_loss=0.25 [3/100]\n" * 900
    lines = as_bytes(sample_log().lines)
    chunks = (lines if index % 1000 == 0 else noise for index in range(4000))  # 250 MB

    tracemalloc.start()
    try:
        recovery = read_trials([chunks])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert contents_of(recovery) == contents_of(recover(lines))
    assert peak < 20e6
