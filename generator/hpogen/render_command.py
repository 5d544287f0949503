"""The command `hpogen render`: one script, or all scripts of a plan."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click

from hpogen.errors import UsageError
from hpogen.files import shown_path
from hpogen.plans import manifest
from hpogen.plans.matrix import Cell, Script, listed, render_plan
from hpogen.plans.plan import PlanFile, read_plan
from hpogen.render_summary import summary_line, summary_lines
from hpogen.rendering.overwrite_check import State, Target, carry_out, edited, target
from hpogen.rendering.prune_leftovers import leftovers
from hpogen.rendering.render import render
from hpogen.spec import Spec
from hpogen.spec.spec_changes import other_configuration
from hpogen.spec.spec_warnings import spec_warnings


def write_script(spec: Spec, out: Path, *, force: bool) -> None:
    """Write one script and print its path. Raises UsageError.

    An edited script, and one of another configuration, is refused without `force`.
    """
    content = render(spec).encode()
    path = out / f"{spec.name}.py"
    foreign = functools.partial(foreign_script, spec=spec)
    carry_out(out, lambda: [target(path, content, force=force, foreign=foreign)], force=force)
    print_path(path)


def foreign_script(path: Path, spec: Spec) -> str | None:
    """Return why a script is edited or has another configuration, None if neither."""
    return edited(path) or other_configuration(path, spec)


def print_path(path: Path) -> None:
    """Print a path as bytes, because it may not be valid text."""
    click.echo(os.fsencode(path))


def print_search(
    spec: Spec, warnings: Iterable[str], n_train_rows: int | None, *, quiet: bool
) -> None:
    """Print on stderr the summary of a script, unless `quiet`, and its warnings."""
    for line in [] if quiet else summary_lines(spec):
        click.echo(line, err=True)
    for warning in [*warnings, *spec_warnings(spec, n_train_rows)]:
        click.echo(f"warning: {warning}", err=True)


def print_searches(scripts: Iterable[Script], *, quiet: bool) -> None:
    """Print a line per script on stderr, unless `quiet`, and each warning with its scripts."""
    names: dict[str, list[str]] = {}
    for script in scripts:
        if not quiet:
            click.echo(f"{script.name}: {summary_line(script.spec)}", err=True)
        for warning in script.warnings:
            names.setdefault(warning, []).append(script.name)
    for warning, scripts_with_it in names.items():
        click.echo(f"warning: {warning} ({listed(scripts_with_it)})", err=True)


def write_plan(
    path: Path, *, dry_run: bool, check: bool, prune: bool, force: bool, quiet: bool
) -> bool:
    """Write the scripts of a plan, or print the changes; return whether anything changes.

    Raises HpogenError before anything is written.
    """
    file = read_plan(path)
    notes = [*file.notes]
    scripts = render_plan(file, notes=notes, track=progress)
    for note in dict.fromkeys(notes):
        click.echo(f"note: {note}", err=True)
    refuse_own_place(file, scripts)
    survey = functools.partial(survey_plan, file, scripts, prune=prune, force=force)
    if dry_run or check:
        targets = survey()
        click.echo(table(targets))
    else:
        targets = carry_out(file.folder, survey, force=force)
        for item in targets[: len(scripts)]:
            print_path(item.path)
    if not check:
        print_searches(scripts, quiet=quiet)
    for item in targets:
        if item.state == "kept":
            click.echo(f"{shown_path(item.path)} {item.reason}", err=True)
    click.echo(summary(targets, len(scripts)), err=True)
    return any(item.changes or item.state == "refused" for item in targets)


def refuse_own_place(file: PlanFile, scripts: list[Script]) -> None:
    """Raise UsageError if a plan has the path of a file that it writes."""
    written = {manifest.NAME, *(script.name for script in scripts)}
    if file.path.name in written and file.folder.resolve() == file.path.parent.resolve():
        raise UsageError(
            f"{shown_path(file.path)}: the plan would overwrite itself; rename the plan"
        )


def survey_plan(
    file: PlanFile, scripts: list[Script], *, prune: bool, force: bool
) -> list[Target]:
    """Return the effect on each file: the plan's scripts first, the manifest last."""
    folder = file.folder
    foreign = functools.partial(manifest.foreign, plan_name=file.path.name)
    names = {script.name for script in scripts}
    return [
        *(target(folder / script.name, script.content, force=force) for script in scripts),
        *leftovers(folder, names, prune=prune, force=force),
        target(
            folder / manifest.NAME,
            manifest.manifest(file, scripts),
            force=force,
            foreign=foreign,
        ),
    ]


def table(targets: Iterable[Target]) -> str:
    """Return one line per file: its state, its path and the reason."""
    rows = [(item.state, shown_path(item.path), item.reason) for item in targets]
    width = max(len(path) for _, path, _ in rows)
    return "\n".join(f"{state:<9}  {path:<{width}}  {why}".rstrip() for state, path, why in rows)


def summary(targets: list[Target], n_scripts: int) -> str:
    """Return the number of scripts, and how many there are of each state."""
    counts = Counter(item.state for item in targets[:n_scripts])
    counts.update(item.state for item in targets[n_scripts:-1] if item.state != "kept")
    states: tuple[State, ...] = ("new", "changed", "unchanged", "removed", "refused")
    by_state = ", ".join(f"{counts[state]} {state}" for state in states if counts[state])
    return f"{n_scripts} script{'s' * (n_scripts != 1)}: {by_state}"


def progress(cells: list[Cell]) -> Iterable[Cell]:
    """Yield the scripts to render, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = not console.is_terminal
    return track(cells, "rendering", console=console, transient=True, disable=hidden)
