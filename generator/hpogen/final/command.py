"""The command `hpogen render --kind final`."""

from __future__ import annotations

from pathlib import Path

import click

from hpogen.errors import UsageError
from hpogen.final.best_configurations import best_trials, configuration, read_study
from hpogen.final.final_spec import FinalSpec, render_final
from hpogen.final.study_script import find_script, study_spec
from hpogen.rendering.overwrite_check import carry_out, target
from hpogen.spec import Spec
from recover_trials import Study


def final_spec(
    results: Path, *, top: int, n_seeds: int, script: Path | None, train_on: str = "train"
) -> tuple[FinalSpec, list[str]]:
    """Return the specification of a final script, and notes. Raises UsageError."""
    study = read_study(results)
    path = find_script(results, study.name, script)
    spec, notes = study_spec(path, study.about)
    trials = best_trials(study, spec, top)
    if len(trials) < top:
        notes.append(f"the study has {len(trials)} complete configurations, fewer than {top}")
    seconds = study.about.get("trial_seconds")
    final = FinalSpec(
        study_id=study.key if "log_version" in study.about else None,
        configurations=[configuration(trial, spec) for trial in trials],
        seeds=[last_seed(study, spec) + 1 + number for number in range(n_seeds)],
        trial_seconds=seconds if isinstance(seconds, (int, float)) else None,
        train_on=train_on,
        search=spec,
    )
    return final, notes


def last_seed(study: Study, spec: Spec) -> int:
    """Return the highest seed that a trial was, or may have been, trained with."""
    found = [trial.user_attrs.get("seed") for trial in study.rows]
    seeds = [spec.seed, *(seed for seed in found if isinstance(seed, int))]
    return max(seeds) + max([0, *spec.seeds])


def write_final(
    results: Path,
    out: Path,
    *,
    top: int,
    n_seeds: int,
    script: Path | None,
    stdout: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Write a final script and print its path, or print the script. Raises UsageError."""
    spec, notes = final_spec(results, top=top, n_seeds=n_seeds, script=script)
    text = render_final(spec)
    if stdout:
        click.echo(text, nl=False)
    else:
        path = out / f"{spec.name}.py"
        carry_out(out, lambda: [target(path, text.encode(), force=force)], force=force)
        click.echo(bytes(path))
    for note in notes:
        click.echo(f"note: {note}", err=True)
    for config in [] if quiet else spec.configurations:
        value = f"{spec.search.metric} {config['value']:.6g}"
        click.echo(f"trial {config['trial']}: {value}, {n_seeds} seeds", err=True)


def refuse_other_options(given: dict[str, object], beside: str = "--kind final") -> None:
    """Raise UsageError for an option that the study decides."""
    names = [name for name, value in given.items() if value not in (None, (), False)]
    if names:
        flag = {"config_path": "config", "options": "option", "overrides": "set"}
        shown = flag.get(names[0], names[0].removesuffix("_sections")).replace("_", "-")
        raise UsageError(f"--{shown} cannot be combined with {beside}: the study decides it")
