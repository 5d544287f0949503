"""Jupyter notebooks: the outputs of their cells are the log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

STRING = re.compile(rb'^\s*("(?:[^"\\]|\\.)*"),?\s*$', re.MULTILINE)


def outputs(text: bytes) -> Iterator[bytes]:
    """Yield the outputs of each cell; of a truncated notebook, each whole string."""
    try:
        notebook = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        yield from map(string_of, STRING.findall(text))
        return
    sheets = notebook.get("worksheets", [notebook]) if isinstance(notebook, dict) else []
    for sheet in sheets:
        for cell in sheet.get("cells", []) if isinstance(sheet, dict) else []:
            yield from cell_outputs(cell)


def string_of(literal: bytes) -> bytes:
    """Return the text of a JSON string; empty if it is invalid."""
    try:
        return str(json.loads(literal)).encode("utf-8", "replace")
    except ValueError:
        return b""


def cell_outputs(cell: Any) -> Iterator[bytes]:
    """Yield the streams and texts of a cell; a stream may be saved in pieces."""
    before = None
    for output in cell.get("outputs", []) if isinstance(cell, dict) else []:
        if not isinstance(output, dict):
            continue
        stream = output.get("name")
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        joined = "".join(map(str, text)) if isinstance(text, list) else str(text)
        if before is not None and (stream is None or stream != before):
            yield b"\n"
        before = stream or ""
        yield joined.encode("utf-8", "replace")
    if before is not None:
        yield b"\n"
