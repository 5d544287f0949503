"""The command `hpogen report`: it reads logs, and prints or writes the report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hpogen.errors import HpogenError, UsageError
from hpogen.files import shown_path, write_atomic
from hpogen.grid.budget import parse_budget
from hpogen.report.coverage import architectures_for
from hpogen.report.view import StudyView, order_of
from hpogen.report.words import text_of
from hpogen.run.script_order import PLANS, log_of, read_scripts
from hpogen.scaling.command import ScalingOptions, laws_of
from recover_trials import MissingReaderError, Recovery, Study, read_trials

if TYPE_CHECKING:
    from hpogen.scaling.sentences import Scaling


class NothingFinishedError(HpogenError):
    """No trial of any study has finished."""

    exit_code = 1


def report(
    logs: Sequence[str],
    *,
    html: Path | None,
    png: Path | None,
    text: bool,
    arch_list: Path | None,
    table: Path | None = None,
    scaling: ScalingOptions | None = None,
) -> int:
    """Report on the studies of logs and plans; return the exit code. Raises HpogenError."""
    recovery, code = read([name for word in logs for name in logs_of(word)])
    views = views_of(recovery.studies, arch_list)
    if table and views:
        from hpogen.report.study_table import write_table

        write_table(table, views)
        click.echo(os.fsencode(table))
    if not any(view.has_results for view in views):
        if code:
            return code
        raise NothingFinishedError(nothing_finished(views))
    findings = file_findings(recovery)
    laws = laws_of(views, scaling) if scaling else []
    if html:
        from hpogen.report.html_page import GENERATOR, page_of, plotly_js

        refuse_other_file(html, GENERATOR.encode())
        page = page_of(views, findings, plotly_js(), laws)
        write_atomic(html, page.encode())
        click.echo(os.fsencode(html))
    if png:
        from hpogen.report.png import write_pngs

        for path in write_pngs(views, png, laws):
            click.echo(os.fsencode(path))
    if text or not (html or png or table):
        print_text(views, findings, laws)
    return max(code, 1) if laws and not any(law.is_fitted for law in laws) else code


def scaling_options(
    keep: Sequence[str],
    hours: float | None,
    bet: Path | None,
    bet_budget: str | None,
    transfer: Path | None,
) -> ScalingOptions:
    """Return the options of --scaling. Raises UsageError."""
    budget = parse_budget(bet_budget) if bet_budget else None
    return ScalingOptions(keep, hours, bet, budget, transfer)


def logs_of(word: str) -> list[str]:
    """Return the logs that a plan has so far, or the one log that a word names.

    Raises HpogenError.
    """
    if Path(word).suffix not in PLANS:
        return [word]
    scripts, problems = read_scripts([Path(word)])
    if problems:
        raise UsageError("\n".join(problems))
    logs = [log_of(item.name) for script in scripts for item in script.stages]
    found = [str(log) for log in logs if log.exists()]
    if not found:
        raise NothingFinishedError(f"{text_of(word, 300)}: no log yet, such as {logs[0]}")
    return found


def read(logs: Sequence[str]) -> tuple[Recovery, int]:
    """Return the recovery, and the exit code for unreadable files, which are named on stderr."""
    unreadable: dict[str, OSError] = {}
    recovery = read_trials([sys.stdin.buffer if n == "-" else n for n in logs], unreadable)
    for name, error in unreadable.items():
        reason = text_of(error.strerror or str(error), 300)
        click.echo(f"error: {text_of(name, 300)}: {reason}", err=True)
    missing = [isinstance(error, MissingReaderError) for error in unreadable.values()]
    return recovery, (3 if all(missing) else 2) if missing else 0


def views_of(studies: Iterable[Study], arch_list: Path | None) -> list[StudyView]:
    """Return the studies by budget and horizon. Raises UsageError for an unreadable list."""
    try:
        views = [StudyView(study, architectures_for(study, arch_list)) for study in studies]
    except OSError as error:
        reason = text_of(error.strerror or str(error), 300)
        raise UsageError(f"--arch-list {text_of(str(arch_list), 300)}: {reason}") from None
    return sorted(views, key=order_of)


def nothing_finished(views: Sequence[StudyView]) -> str:
    """Return the message for logs without a finished trial."""
    if not views:
        return "no trials were found"
    held = "; ".join(f"{view.name}: {', '.join(view.states)}" for view in views)
    return f"no trial has finished ({held})"


def file_findings(recovery: Recovery) -> list[str]:
    """Return the findings about files, which belong to no single study."""
    lines = Recovery([], recovery.problems, recovery.files).report()
    return [text_of(line, 300) for line in lines]


def refuse_other_file(path: Path, mark: bytes) -> None:
    """Refuse to overwrite a file that is not a report, such as a log given by mistake."""
    try:
        with path.open("rb") as file:
            is_report = mark in file.read(1000)
    except (OSError, ValueError):
        return
    if not is_report:
        raise UsageError(f"{shown_path(path)} exists and is not a report; choose another file")


def print_text(
    views: Sequence[StudyView], findings: Sequence[str], laws: Sequence[Scaling]
) -> None:
    """Print the report, or scaling laws; aligned tables are as wide as needed in a pipe."""
    from rich.console import Console

    from hpogen.report.terminal_report import print_report

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=160)
    if laws:
        from hpogen.scaling.text import print_scaling

        print_scaling(console, laws, findings)
    else:
        print_report(console, views, findings)
