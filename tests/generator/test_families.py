"""Families are entries in one table: nothing else knows them by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from hpogen import families
from hpogen.families import FAMILIES, LANGUAGE
from hpogen.families.family import TaskKind
from hpogen.rendering.render import render
from hpogen.spec import make_spec
from scripts import load

ROOT = Path(__file__).parents[2]
PLACES = (ROOT / "generator/hpogen/families", ROOT / "templates/hpo_script/families")


def test_a_family_is_named_in_its_own_folders_only() -> None:
    """Only the registry and the folders of a family import from it."""
    for folder in ("generator", "templates", "recover"):
        for path in (ROOT / folder).rglob("*.py"):
            if path == PLACES[0] / "__init__.py":
                continue
            for family in FAMILIES:
                own = any(place / family.name in path.parents for place in PLACES)
                assert own or f"families.{family.name}" not in path.read_text(), path


def test_a_new_family_needs_only_its_entry(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    new = dataclasses.replace(
        LANGUAGE,
        name="third",
        tasks=(TaskKind("third_task", "third_task", "Does a third family work?"),),
        axes={**LANGUAGE.axes, "d_model": (48, 96)},
        small_below=0,
    )
    monkeypatch.setattr(families, "FAMILIES", [*FAMILIES, new])
    found = make_spec(budget="2M", task="third_task")
    script = tmp_path / f"{found.name}.py"
    script.write_text(render(found))
    names = load(script)
    assert names["NAME"] == "hpo_2M_third_task"
    row = names["ARCHITECTURES"][0]
    assert row["d_model"] == 48
    with torch.device("meta"):
        model = names["Task"]("unused", None).build_model(row, 0.0)
    assert sum(parameter.numel() for parameter in model.parameters()) == row["params"]
