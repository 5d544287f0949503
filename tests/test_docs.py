"""The documentation does what it says."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from children import shell
from page_tools.execute import commands, expected_output, file_of, run_page
from page_tools.generated_blocks import GENERATED, content
from page_tools.pages import ROOT, Block, blocks, pages
from scripts import write_warm_command, write_warm_python

PAGES = [pytest.param(page, id=page.stem) for page in pages()]
# 7 seconds and more, or in tests/final as well
MANY_RUNS = (
    *("README", "final", "programs", "scaling", "sections"),
    *("direction", "getting-started", "own-data", "own-model", "refine", "report", "run"),
    *("runbook", "text-classification", "text-joint", "text-spans", "text-stages", "threshold"),
)
RUN_PAGES = [
    pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem in MANY_RUNS))
    for page in pages()
]
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
# Folders of one machine: what a page shows must hold on the reader's.
PLACE = re.compile(r"(?<![\w.)])/(?:home|root|tmp|work|usr|Users|mnt)/")


@pytest.fixture
def warm_python(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a Python and commands that run warm in the place of the installed ones."""
    python = write_warm_python(tmp_path_factory.mktemp("bin") / "python")
    for command in ("hpogen", "recover-trials"):
        write_warm_command(python.parent, command)
    commands = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    monkeypatch.setenv("PATH", commands)
    monkeypatch.setattr(sys, "executable", str(python))


@pytest.mark.usefixtures("warm_python")
@pytest.mark.parametrize("page", RUN_PAGES)
def test_every_command_of_a_page_says_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path, shell)


@pytest.mark.parametrize("page", PAGES)
def test_generated_blocks_are_current(page: Path) -> None:
    for _, source, block, _ in GENERATED.findall(page.read_text(encoding="utf-8")):
        assert block.strip() == content(source), f"{source} is stale: run `make pages`"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: Path) -> None:
    links = LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_no_folder_of_one_machine(page: Path) -> None:
    assert PLACE.findall(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("expected", "output", "matches"),
    [
        (["a"], "a\n", True),
        (["a"], "a  \n", True),
        (["a"], "a\nb\n", False),
        ([], "", True),
        ([], "a\n", False),
        (["a", "..."], "a\n", True),
        (["a", "...", "d"], "a\nb\nc\nd\n", True),
        (["a", "...", "d"], "a\nb\nc\n", False),
        (["loss 0.3... (…)"], "loss 0.31 (trial 2)\n", True),
        (["loss 0.3..."], "loss 0.31\nloss 0.32\n", False),
        (["1+1"], "111\n", False),
    ],
)
def test_dots_match_any_text_and_nothing_else_does(
    expected: list[str], output: str, matches: bool
) -> None:
    assert bool(expected_output(expected).fullmatch(output)) is matches


def test_a_block_is_run_unless_the_line_above_says_why_not() -> None:
    text = "```console\n$ a\n```\n<!-- not run: slow -->\n```python\n1\n```\n"
    console, python = blocks(text)
    assert (console.runs, python.runs) == (True, False)
    assert (console.line, python.line) == (2, 6)


def test_a_command_continues_while_a_shell_would_ask_for_more() -> None:
    lines = ["$ a \\", "> b", "> out", "$ c <<E", "> d", "> E", "> out", "$ e"]
    lines += ["$ for i in 1; do", ">   f", "> done", "> out"]
    assert [command[1:] for command in commands(Block(1, "console", lines, runs=True))] == [
        ("a \\\nb", ["> out"]),
        ("c <<E\nd\nE", ["> out"]),
        ("e", []),
        ("for i in 1; do\n  f\ndone", ["> out"]),
    ]


def test_the_pages_are_there() -> None:
    assert {page.stem for page in pages() if page.parent == ROOT / "docs"} >= {
        *("getting-started", "script", "log-format", "families", "decisions", "cli", "config"),
        *("index", "runbook", "supplemental-tests", "errors", "glossary", "recover", "faults"),
    }


def test_a_block_with_a_name_is_a_file() -> None:
    text = "```yaml\n# study.yaml\na: 1\n```\n```yaml\nb: 2\n```\n```text\n# study.yaml\n```\n"
    text += "```python\n# lstm/model.py\nX = 1\n```\n```python\nX = 1\n```\n"
    files = ["study.yaml", None, None, "lstm/model.py", None]
    assert [file_of(block) for block in blocks(text)] == files
