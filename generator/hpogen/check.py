"""Checking: is a script what its specification renders to?"""

from __future__ import annotations

import difflib
import json
from pathlib import Path

from pydantic import ValidationError

from hpogen.errors import UsageError
from hpogen.render import read_mark, render
from hpogen.spec import Spec


def read_script(path: Path) -> str:
    """Return a script's text, line ends untouched. Raises UsageError."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file") from None


def spec_of(path: Path, script: str) -> Spec:
    """Return the specification in a script's header. Raises UsageError."""
    try:
        found = read_mark(script)
        if found is None:
            raise UsageError(f"{path}: no hpogen header line; was it rendered by hpogen?")
        return Spec.model_validate(found)
    except (json.JSONDecodeError, IndexError, ValidationError):
        raise UsageError(
            f"{path}: the hpogen header line cannot be read; render the script again"
        ) from None


def difference(path: Path) -> str:
    """Return a unified diff from what the specification renders to, to the file; empty if equal.

    Raises UsageError for a file that is no script of hpogen's.
    """
    script = read_script(path)
    fresh = render(spec_of(path, script))
    if script == fresh:
        return ""
    lines = difflib.unified_diff(
        fresh.splitlines(keepends=True),
        script.splitlines(keepends=True),
        "rendered",
        str(path),
        n=2,
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
