"""Dialects: configuration files of earlier systems, converted to hpogen's schema.

`convert` recognises the dialect of a file, one of those in `catalogue`, by its keys. A key with
the same meaning is moved to its place in hpogen's schema. A key without an equivalent is refused
with a way out. A key without effect, or with another effect, gets a note.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpogen.configuration.dialects.catalogue import find_dialect, misplaced
from hpogen.configuration.dialects.reader import Converted, Reader

__all__ = ["Converted", "convert"]


def convert(content: Any, task: str | None = None) -> Converted | None:
    """Return the content of a file in hpogen's schema, None if the file is in no dialect.

    `task` is the task of the command line, which replaces the task of the file.
    """
    if not isinstance(content, Mapping):
        return None
    source = with_text_keys(content)
    dialect = find_dialect(source)
    if dialect is None:
        return None
    reader = Reader(dialect.name, source, task)
    dialect.read(reader)
    return reader.finish(misplaced(dialect))


def with_text_keys(value: Any) -> Any:
    """Return a value whose keys are all text, because problems are located by text keys."""
    if isinstance(value, Mapping):
        return {str(key): with_text_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_text_keys(item) for item in value]
    return value
