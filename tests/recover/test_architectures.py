"""Sizes from a list of architectures, added to old logs that confirm the list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recover_samples import recover_one
from recover_trials import Study, UnreadableError
from recover_trials.legacy.architectures import PatchModel, complete_from_list, read_architectures

ROWS = [
    {"d_model": 64, "n_layers": 2, "n_heads": heads, "d_ff": ratio * 64}
    for ratio in (2, 4)
    for heads in (2, 4)
]


def counted(row: dict[str, int]) -> int:
    """Return the predecessor's count, 25 features."""
    d, ff, patches = row["d_model"], row["d_ff"], 6
    layer = 4 * d**2 + 4 * d + 4 * d + 2 * d * ff + ff + d
    head = 16 * 25 * d + d + (patches + 10) * d
    return head + row["n_layers"] * layer + 2 * d + d * patches + 1


def started(*trials: tuple[int | None, int]) -> Study:
    """Return a study of start lines without heads; row and count of each."""
    lines = []
    for number, (index, count) in enumerate(trials):
        row = "" if index is None else f"arch_idx={index}, "
        lines.append(f"Trial {number}: {row}d_model=64, n_layers=2, params={count:,}, lr=0.1")
    return recover_one(lines)


def test_the_count_is_that_of_the_predecessor() -> None:
    assert [PatchModel().count(64, 2, row["d_ff"]) for row in ROWS] == list(map(counted, ROWS))


def test_heads_and_widths_come_from_the_row_of_the_list() -> None:
    study = started((1, counted(ROWS[1])), (2, counted(ROWS[2])))

    complete_from_list(study, ROWS)

    assert [(t.user_attrs["n_heads"], t.user_attrs["d_ff"], t.flags) for t in study.rows] == [
        (4, 128, []),
        (2, 256, []),
    ]


def test_the_exact_count_of_a_list_proves_a_row_too() -> None:
    study = started((0, 12345))

    complete_from_list(study, [{**ROWS[0], "params": 12345}])

    assert study.rows[0].user_attrs["n_heads"] == 2


def test_a_row_that_does_not_fit_is_flagged_and_nothing_is_filled() -> None:
    study = started((0, counted(ROWS[2])), (2, counted(ROWS[2])))

    complete_from_list(study, ROWS)

    assert [("n_heads" in t.user_attrs, len(t.flags)) for t in study.rows] == [
        (False, 1),
        (False, 1),
    ]


def test_an_index_outside_of_the_list_is_flagged() -> None:
    study = started((4, 1))

    complete_from_list(study, ROWS)

    assert study.rows[0].flags == ["arch_idx is outside the list of architectures"]


def test_without_an_index_only_a_unique_architecture_is_filled() -> None:
    alone = {**ROWS[0], "d_ff": 512}
    study = started((None, counted(ROWS[0])), (None, counted(alone)), (None, 7))

    complete_from_list(study, [*ROWS, alone])

    first, second, third = study.rows
    assert first.flags == ["sizes not added: several rows of the list of architectures match"]
    assert (second.user_attrs["n_heads"], second.user_attrs["d_ff"]) == (2, 512)
    assert third.flags == ["sizes not added: no row of the list of architectures matches"]


def test_a_list_without_a_matching_parameter_count_is_ignored() -> None:
    study = recover_one(["Trial 0: arch_idx=1, d_model=64, lr=0.1"])

    complete_from_list(study, ROWS)

    assert "n_heads" not in study.rows[0].user_attrs
    assert study.rows[0].flags == [
        "sizes not added: no parameter count in the log confirms the list of architectures"
    ]


@pytest.mark.parametrize("suffix", [".py", ".json", ".csv"])
def test_a_list_is_read_from_each_kind_of_file(tmp_path: Path, suffix: str) -> None:
    columns = ",".join(ROWS[0])
    texts = {
        ".py": f"import nothing\nARCHITECTURES = {ROWS!r}\nraise SystemExit\n",
        ".json": json.dumps({"architectures": ROWS}),
        ".csv": "\n".join([columns, *(",".join(map(str, row.values())) for row in ROWS)]),
    }
    path = tmp_path / f"list{suffix}"
    path.write_text(texts[suffix])

    assert read_architectures(path) == ROWS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", "ARCHITECTURES = open('x')"),
        ("a.py", "pass"),
        ("a.py", "ARCHITECTURES = ["),
        ("a.json", "{}"),
        ("a.json", "["),
        ("a.csv", "d_model\n64\n"),
        ("a.csv", "d_model,n_layers\n64,many\n"),
        ("a.csv", "arch_idx,d_model,n_layers\n1,64,2\n"),
    ],
)
def test_a_file_without_a_list_is_an_error_and_never_run(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(UnreadableError):
        read_architectures(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
