"""Families are entries in one table: nothing else knows them by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from hpogen import families
from hpogen.families import FAMILIES
from hpogen.family import TaskKind
from hpogen.render import render
from hpogen.spec import make_spec
from scripts import load

ROOT = Path(__file__).parents[2]
FOLDERS = ("market", "language")  # of parts, one per family


def test_no_file_but_the_table_names_a_family() -> None:
    names = [family.name for family in FAMILIES]
    own = {ROOT / "templates" / "hpo_script" / folder for folder in FOLDERS}
    table = ROOT / "generator" / "hpogen" / "families.py"
    named = [
        (path.relative_to(ROOT), name)
        for folder in ("generator", "templates", "recover")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".j2") and path != table and not own & set(path.parents)
        for name in names
        if name in path.read_text().lower()
    ]
    assert named == []


def test_shared_parts_take_nothing_from_a_family() -> None:
    parts = ROOT / "templates" / "hpo_script"
    own = {parts / folder for folder in FOLDERS}
    for path in (path for path in parts.rglob("*.py") if not own & set(path.parents)):
        for folder in FOLDERS:
            assert f"hpo_script.{folder}" not in path.read_text()


def test_a_new_family_needs_only_its_entry(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    new = dataclasses.replace(
        families.TEXT,
        name="third",
        tasks=(TaskKind("third_task", "third_task", "Does a third family work?"),),
        axes={**families.TEXT.axes, "d_model": (48, 96)},
        small_below=0,
    )
    monkeypatch.setattr(families, "FAMILIES", (*FAMILIES, new))
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
