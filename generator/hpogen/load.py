"""Configuration files of any dialect, read as one."""

from __future__ import annotations

from pathlib import Path

from hpogen.dialects import convert
from hpogen.errors import ConfigError
from hpogen.yaml_file import ConfigFile, format_problems, read_config


def load_config(path: Path) -> tuple[ConfigFile, list[str]]:
    """Return a configuration in hpogen's own schema, and what is worth telling of it.

    A file in the dialect of a predecessor is converted; places still lead to the user's own
    lines. Raises ConfigError.
    """
    file = read_config(path)
    found = convert(file.content)
    if found is None:
        return file, []
    if found.problems:
        told = format_problems(file.source, found.problems, file.places)
        raise ConfigError(f"{told}\n(read as dialect {found.dialect})")
    notes = [f"read as dialect {found.dialect}", *found.notes]
    return ConfigFile(file.source, found.content, file.places, found.user_place), notes
