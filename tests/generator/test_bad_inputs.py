"""Bad inputs: each is refused with exactly the message that the table of them holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bad_inputs import ROWS, Bad, outcome, rows
from hpogen.configuration.yaml_file import is_plain


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what.replace(" ", "_"))
def test_a_bad_input_is_refused_with_its_message(row: Bad, tmp_path: Path) -> None:
    message, code = outcome(row, tmp_path)
    assert message == row.message
    assert code == row.code
    assert all(map(is_plain, message.replace("\n", "")))


def test_no_row_is_there_twice() -> None:
    found = Counter((row.command, str(sorted(row.files.items()))) for row in ROWS)
    assert found.most_common(1)[0][1] == 1
    assert len(ROWS) >= 70


def test_the_documentation_gets_what_happens() -> None:
    assert rows() == [(row.what, row.command, row.message, row.code) for row in ROWS]
