"""Loading of a configuration file in hpogen's schema or in a dialect."""

from __future__ import annotations

from pathlib import Path

from hpogen.configuration.dialects import convert
from hpogen.configuration.yaml_file import ConfigFile, format_problems, read_config
from hpogen.errors import ConfigError


def load_config(path: Path, task: str | None = None) -> tuple[ConfigFile, list[str]]:
    """Return a configuration in hpogen's schema, and notes on its conversion.

    A file in a dialect is converted; messages still name the lines of the file. `task` is the task
    of the command line. Raises ConfigError.
    """
    file = read_config(path)
    converted = convert(file.content, task)
    if converted is None:
        return file, []
    if converted.problems:
        lines = format_problems(file.source, converted.problems, file.places)
        raise ConfigError(f"{lines}\n(read as dialect {converted.dialect})")
    notes = [f"read as dialect {converted.dialect}", *converted.notes]
    return ConfigFile(file.source, converted.content, file.places, converted.user_place), notes
