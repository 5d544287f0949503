"""The commands `hpogen run` and `hpogen status`."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from hpogen.configuration.yaml_file import shown
from hpogen.errors import UsageError
from hpogen.files import shown_path
from hpogen.rendering.folder_lock import folder_lock
from hpogen.run.preflight import not_ready, problems_of, warnings_of
from hpogen.run.runner import Options, Runner
from hpogen.run.screen import Screen
from hpogen.run.script_order import LOGS, PLANS, Script, log_of, read_scripts, selected
from hpogen.run.slurm import LEAST_MINUTES, WARNING, Request, minutes_of, refuse_without_slurm
from hpogen.run.slurm_runner import SlurmRunner
from hpogen.run.status_table import Row, as_text, row_of, statuses_of
from recover_trials.follow.live import live_logs

SLOT = re.compile("auto|cpu|mps|cuda(:[0-9]{1,2})?")
# The runner sets or needs these itself; those in the second line train no study.
REFUSED = {"--data", "--n-trials", "--device", "--log", "--out"}
REFUSED |= {"--smoke", "--dry-run", "--repeat", "--status", "--help"}


def run(
    words: Sequence[Path],
    *,
    slots: str,
    only: Sequence[str],
    start_from: str | None,
    in_order: bool,
    check: bool,
    arguments: str,
    stall: float,
    timeout: float | None,
    slurm: Request | None = None,
    detach: bool = False,
    **given: object,
) -> int:
    """Run scripts until their studies are finished; return the exit code. Raises HpogenError."""
    options = Options(
        slots=parse_slots(slots),
        arguments=parse_arguments(arguments),
        stall=60 * stall,
        timeout=math.inf if timeout is None else 3600 * timeout,
        **given,  # type: ignore[arg-type]  # click has checked them
    )
    scripts, problems = read_scripts(words)
    if not problems:
        scripts = selected(scripts, in_order=in_order, start_from=start_from, only=only)
    if detach and any(script.then for script in scripts):
        raise UsageError("--detach cannot wait for the stages of a plan; leave it out")
    screen = Screen()
    runner = runner_of(scripts, options, screen, slurm, detach=detach)
    problems += problems_of(runner.jobs, options)
    for warning in warnings_of(runner.jobs):
        click.echo(f"warning: {warning}", err=True)
    if check:
        click.echo(as_text(runner.rows()))
    if problems:
        raise not_ready(problems)
    if check:
        return 0
    with folder_lock(LOGS):
        for script in scripts:
            script.freeze()
        with screen.drawing():
            code = runner.run()
    click.echo(as_text(runner.rows()))
    return code


def runner_of(
    scripts: Sequence[Script],
    options: Options,
    screen: Screen,
    slurm: Request | None,
    *,
    detach: bool,
) -> Runner:
    """Return the runner of processes or of array jobs. Raises MissingDependencyError."""
    if slurm is None:
        return Runner(scripts, options, screen)
    refuse_without_slurm()
    return SlurmRunner(scripts, options, screen, slurm, detach=detach)


def parse_slots(text: str) -> list[str]:
    """Return the slots of a list with commas. Raises UsageError."""
    slots = [slot.strip() for slot in text.split(",")]
    for slot in slots:
        if not SLOT.fullmatch(slot):
            raise UsageError(f"--slots {shown(slot)}: write auto, cpu, mps, cuda or cuda:N")
    return slots


def slurm_request(
    *, slurm: bool, workers: int | None, sbatch: str, detach: bool, **asked: str | None
) -> Request | None:
    """Return what --slurm asks for; None without it. Raises UsageError."""
    given = {"workers": workers, "sbatch": sbatch, "detach": detach, **asked}
    if not slurm and (lost := [name for name, value in given.items() if value]):
        raise UsageError(f"--{lost[0]} needs --slurm")
    limit = asked.get("time")
    if limit and (minutes_of(limit) or LEAST_MINUTES) < LEAST_MINUTES:
        raise UsageError(
            f"--time {shown(limit)}: jobs are warned {WARNING // 60} minutes before their limit;"
            f" give at least {LEAST_MINUTES:g} minutes"
        )
    further = tuple(words_of("--sbatch", sbatch))
    return Request(workers or 1, further=further, **asked) if slurm else None


def words_of(option: str, text: str) -> list[str]:
    """Return the words of an option, as a shell would. Raises UsageError."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{option} {shown(text)}: {error}") from None


def parse_arguments(text: str) -> list[str]:
    """Return the words of --args. Raises UsageError."""
    words = words_of("--args", text)
    for word in words:
        name = word.partition("=")[0]
        if name in REFUSED:
            raise UsageError(f"--args: {name} cannot be given to each script; see hpogen run -h")
    return words


def status(words: Sequence[Path], *, as_objects: bool) -> int:
    """Print the table of studies; return the exit code. Raises HpogenError."""
    scripts, problems = read_scripts(word for word in words if word.suffix in (".py", *PLANS))
    if problems:
        raise UsageError("\n".join(problems))
    scripts = sorted(scripts, key=lambda script: script.budget)
    paths = [word for word in words if word.suffix not in (".py", *PLANS)]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"no such log: {', '.join(map(shown_path, missing))}")
    try:
        rows = rows_of(scripts, paths)
    except OSError as error:
        raise UsageError(f"{shown(str(error.filename), 300)}: {error.strerror}") from None
    click.echo(
        json.dumps([asdict(row) for row in rows], indent=1) if as_objects else as_text(rows)
    )
    return 0


def rows_of(scripts: Sequence[Script], paths: Sequence[Path]) -> list[Row]:
    """Return the rows of scripts, then those of other logs. Raises OSError."""
    items = [item for script in scripts for item in script.stages]
    totals = {log_of(item.name): item.n_trials for item in items}
    rows = list[Row]()
    for log in live_logs([*totals, *paths]):
        log.poll()
        found = statuses_of(log)
        for one in found:
            is_named = log.path in totals or log.path.stem == f"{one.name}-smoke"
            name = log.path.stem if is_named else one.name
            rows.append(row_of(name, str(log.path), one, one.total))
        if not found:
            rows.append(row_of(log.path.stem, str(log.path), None, totals.get(log.path)))
        log.tail.close()
    return rows
