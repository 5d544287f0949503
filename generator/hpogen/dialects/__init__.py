"""Files written for the systems before this one, read as if they were hpogen's own.

`convert` finds out by the keys of a file which of the dialects in `catalogue` it is written in.
A key with the same meaning here is moved to its place in hpogen's schema; what has none is
refused with the way out; what makes no difference, or has another effect here, is noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpogen.dialects.catalogue import find_dialect, misplaced
from hpogen.dialects.reader import Converted, Reader

__all__ = ["Converted", "convert"]


def convert(content: Any) -> Converted | None:
    """Return the content of a file in hpogen's own schema, None if it is written in that."""
    if not isinstance(content, Mapping):
        return None
    said = with_text_keys(content)
    dialect = find_dialect(said)
    if dialect is None:
        return None
    reader = Reader(dialect.name, said)
    dialect.read(reader)
    return reader.finish(misplaced(dialect))


def with_text_keys(value: Any) -> Any:
    """Return a value whose mappings have text for keys, as the places of a file have."""
    if isinstance(value, Mapping):
        return {str(key): with_text_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_text_keys(item) for item in value]
    return value
