"""A family from a folder of the user: loaded, checked, rendered like a built-in one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hpogen import families
from hpogen.cli import main
from hpogen.errors import FamilyError
from hpogen.families import add_family

FAMILY = """\
from dataclasses import replace

from hpogen.families.family import TaskKind
from hpogen.families.language import LANGUAGE

from .sizes import WIDTHS

FAMILY = replace(
    LANGUAGE,
    name="small",
    tasks=(TaskKind("small_lm", "small_lm", "Which byte comes next?"),),
    axes={**LANGUAGE.axes, "d_model": WIDTHS},
    small_below=0,
)
"""
SIZES = "WIDTHS = (48, 96)\n"


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the families of a test apart from the rest."""
    monkeypatch.setattr(families, "FAMILIES", [*families.FAMILIES])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a family."""
    path = tmp_path / "small"
    path.mkdir()
    (path / "family.py").write_text(FAMILY)
    (path / "sizes.py").write_text(SIZES)
    return path


def hpogen(*words: object) -> Result:
    """Run the command line."""
    return CliRunner().invoke(main, [str(word) for word in words])


def edit(folder: Path, *changes: str) -> None:
    """Replace texts of family.py, given as old and new in turn."""
    text = (folder / "family.py").read_text()
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    (folder / "family.py").write_text(text)


def test_a_script_of_an_own_family_is_rendered_and_checked(folder: Path, tmp_path: Path) -> None:
    done = hpogen("render", "--family", folder, "--budget", "2M", "--task", "small_lm",
                  "--out", tmp_path)  # fmt: skip
    assert done.exit_code == 0, done.output
    script = tmp_path / "hpo_2M_small_lm.py"
    assert '"d_model": 48' in script.read_text()
    assert hpogen("check", "--family", folder, script).exit_code == 0
    assert str(folder) not in script.read_text()


def test_without_its_folder_a_task_is_unknown_and_the_message_names_the_option(
    folder: Path, tmp_path: Path
) -> None:
    hpogen("render", "--family", folder, "--budget", "2M", "--task", "small_lm", "--out", tmp_path)
    families.FAMILIES.pop()
    done = hpogen("check", tmp_path / "hpo_2M_small_lm.py")
    assert done.exit_code == 2
    assert "unknown task 'small_lm'" in done.stderr
    assert "--family FOLDER" in done.stderr


def test_a_part_in_the_folder_replaces_the_built_in_one(folder: Path, tmp_path: Path) -> None:
    (folder / "model.py").write_text('"""Model: of the user."""\n\nOWN = 1\n')
    edit(folder, "    small_below=0,", '    small_below=0,\n    parts=("model", *LANGUAGE.parts),')
    done = hpogen("render", "--family", folder, "--budget", "2M", "--task", "small_lm",
                  "--out", tmp_path)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "# --- Model: of the user ---" in (tmp_path / "hpo_2M_small_lm.py").read_text()


def test_an_edited_family_is_read_again(folder: Path) -> None:
    assert add_family(folder).axes["d_model"] == (48, 96)
    (folder / "sizes.py").write_text("WIDTHS = (16, 32)\n")
    assert add_family(folder).axes["d_model"] == (16, 32)
    assert len([family for family in families.FAMILIES if family.name == "small"]) == 1


def faults() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield a name of a fault, the edit that makes it, and the message."""
    yield "no FAMILY", ("FAMILY = ", "OTHER = "), "family.py: defines no FAMILY = Family(...)"
    yield "syntax", ("FAMILY = replace(", "FAMILY = replace(("), "family.py:8: SyntaxError: "
    yield (
        "unknown field",
        ("small_below=0", "small_bellow=0"),
        "family.py:8: TypeError: Family.__init__() got an unexpected keyword argument",
    )
    yield "name", ('"small"', '"Small!"'), "name 'Small!': use lower-case letters, digits and _"
    yield "taken", ('"small"', '"language"'), "family language already exists"
    yield "task", ('"small_lm", "small_lm"', '".*", "x"'), "task threshold_1pct belongs to"
    yield "pattern", ('TaskKind("small_lm"', 'TaskKind("("'), "task small_lm: pattern '(': "
    yield (
        "no task",
        ('(TaskKind("small_lm", "small_lm", "Which byte comes next?"),)', "()"),
        ("tasks: give at least one TaskKind"),
    )
    yield (
        "part",
        ("small_below=0,", 'small_below=0, parts=(*LANGUAGE.parts, "modle"),'),
        "part modle: modle.py is neither in the folder nor in hpo_script",
    )
    yield (
        "slot",
        ("small_below=0,", 'small_below=0, parts=(*LANGUAGE.parts, "{acumulate}"),'),
        "parts: nothing fills the slot {acumulate}; did you mean accumulate?",
    )
    yield (
        "Task",
        ("small_below=0,", 'small_below=0, parts=("experiment/shared",),'),
        "parts: none defines the class Task",
    )
    yield (
        "metric",
        ("small_below=0,", 'small_below=0, default_metric="loss",'),
        ("default_metric loss: unknown metric; did you mean val_loss?"),
    )
    yield (
        "direction",
        ("small_below=0,", 'small_below=0, metrics={"val_loss": "min"},'),
        ("metrics: val_loss is 'min'; write minimize or maximize"),
    )
    yield (
        "count",
        ("small_below=0,", "small_below=0, count_params=lambda a, c, o: 1 / 0,"),
        "family.py:13: candidates: ZeroDivisionError: division by zero",
    )
    yield (
        "columns",
        ("small_below=0,", 'small_below=0, candidates=lambda axes: iter([{"d_model": 8}]),'),
        "candidates: an architecture lacks n_layers, n_heads, d_ff; give 1 where unused",
    )


@pytest.mark.parametrize(
    ("changes", "message"), [row[1:] for row in faults()], ids=[row[0] for row in faults()]
)
def test_a_fault_of_a_family_is_one_message(
    folder: Path, changes: tuple[str, ...], message: str
) -> None:
    edit(folder, *changes)
    done = hpogen("render", "--family", folder, "--budget", "2M", "--task", "small_lm")
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_all_faults_of_a_family_are_reported_at_once(folder: Path) -> None:
    edit(folder, '"small"', '"Small"', "small_below=0,", 'small_below=0, default_metric="x",')
    with pytest.raises(FamilyError) as caught:
        add_family(folder)
    assert len(str(caught.value).splitlines()) == 2


def test_a_task_class_without_a_method_is_refused(folder: Path) -> None:
    (folder / "data.py").write_text(
        '"""Data."""\n\n\nclass Task:\n    def load(self):\n        ...\n'
    )
    edit(folder, "small_below=0,", 'small_below=0, parts=("data",),')
    with pytest.raises(FamilyError, match=r"data.py: Task lacks __init__, baselines, batches"):
        add_family(folder)


def test_a_folder_without_a_family_names_the_file(tmp_path: Path) -> None:
    done = hpogen("render", "--family", tmp_path, "--budget", "2M", "--task", "x")
    assert done.exit_code == 2
    assert "family.py: no such file; it defines FAMILY = Family(...)" in done.stderr
