"""Compressed, encoded and wrapped logs, and files that are not logs."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zlib
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage

from recover_samples import STAMP, as_bytes, contents_of, recover, sample_log
from recover_trials import MissingReaderError, Recovery, UnreadableError, read_trials

LINES = sample_log().lines
TOLD = "finished with value: 0.5 and parameters: {'x': 1}. Best is trial 0 with value: 0.5."


def of_bytes(data: bytes) -> Recovery:
    """Return the recovery from the bytes of one file."""
    return read_trials([io.BytesIO(data)])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_an_encoding_does_not_matter(encoding: str) -> None:
    text = "\r\n".join(["Prüfung", *LINES, ""])

    assert contents_of(of_bytes(text.encode(encoding))) == contents_of(recover(LINES))


def test_members_of_gzip_are_read_one_after_the_other() -> None:
    parts = [as_bytes(LINES[:3]), as_bytes(LINES[3:])]

    recovery = of_bytes(b"".join(map(gzip.compress, parts)) + bytes(512))

    assert contents_of(recovery) == contents_of(recover(LINES))
    assert recovery.problems == []


@pytest.mark.parametrize("cut", [20, 400, -9, -1])
def test_lines_before_the_end_of_a_truncated_gzip_are_read(cut: int) -> None:
    recovery = of_bytes(gzip.compress(as_bytes(LINES))[:cut])

    assert recovery.problems[0] == (
        "stream: the compressed data are truncated; all lines before the end were read"
    )
    assert sum(len(study.rows) for study in recovery.studies) <= 3


def test_damaged_gzip_is_reported() -> None:
    data = bytearray(gzip.compress(as_bytes(LINES)))
    data[60:70] = bytes(10)

    assert "damaged" in of_bytes(bytes(data)).problems[0]


def test_a_compressed_notebook_in_utf16_is_read(tmp_path: Path) -> None:
    text = json.dumps(notebook_of([[STAMP + f"Trial 0 {TOLD}\n"]]))

    (study,) = of_bytes(gzip.compress(text.encode("utf-16"))).studies

    assert study.rows[0].value == 0.5


def test_zstd_is_read_if_a_package_is_there() -> None:
    zstandard = pytest.importorskip("zstandard")
    make = zstandard.ZstdCompressor().compress
    data = make(as_bytes(LINES[:3])) + make(as_bytes(LINES[3:]))

    assert contents_of(of_bytes(data)) == contents_of(recover(LINES))
    assert of_bytes(data[:-5]).problems


def test_without_a_package_zstd_is_an_error_with_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression", None)

    with pytest.raises(MissingReaderError, match="pip install zstandard"):
        of_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))


def notebook_of(cells: list[list[str]]) -> dict[str, object]:
    """Return a notebook whose cells printed these pieces."""
    return {
        "nbformat": 4,
        "cells": [
            {
                "cell_type": "code",
                "source": ["study.optimize(objective)  # Trial 7 pruned.\n"],
                "outputs": [
                    {"output_type": "stream", "name": "stderr", "text": [piece]}
                    for piece in pieces
                ],
            }
            for pieces in cells
        ],
    }


def test_each_cell_of_a_notebook_may_hold_a_study() -> None:
    created = f"{STAMP}A new study created in memory with name: "
    cells = [
        [f"{created}a\n", f"{STAMP}Trial 0 fini", f"shed{TOLD.removeprefix('finished')}"],
        [f"{created}b\n", f"{STAMP}Trial 0 {TOLD}\n{STAMP}Trial 1 pruned. \n"],
    ]

    studies = of_bytes(json.dumps(notebook_of(cells), indent=1).encode()).studies

    assert [(study.name, len(study.rows)) for study in studies] == [("a", 1), ("b", 2)]


def test_a_truncated_notebook_gives_its_whole_strings() -> None:
    text = json.dumps(notebook_of([[f"{STAMP}Trial 0 {TOLD}\n"]] * 2), indent=1)

    (study,) = of_bytes(text[:-60].encode()).studies

    assert [row.params for row in study.rows] == [{"x": 1}]


@pytest.mark.parametrize(
    "dress",
    [
        pytest.param("    {}", id="indented"),
        pytest.param("# {}", id="comment"),
        pytest.param("> {}", id="quote"),
        pytest.param(" * {}", id="list"),
        pytest.param("\t{}\r", id="CRLF"),
        pytest.param("\x1b[32m{}\x1b[0m", id="colours"),
        pytest.param(" 50%|###| 1/2 [00:01<00:01,  1.2it/s]{}", id="progress bar"),
        pytest.param("100%|###| 2/2\r{}\r", id="carriage returns"),
        pytest.param("\x1b[A\x1b[2K{}", id="cursor"),
    ],
)
def test_the_surroundings_of_optunas_lines_do_not_matter(dress: str) -> None:
    lines = [f"{STAMP}Trial {number} {TOLD}" for number in (0, 1)]

    (study,) = recover("```\n" + "\n".join(map(dress.format, lines)) + "\n```\n").studies

    assert [(row.number, row.params) for row in study.rows] == [(0, {"x": 1}), (1, {"x": 1})]


def objective(trial: optuna.Trial) -> float:
    """Return a value, report, fail or prune."""
    x = trial.suggest_float("x", 0.1, 10, log=True)
    trial.suggest_int("n", 0, 8, step=2)
    trial.suggest_categorical("kind", ["a", None, 0.5])
    trial.set_user_attr("seen", [trial.number])
    trial.report(x, 3)
    if trial.number == 2:
        raise optuna.TrialPruned
    if trial.number == 3:
        raise ValueError("no")
    return float("inf") if trial.number == 4 else x


@pytest.fixture(params=["journal", "sqlite"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, optuna.Study]:
    """Return a storage that is called a log, and its study."""
    path = tmp_path / "optuna.log"
    storage: str | JournalStorage = f"sqlite:///{path}"
    if request.param == "journal":
        storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name="s", direction="maximize")
    study.optimize(objective, n_trials=6, catch=ValueError)
    study.enqueue_trial({"x": 1.0})
    study.ask()
    study.enqueue_trial({"x": 2.0})
    return path, study


def test_a_storage_with_the_name_of_a_log_is_read(
    stored: tuple[Path, optuna.Study],
) -> None:
    path, study = stored

    (recovered,) = read_trials(path).studies

    started = [t for t in study.trials if t.state != optuna.trial.TrialState.WAITING]
    assert (recovered.name, recovered.direction, recovered.flags) == ("s", "maximize", [])
    assert [row.number for row in recovered.rows] == [trial.number for trial in started]
    for row, trial in zip(recovered.rows, started, strict=True):
        assert (row.state, list(row.values)) == (trial.state.name, trial.values or [])
        assert (row.params, row.user_attrs) == (trial.params, trial.user_attrs)
        assert row.intermediate_values == trial.intermediate_values
        assert row.datetime_start == trial.datetime_start
        assert row.datetime_complete == trial.datetime_complete
        for name, distribution in trial.distributions.items():
            stored = optuna.distributions.json_to_distribution(json.dumps(row.distributions[name]))
            assert stored == distribution


def test_a_truncated_journal_is_read_and_its_damage_counted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "optuna.log"
    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))))
    study.optimize(objective, n_trials=2)

    recovery = of_bytes(path.read_bytes()[:-30])

    assert [row.state for row in recovery.studies[0].rows] == ["COMPLETE", "RUNNING"]
    assert recovery.problems[1] == "stream: damaged lines left out: 1"
    assert "--repair" in recovery.problems[0]


def test_a_sqlite_file_of_other_programs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "other.log").write_bytes(b"SQLite format 3\0" + bytes(100))

    with pytest.raises(UnreadableError, match="without readable Optuna studies"):
        read_trials(tmp_path / "other.log")


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_an_iterable_of_bytes_is_a_source(size: int) -> None:
    data = as_bytes(LINES)
    pieces = (data[start : start + size] for start in range(0, len(data), size))

    assert contents_of(read_trials([pieces])) == contents_of(recover(LINES))


def test_a_text_stream_is_a_source() -> None:
    assert contents_of(read_trials([io.StringIO("\n".join(LINES))])) == contents_of(recover(LINES))


def test_progress_counts_every_byte() -> None:
    data, counts = zlib.compress(as_bytes(LINES), wbits=31), list[int]()

    read_trials([io.BytesIO(data)], progress=counts.append)

    assert sum(counts) == len(data)
