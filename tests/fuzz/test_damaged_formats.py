"""Damage to files without checksums invents no row; see damaged_formats.py for longer runs."""

from __future__ import annotations

import pytest

from fuzz.damaged_formats import SEEDS, false_rows, rows_of


@pytest.mark.parametrize("name", SEEDS)
def test_damage_invents_no_row(name: str) -> None:
    assert list(rows_of(SEEDS[name]))
    assert false_rows(name, 150) == []
