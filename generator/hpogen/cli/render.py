"""The command `hpogen render`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hpogen.cli.command_group import CONFIG, PATH, examples, main
from hpogen.cli.spec_options import print_notes, spec_from_cli, spec_options
from hpogen.errors import UsageError
from hpogen.rendering.sections import SCRIPT_SECTIONS


@main.command(
    epilog=examples(
        "hpogen render --budget 2B --horizon 1",
        "hpogen render --budget 20M --horizon 3 --task threshold_0.5pct -o loss=focal",
        "hpogen render --budget 2M --task byte_lm --out scripts",
        "hpogen render --config study.yaml --n-trials 100",
        "hpogen render --config study.yaml --set fixed.epochs=5 --set sampler.type=gp",
        "hpogen render --budget 2B --horizon 1 --with guards --with slurm",
        "hpogen render --family families/lstm --budget 60K --horizon 1 --task lstm_up",
        "hpogen render --budget 20M --horizon 1 --warm-start logs/hpo_2M_h1.log",
        "hpogen render --plan plan.yaml --dry-run",
        "hpogen render --preset maximal --task text_classification --data texts.csv",
        "hpogen render --kind final --from logs/hpo_2B_h1.log --top 2 --seeds 5",
        "hpogen render --refine logs/hpo_2B_h1.log --top 12 --pad 0.1",
    )
)
@spec_options
@click.option(
    "--kind",
    type=click.Choice(["search", "final"]),
    default="search",
    help="final: train the best configurations of a study and evaluate the test split once.",
)
@click.option(
    "--from",
    "results",
    type=CONFIG,
    metavar="RESULTS",
    help="With --kind final: a log of the study, trials.csv or best_params.json.",
)
@click.option(
    "--top",
    type=click.IntRange(1, 20),
    metavar="K",
    help="Number of best configurations: of --kind final (default: 1), of --refine (default: 12).",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    metavar="S",
    help="With --kind final: trainings of each configuration (default: 5).",
)
@click.option(
    "--script",
    type=CONFIG,
    metavar="FILE",
    help="With --kind final or --refine: the search script (default: found by the study's name).",
)
@click.option(
    "--refine",
    type=CONFIG,
    metavar="RESULTS",
    help="Search the space that the best trials of a log or trials.csv span.",
)
@click.option(
    "--pad",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="With --refine: widen ranges of floats by this share of the former width (default: 0.1).",
)
@click.option(
    "--warm-start",
    multiple=True,
    type=PATH,
    metavar="LOG",
    help="Try the best configurations of an earlier study, such as one of another budget, early;"
    " may be given several times.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to (default: .).")
@click.option("--n-trials", type=click.IntRange(min=1), help="Total number of trials.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of all random number streams.")
@click.option(
    "--with",
    "with_sections",
    multiple=True,
    type=click.Choice([*SCRIPT_SECTIONS]),
    help="Add an optional section; may be given several times.",
)
@click.option(
    "--without",
    "without_sections",
    multiple=True,
    type=click.Choice([*SCRIPT_SECTIONS]),
    help="Leave out a section of the configuration; may be given several times.",
)
@click.option("--stdout", is_flag=True, help="Print the script instead of writing it.")
@click.option(
    "--force",
    is_flag=True,
    help="Overwrite a script that was edited or has another configuration, and other files.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print warnings, but no summary of the search.")
@click.option("--plan", "plan_path", type=CONFIG, help="Write all scripts of a plan in YAML.")
@click.option("--dry-run", is_flag=True, help="With --plan: print the changes, write nothing.")
@click.option(
    "--check",
    "check_only",
    is_flag=True,
    help="With --plan: like --dry-run, with exit code 1 if a file would change.",
)
@click.option(
    "--prune", is_flag=True, help="With --plan: remove scripts that are no longer in the plan."
)
def render(
    out: Path | None,
    force: bool,
    quiet: bool,
    plan_path: Path | None,
    dry_run: bool,
    check_only: bool,
    prune: bool,
    kind: str,
    results: Path | None,
    top: int | None,
    seeds: int | None,
    script: Path | None,
    refine: Path | None,
    pad: float | None,
    **values: Any,
) -> None:
    """Write one search script, all scripts of a plan, or a final script; print their paths.

    A summary of the search goes to stderr, with warnings about settings that spoil a study.
    """
    of_final = {"--from": results, "--top": top, "--seeds": seeds, "--script": script}
    planned = {"plan": plan_path, "dry_run": dry_run, "check": check_only, "prune": prune}
    if refine is not None:
        others = {**planned, "seeds": seeds, "from": results, **values}
        render_refined(refine, out or Path(), force, quiet, top, pad, script, others)
        return
    if pad is not None:
        raise UsageError("--pad needs --refine")
    if kind == "final":
        render_final(out, force, quiet, of_final, {**planned, **values})
        return
    if given := [name for name, value in of_final.items() if value is not None]:
        raise UsageError(f"{given[0]} needs --kind final")
    plan_only = {"--dry-run": dry_run, "--check": check_only, "--prune": prune}
    if plan_path is None:
        if given := [name for name, value in plan_only.items() if value]:
            raise UsageError(f"{given[0]} needs a plan; add --plan FILE")
        render_one(out or Path(), force, quiet, **values)
        return
    refuse_beside_plan(out=out, **values)
    from hpogen.render_command import write_plan

    changes = write_plan(
        plan_path, dry_run=dry_run, check=check_only, prune=prune, force=force, quiet=quiet
    )
    sys.exit(1 if check_only and changes else 0)


def render_final(
    out: Path | None,
    force: bool,
    quiet: bool,
    of_final: dict[str, Any],
    others: dict[str, Any],
) -> None:
    """Write a final script. Raises UsageError for options that the study decides."""
    from hpogen.final.command import refuse_other_options, write_final

    results, stdout = of_final["--from"], others.pop("stdout")
    refuse_other_options(others)
    if results is None:
        raise UsageError("--kind final needs the results of a study; add --from logs/NAME.log")
    write_final(
        results,
        out or Path(),
        top=of_final["--top"] or 1,
        n_seeds=of_final["--seeds"] or 5,
        script=of_final["--script"],
        stdout=stdout,
        force=force,
        quiet=quiet,
    )


def render_refined(
    refine: Path,
    out: Path,
    force: bool,
    quiet: bool,
    top: int | None,
    pad: float | None,
    script: Path | None,
    others: dict[str, Any],
) -> None:
    """Write a search script with a narrower space. Raises UsageError for other options."""
    from hpogen.final.command import refuse_other_options
    from hpogen.refine import refined_spec
    from hpogen.render_command import print_search, write_script
    from hpogen.rendering.render import render as render_script

    n_trials, stdout = others.pop("n_trials"), others.pop("stdout")
    refuse_other_options(others, "--refine")
    spec, notes = refined_spec(
        refine,
        top=top or 12,
        pad=0.1 if pad is None else pad,
        script=script,
        n_trials=n_trials,
    )
    if stdout:
        click.echo(render_script(spec), nl=False)
    else:
        write_script(spec, out, force=force)
    print_notes(notes)
    print_search(spec, [], None, quiet=quiet)


def refuse_beside_plan(**values: Any) -> None:
    """Raise UsageError for an option that a plan sets itself."""
    flags = {
        "config_path": "--config",
        "options": "--option",
        "overrides": "--set",
        "with_sections": "--with",
        "without_sections": "--without",
    }
    # `value is not False`, because --seed 0 equals False.
    given = [n for n, value in values.items() if value not in (None, ()) and value is not False]
    if given:
        flag = flags.get(given[0], f"--{given[0].replace('_', '-')}")
        raise UsageError(f"{flag} cannot be combined with --plan; set it in the plan")


def render_one(
    out: Path,
    force: bool,
    quiet: bool,
    *,
    stdout: bool,
    options: tuple[str, ...],
    warm_start: tuple[Path, ...],
    **values: Any,
) -> None:
    """Write one script and print its path, or print the script; print a summary on stderr."""
    from hpogen.render_command import print_search, write_script
    from hpogen.rendering.render import render as render_script

    spec, findings = spec_from_cli(options, **values)
    if warm_start:
        from hpogen.spec.warm_start import with_warm_start

        spec, notes = with_warm_start(spec, warm_start)
        findings.notes += notes
    if stdout:
        click.echo(render_script(spec), nl=False)
    else:
        write_script(spec, out, force=force)
    print_notes(findings.notes)
    print_search(spec, findings.warnings, findings.n_train_rows, quiet=quiet)
