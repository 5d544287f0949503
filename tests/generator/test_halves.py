"""A script has two halves: the experiment, which needs nothing of the machinery, and the rest."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from hpogen.configuration.load import load_config
from hpogen.rendering.render import render
from hpogen.spec import make_spec

CONFIGS = sorted((Path(__file__).parents[1] / "golden").glob("*.yaml"))
HALVES = ("Constants", "The experiment", "The machinery")


def halves(script: str) -> list[str]:
    """Return what stands before the headings of a script, and below each of them."""
    return re.split(r"^# === (?:.*?) =+$", script, flags=re.MULTILINE)


def defined(source: str) -> set[str]:
    """Return the names that functions, classes and assignments of a module bind."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def used(source: str) -> set[str]:
    """Return the names that code reads and does not bind itself."""
    names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return {node.id for node in names} - bound


@pytest.fixture(params=CONFIGS, ids=lambda config: config.stem)
def script(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a golden script."""
    monkeypatch.chdir(request.param.parent)  # where `pretrained.yaml` finds its encoder
    return render(make_spec(config=load_config(request.param)[0]))


def test_the_headings_stand_in_their_order(script: str) -> None:
    found = re.findall(r"^# === (.*?) =+$", script, flags=re.MULTILINE)
    assert [name for name in found if name in HALVES] == list(HALVES)


def test_the_experiment_uses_no_name_of_the_machinery(script: str) -> None:
    *_, experiment, machinery = halves(script)
    assert defined(machinery) & used(experiment) == set()
    assert len(defined(machinery)) > 50


def test_every_constant_is_used_by_its_name(script: str) -> None:
    _, constants, *rest = halves(script)
    constants, _, command_line = constants.partition("\n# --- ")
    names = defined(constants)
    assert {"SEED", "ARCHITECTURES", "CONTEXT_LENGTH"} <= names
    code = "\n".join([command_line, *rest])
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", code)] == []
    assert "globals()" not in script
    assert "getattr(sys.modules" not in script


def test_no_line_reads_test_labels(script: str) -> None:
    assert re.findall(r"\btest_(?:days|index|labels|windows|bytes|text)\b", script) == []
