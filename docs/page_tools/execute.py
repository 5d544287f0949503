"""Blocks that are executed: commands of a shell, Python, and files in YAML or Python."""

from __future__ import annotations

import doctest
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from page_tools.pages import ROOT, Block, blocks

# The languages of blocks; text is only shown.
LANGUAGES = ("console", "python", "text", "yaml")
FILE = re.compile(r"# ([\w./-]+\.(?:yaml|py))")
DROPPED = {"OPTUNA_STORAGE", "FORCE_COLOR", "PYTHONPATH", "PYTHONWARNINGS"}
Shell = Callable[[str], list[str]]


class Command(NamedTuple):
    """A command of a console block, its line number, and the output below it."""

    line: int
    text: str
    expected: list[str]


def is_incomplete(command: str) -> bool:
    """Tell whether a shell would read on: after a backslash, in a here-document or a loop."""
    lines = command.split("\n")
    document = re.search(r"<<-?['\"]?(\w+)", command)
    in_document = bool(document and document[1] not in lines[1:])
    in_loop = lines[0].endswith("; do") and "done" not in lines
    return command.endswith("\\") or in_loop or in_document


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block; lines with `> ` continue an incomplete one."""
    found: list[Command] = []
    for number, line in enumerate(block.lines, block.line):
        if line.startswith("$ "):
            found.append(Command(number, line[2:], []))
        elif not found:
            raise AssertionError(f"line {number}: a console block begins with `$ `")
        elif line.startswith(">") and is_incomplete(found[-1].text):
            found[-1] = found[-1]._replace(text=f"{found[-1].text}\n{line[2:]}")
        else:
            found[-1].expected.append(line)
    return found


def expected_output(lines: Sequence[str]) -> re.Pattern[str]:
    """Return the pattern that an output must match in full.

    A line `...` stands for any lines, `...` or `…` within a line for any text of that line.
    """
    parts = []
    for line in lines:
        if line == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            pieces = map(re.escape, re.split(r"\.\.\.|…", line.rstrip()))
            parts.append(r"[^\n]*?".join(pieces) + r"[ \t]*\n")
    return re.compile("".join(parts))


def environment() -> dict[str, str]:
    """Return the environment of commands: this Python first, no settings of the user."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    # One thread: on a busy machine, several wait for each other longer than they compute.
    fixed = {"COLUMNS": "100", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    return {**kept, **fixed, "PATH": path}


def bash(command: str) -> list[str]:
    """Return the words of a command of bash."""
    return ["bash", "-c", command]


def output_of(command: str, folder: Path, shell: Shell = bash) -> str:
    """Return stdout and stderr of a command. Raises AssertionError on another exit code than 0."""
    done = subprocess.run(
        shell(command),
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout.decode()
    if output and not output.endswith("\n"):
        output += "\n"
    assert done.returncode == 0, f"$ {command}\nexit code {done.returncode}\n{output}"
    return output


def run_command(command: Command, folder: Path, shell: Shell) -> None:
    """Compare the output of a command with the page."""
    output = output_of(command.text, folder, shell)
    assert expected_output(command.expected).fullmatch(output), (
        f"line {command.line}: $ {command.text}\n--- on the page\n{shortened(command.expected)}"
        f"\n--- in the output\n{shortened(output.splitlines())}"
    )


def shortened(lines: Sequence[str], most: int = 20) -> str:
    """Return the first and the last lines of a text."""
    left_out = len(lines) - most
    if left_out > 1:
        half = most // 2
        lines = [*lines[:half], f"({left_out} more lines)", *lines[-half:]]
    return "\n".join(lines)


def run_python(block: Block, names: dict[str, Any]) -> None:
    """Execute a python block; one that begins with `>>>` is a doctest."""
    source = "\n".join([*block.lines, ""])
    if not source.startswith(">>> "):
        exec(compile("\n" * (block.line - 1) + source, "page", "exec"), names)  # noqa: S102
        return
    examples = doctest.DocTestParser().get_examples(source)
    test = doctest.DocTest(examples, {}, "page", None, block.line - 1, source)
    test.globs = names
    report = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    runner.run(test, out=report.write, clear_globs=False)
    assert not runner.failures, f"line {block.line}:\n{report.getvalue()}"


def file_of(block: Block) -> str | None:
    """Return the file that a block of YAML or Python is written to, None if it names none."""
    named = FILE.fullmatch(block.lines[0]) if block.language in ("yaml", "python") else None
    return named[1] if named else None


def run_page(page: Path, folder: Path, shell: Shell = bash) -> None:
    """Run every block of a page, top to bottom.

    Args:
        page: The page.
        folder: The current folder, empty. The experiments of the checkout are copied into it.
        shell: Makes the words of a command.
    """
    shutil.copytree(ROOT / "experiments", folder / "experiments")
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page.read_text(encoding="utf-8")):
        assert block.language in LANGUAGES, f"line {block.line}: fenced as {block.language!r}"
        if block.runs and block.language == "console":
            for command in commands(block):
                run_command(command, folder, shell)
        elif file := file_of(block):
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text("\n".join([*block.lines, ""]), encoding="utf-8")
        elif block.runs:
            run_python(block, names)
