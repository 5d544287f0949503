"""Text for a language model: render and the script read the same files and the same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from hpogen.configuration.yaml_file import ConfigFile, is_plain
from hpogen.errors import DataError
from hpogen.families.language.text import read_text_data
from hpogen.families.language.text_file import read_text_facts
from hpogen.spec import make_spec
from scripts import TEXT, changed, load_task, render_to

SIZE = 400_000  # bytes that are enough for the default splits


def digest_of_script(folder: Path, **data: Any) -> str:
    """Return the digest of the text that a script reads."""
    task = load_task(render_to(folder, changed(TEXT, data=data)))[1]
    found: str = task.describe()["data_sha256"]
    return found


@pytest.mark.parametrize("pattern", ["**/*", "**/*.py", "*.py"])
def test_the_digest_of_a_text_is_the_script_s(pattern: str, text: Path) -> None:
    (text / "logo.png").write_bytes(b"\x89PNG\0\0" * 10)
    (text / ".git").mkdir()
    (text / ".git" / "config.py").write_text("hidden")
    found = read_text_facts(text, pattern)
    assert found.sha256 == digest_of_script(text.parent, file_pattern=pattern)


def test_a_digest_does_not_depend_on_the_size_of_pieces(tmp_path: Path) -> None:
    for name, size in (("a.py", 0), ("b.py", 3_000_000), ("c.py", 1 << 20)):
        (tmp_path / name).write_bytes(b"x\n" * (size // 2))
    whole = b"\n".join((tmp_path / name).read_bytes() for name in ("a.py", "b.py", "c.py"))
    found = read_text_facts(tmp_path, "*.py")
    assert (found.sha256, found.n_bytes) == (hashlib.sha256(whole).hexdigest(), len(whole))


@pytest.mark.parametrize("pattern", ["*.none", "", "/etc/*", "a\x00", "\x1b[31m"])
def test_a_folder_without_text_is_refused(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_text_facts(tmp_path, pattern)
    assert str(caught.value).startswith(str(tmp_path))
    assert all(map(is_plain, str(caught.value)))


def notes(path: Path | str, **said: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the constants and the notes about a text."""
    found = read_text_data(str(path), said, "byte_lm")
    return found.constants, found.notes


def test_files_that_are_no_text_are_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "book.md").write_text("x" * SIZE)
    for name in ("a.png", "b.png", "c.png", "d.png"):
        (tmp_path / name).write_bytes(b"\0")
    assert notes(tmp_path)[1] == [
        f"1 file, {SIZE:,} bytes",
        "files without text are left out: a.png, b.png, c.png and 1 more",
    ]
    with pytest.raises(
        DataError, match=r"files that match \*\.png: a\.png, b\.png, c\.png and 1 more"
    ):
        notes(tmp_path, file_pattern="*.png")


def test_a_file_that_is_named_is_read_whatever_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"\0" * SIZE)
    assert notes(path)[1] == []


def test_a_path_may_end_in_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("x" * SIZE)
    (tmp_path / "notes" / "b.py").write_text("y")
    found, _ = notes(f"{tmp_path}/notes/*.md")
    assert found["file_pattern"] == "*.md"
    assert found["data_path"] == "notes"
    assert found["data_sha256"] == hashlib.sha256(b"x" * SIZE).hexdigest()
    config = ConfigFile("x.yaml", {"budget": "2M", "task": "byte_lm"}, {})
    spec = make_spec(config=config, data=f"{tmp_path}/**/*.md")
    assert spec.constants["file_pattern"] == "**/*.md"


@pytest.mark.parametrize(("n_bytes", "fits"), [(257_000, True), (256_000, False)])
def test_a_text_too_small_for_its_splits_is_refused_with_the_numbers(
    n_bytes: int, fits: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x.txt"
    path.write_text("x" * n_bytes)
    if fits:
        notes(path)
        return
    message = (
        "256,000 bytes leave 204,800 for training and 25,344 for validation; at least 25,600"
        " of each are needed"
    )
    with pytest.raises(DataError, match=message):
        notes(path)
    notes(path, context_length=128)
    notes(path, val_fraction=0.15)
