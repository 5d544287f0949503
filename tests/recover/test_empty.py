"""Files without a trial: exit code 1, and no output."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner

from recover_trials.cli import main


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_a_study_without_trials_has_exit_code_1(storage: str, tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    backend = (
        f"sqlite:///{path}"
        if storage == "sqlite"
        else optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    )
    optuna.create_study(study_name="empty", storage=backend)

    result = CliRunner().invoke(main, [str(path)])

    assert (result.exit_code, result.stdout) == (1, "")
    assert "empty" in result.stderr
    assert "no trials" in result.stderr


def test_a_study_line_alone_has_exit_code_1(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    path.write_text("[I 2026-03-01 10:00:00,001] A new study created in memory with name: a\n")

    assert CliRunner().invoke(main, [str(path), "--strict"]).exit_code == 1
