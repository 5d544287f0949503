"""Shells complete commands, options and their values."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HPOGEN = Path(sys.executable).with_name("hpogen")


def completed(words: str) -> list[str]:
    """Return what bash offers for the last word of a line, asked through the sourced script."""
    script = f"""
        source <({HPOGEN} completion bash)
        COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _hpogen_completion hpogen
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{HPOGEN.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("hpogen re", ["render"]),
        ("hpogen render --hor", ["--horizon"]),
        ("hpogen render --task thr", ["threshold_0.5pct", "threshold_1pct"]),
        ("hpogen grid --budget 20", ["20M", "200M"]),
        ("hpogen render --option loss=f", ["loss=focal"]),
        ("hpogen demo-data n", ["nasdaq"]),
        ("hpogen render --preset m", ["maximal"]),
    ],
)
def test_bash_completes_commands_options_and_values(words: str, offered: list[str]) -> None:
    assert set(offered) <= set(completed(words))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script_for_both_programs_that_it_can_read(
    shell: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [HPOGEN, "completion", shell], capture_output=True, text=True, check=True
    )
    assert "_HPOGEN_COMPLETE=" in done.stdout
    assert "_RECOVER_TRIALS_COMPLETE=" in done.stdout
    if shutil.which(shell):
        path = tmp_path / "script"
        path.write_text(done.stdout)
        subprocess.run([shell, "-n", path], check=True)
