"""What a refusal tells a user to do, done."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from faults.harness import Place


def advised(said: str) -> list[str] | None:
    """Return the recover-trials command that a message names."""
    match = re.search(r"recover-trials [^\n`]*", said)
    return shlex.split(match[0].rstrip(".")) if match else None


def move_away(place: Place, said: str) -> None:
    """Move the database away, where a message asks for that."""
    if match := re.search(r"the storage (\S+) (is damaged|was altered).* Move it away", said):
        Path(match[1]).rename(place.folder / "moved-away")


def follow(place: Place, said: str) -> list[str]:
    """Do what a message says; return what went wrong."""
    command = advised(said)
    if command is None:
        return [f"no recover-trials command: {said[-300:]!r}"]
    move_away(place, said)
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [program, *command[1:]], cwd=place.folder, capture_output=True, text=True, check=False
    )
    return [f"{command} ended with {done.returncode}: {done.stderr[-300:]!r}"] * bool(
        done.returncode
    )


def heal(place: Place) -> list[str]:
    """Run on; where that is refused, follow the message once. Return what went wrong."""
    run = place.run()
    if run.code == 0:
        return []
    if "Traceback" in run.said:
        return [f"a traceback: {run.said[-300:]!r}"]
    if wrong := follow(place, run.said):
        return wrong
    again = place.run()
    return [f"when that was done: exit {again.code}: {again.said[-300:]!r}"] * bool(again.code)
