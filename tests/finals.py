"""A small study, and the final script of it, for the tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from safetensors import safe_open

from hpo_script.machinery.log_lines import read_event
from hpogen.cli import main
from scripts import QUICK, changed, render_to, run

STUDY = changed(
    QUICK,
    study={"n_trials": 2},
    data={"feature_columns": ["Close"]},
    fixed={"epochs": 2, "batch_size": 128},
)


def make_study(folder: Path, config: dict[str, Any]) -> Path:
    """Run a small study; return its script."""
    script = render_to(folder, config)
    done = run(script)
    assert done.returncode == 0, done.stderr
    return script


def command(*words: object) -> Any:
    """Return the result of a command of hpogen."""
    return CliRunner().invoke(main, [str(word) for word in words])


def make_final(script: Path, *options: str) -> Path:
    """Render the final script beside a search script."""
    log = script.parent / "logs" / f"{script.stem}.log"
    done = command("render", "--kind", "final", "--from", log, "--out", script.parent, *options)
    assert done.exit_code == 0, done.output
    return script.with_name(f"final_{script.name}")


def events(script: Path, log: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return the events of a final script's log."""
    path = script.parent / (log or f"logs/{script.stem}.log")
    found = [read_event(line) for line in path.read_bytes().splitlines()]
    return [event for event in found if event]


def names(found: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return the kinds of events."""
    return [name for name, _ in found]


def weights(folder: Path) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return the tensors and the metadata of each file of weights."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            keys = file.keys()
            tensors = {name: file.get_tensor(name).tolist() for name in keys}
            found[path.name] = tensors, json.loads(file.metadata()["hpogen"])
    return found
