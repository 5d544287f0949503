"""The fuzzer's own logs pass; with FUZZ_MINUTES it searches for others that do not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.fuzz_recover import one_input, seeds
from recover_trials import read_trials

HERE = Path(__file__).parent


@pytest.mark.parametrize("log", list(seeds()))
def test_a_log_of_every_kind_is_read_and_written(log: bytes) -> None:
    one_input(log)

    assert any(study.rows for study in read_trials([[log]]).studies)


@pytest.mark.fuzz
@pytest.mark.timeout(0)
def test_no_log_is_found_that_crashes_anything(tmp_path: Path) -> None:
    minutes = os.environ.get("FUZZ_MINUTES")
    if not minutes:
        pytest.skip("FUZZ_MINUTES=10 searches for ten minutes")
    pytest.importorskip("atheris")

    done = subprocess.run(
        [sys.executable, HERE / "fuzz_recover.py", minutes], cwd=tmp_path, capture_output=True
    )

    assert done.returncode == 0, done.stderr.decode(errors="replace")[-5000:]
