"""The tables by name: each is generated from code, or from a file of measurements."""

from __future__ import annotations

from collections.abc import Callable

from page_tools import configuration, measurements, script, trial_log
from page_tools.families import families, final_task_protocol, task_protocol

TABLES: dict[str, Callable[[], str]] = {
    **configuration.TABLES,
    **measurements.TABLES,
    "families": families,
    "task-protocol": task_protocol,
    "final-task-protocol": final_task_protocol,
    "script-parts": script.parts,
    "optional-sections": script.optional_sections,
    "log-lines": trial_log.lines,
    "log-fields": trial_log.fields,
}
