"""Presets: configurations that hpogen holds, one per name and task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hpogen.configuration.yaml_file import ConfigFile, read_config, shown
from hpogen.errors import UsageError
from hpogen.plans.overlay import merged

FOLDER = Path(__file__).parents[1] / "presets"  # NAME/TASK.yaml


def presets() -> dict[str, list[str]]:
    """Return {name: tasks} of every preset."""
    found: dict[str, list[str]] = {}
    for path in sorted(FOLDER.glob("*/*.yaml")):
        found.setdefault(path.parent.name, []).append(path.stem)
    return found


def read_preset(name: str, task: str | None) -> ConfigFile:
    """Return the preset of a name for a task; None: for its only task. Raises UsageError."""
    tasks = presets().get(name, [])
    wanted = tasks[0] if task is None and len(tasks) == 1 else task
    if wanted not in tasks:
        listed = "; ".join(f"{name} for {', '.join(tasks)}" for name, tasks in presets().items())
        of_task = f" for task {shown(task)}" if task else ""
        raise UsageError(f"no preset {shown(name)}{of_task}; presets: {listed}")
    return read_config(FOLDER / name / f"{wanted}.yaml")


def with_preset(name: str, config: ConfigFile | None, task: str | None) -> ConfigFile:
    """Return a preset, changed by a configuration. Raises UsageError.

    `task`: of the command line, None if it names none.
    """
    content = config.content if config else None
    own = content.get("task") if isinstance(content, Mapping) else None
    preset = read_preset(name, task or own)
    if config is None:
        return preset
    if not isinstance(content, Mapping):
        return config  # refused later, with its place
    return config._replace(content=merged(preset.content, content))
