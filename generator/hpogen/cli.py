"""Command line of hpogen."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from hpogen import __version__
from hpogen.errors import HpogenError, UsageError
from hpogen.rendering.sections import SCRIPT_SECTIONS

CONFIG = click.Path(path_type=Path, dir_okay=False)
PATH = click.Path(path_type=Path)
POSITIVE = click.FloatRange(min=0, min_open=True)


class Group(click.Group):
    """Commands that print an HpogenError as one message and exit with its code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and exit with a code for errors and interrupts."""
        try:
            return super().invoke(ctx)
        except HpogenError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(128 + signal.SIGINT)


def examples(*lines: str) -> str:
    """Return the end of a help text, with its line breaks kept."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="hpogen")
def main() -> None:
    """Render standalone hyper-parameter-search scripts."""


def lazy(name: str) -> Any:
    """Return a completion function that imports hpogen.completion only when it is called."""

    def complete(*arguments: Any) -> Any:
        import hpogen.completion

        return getattr(hpogen.completion, name)(*arguments)

    return complete


def add_families(_context: click.Context, _option: click.Parameter, folders: Any) -> None:
    """Add the families in the folders of --family."""
    for folder in folders:
        from hpogen.families import add_family

        add_family(folder)


family_option = click.option(
    "--family",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    callback=add_families,
    expose_value=False,
    is_eager=True,
    help="Add the family in a folder: your own models, data and tasks.",
)


def spec_options(function: Any) -> Any:
    """Add the options that define a script."""
    for option in (
        family_option,
        click.option(
            "--option",
            "-o",
            "options",
            multiple=True,
            metavar="NAME=CHOICE",
            shell_complete=lazy("complete_option"),
            help="Choose a loss, inputs or another option, such as loss=focal or inputs=revin.",
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Set a key of the configuration, such as fixed.epochs=5; VALUE is YAML.",
        ),
        click.option("--config", "config_path", type=CONFIG, help="Configuration file in YAML."),
        click.option(
            "--preset",
            metavar="NAME",
            shell_complete=lazy("complete_preset"),
            help="Start from a configuration of hpogen, such as maximal; --config changes it.",
        ),
        click.option(
            "--data",
            metavar="PATH",
            help="Data file or folder; the script gets its columns, digest and dates.",
        ),
        click.option(
            "--task",
            shell_complete=lazy("complete_task"),
            help="Prediction task (default: threshold_1pct).",
        ),
        click.option(
            "--horizon",
            type=click.IntRange(min=1),
            help="Number of trading days ahead that the label looks.",
        ),
        click.option(
            "--budget",
            shell_complete=lazy("complete_budget"),
            help="Number of model parameters, such as 350K, 2M or 1.5B.",
        ),
    ):
        function = option(function)
    return function


def parse_options(options: tuple[str, ...]) -> dict[str, str]:
    """Return {NAME: CHOICE} of --option. Raises UsageError."""
    pairs = {}
    for text in options:
        name, equals, choice = text.partition("=")
        if not equals:
            from hpogen.configuration.yaml_file import shown

            raise UsageError(
                f"--option {shown(repr(text))}: write NAME=CHOICE, such as loss=focal"
            )
        pairs[name] = choice
    return pairs


def spec_from_cli(
    options: tuple[str, ...], *, config_path: Path | None, preset: str | None, **values: Any
) -> Any:
    """Return (specification, findings) of a command line; print notes on the file on stderr."""
    from hpogen.configuration.load import load_config
    from hpogen.configuration.presets import with_preset
    from hpogen.spec import Findings, make_spec

    config, notes = load_config(config_path, values.get("task")) if config_path else (None, [])
    if preset is not None:
        config = with_preset(preset, config, values.get("task"))
    findings = Findings()
    spec = make_spec(options=parse_options(options), config=config, findings=findings, **values)
    print_notes(notes)
    return spec, findings


def print_notes(notes: Iterable[str]) -> None:
    """Print notes on stderr."""
    for note in notes:
        click.echo(f"note: {note}", err=True)


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


@main.command(epilog=examples("hpogen check hpo_2B_h1.py", "hpogen check experiments/**/*.py"))
@family_option
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Compare scripts with a new render of the specification in their header.

    Exit code 0: all are identical; 1: one was edited or is stale, and its diff is printed; 2: one
    cannot be read.
    """
    from hpogen.check import difference
    from hpogen.files import shown_path

    codes = [0]
    for path in files:
        try:
            diff = difference(path)
        except HpogenError as error:
            click.echo(f"error: {error}", err=True)
            codes.append(error.exit_code)
            continue
        if diff:
            click.echo(diff, nl=False)
            codes.append(1)
        click.echo(f"{shown_path(path)}: {'differs' if diff else 'ok'}", err=True)
    sys.exit(max(codes))


@main.command(
    epilog=examples("hpogen grid --budget 2B --horizon 1", "hpogen grid --budget 2M --json")
)
@spec_options
@click.option("--tolerance", type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="Largest relative difference from the budget (default: 0.25).")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def grid(as_json: bool, options: tuple[str, ...], horizon: int | None, **values: Any) -> None:
    """Print every architecture within a budget, with its size and memory."""
    from hpogen.grid.grid_report import grid_json, grid_table

    spec, findings = spec_from_cli(options, horizon=horizon, any_horizon=True, **values)
    click.echo(grid_json(spec) if as_json else grid_table(spec))
    print_notes(findings.notes)


@main.command(
    epilog=examples(
        "hpogen report logs/hpo_2M_h1.log",
        "hpogen report plan.yaml",
        "hpogen report logs/*.log --html report.html",
        "hpogen report logs/hpo_2M_h1.log --png pictures --text",
        "hpogen report --scaling logs/*.log --bet bet.json --hours 24",
        "zcat old.log.gz | hpogen report - --arch-list old_search.py",
    )
)
@click.argument("logs", nargs=-1, required=True, metavar="LOG|PLAN.yaml...")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Page to write.")
@click.option(
    "--png",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the pictures as files.",
)
@click.option("--text", is_flag=True, help="Print the text as well; the default without files.")
@click.option(
    "--arch-list",
    type=CONFIG,
    help="A script, CSV or JSON with the ARCHITECTURES of arch_idx, for the coverage.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help="Write a row per study, failed ones included.",
)
@click.option("--scaling", is_flag=True, help="Fit how the best loss falls with size.")
@click.option(
    "--keep",
    multiple=True,
    type=click.Choice(["collapsed", "baseline", "edge", "unconverged", "data"]),
    help="With --scaling: fit studies in spite of this fault; may be given several times.",
)
@click.option(
    "--hours",
    type=POSITIVE,
    metavar="H",
    help="With --scaling: plan what to run next in this time.",
)
@click.option(
    "--bet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --scaling: write a prediction for the next budget, or compare the one in FILE.",
)
@click.option("--bet-budget", metavar="BUDGET", help="The budget to predict, such as 2M.")
@click.option(
    "--transfer",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="With --scaling: write, for --enqueue, the best settings of the other budgets.",
)
def report(
    logs: tuple[str, ...],
    scaling: bool,
    keep: tuple[str, ...],
    hours: float | None,
    bet: Path | None,
    bet_budget: str | None,
    transfer: Path | None,
    **options: Any,
) -> None:
    """Report on studies from their logs: verdict, pictures, coverage, costs.

    Reads what recover-trials reads, also logs of other programs that use Optuna; "-" is standard
    input, a plan stands for the logs of its scripts. The page is one file and loads nothing.
    --html and --png need the packages of hpogen[report], --png a Chromium or Chrome, too.

    With --scaling, the text is about the law alone: exponents with intervals, per task and
    horizon, and the studies that do not qualify.

    Exit code 0: done; 1: no trial has finished, or no law can be fitted; 2: a file cannot be
    read, the others are reported; 3: a package is missing.
    """
    import hpogen.report.command

    given = {"--keep": keep, "--hours": hours, "--bet": bet, "--bet-budget": bet_budget}
    given["--transfer"] = transfer
    if not scaling and (lost := [name for name, value in given.items() if value]):
        raise UsageError(f"{lost[0]} needs --scaling")
    found = hpogen.report.command.scaling_options(keep, hours, bet, bet_budget, transfer)
    options["scaling"] = found if scaling else None
    sys.exit(hpogen.report.command.report(logs, **options))


@main.command(
    "run",
    epilog=examples(
        "hpogen run hpo_*.py",
        "hpogen run plan.yaml --slots cuda:0,cuda:1 --timeout 60",
        "hpogen run hpo_*.py --check",
        "hpogen run hpo_*.py --start-from hpo_200M_h1 --restarts 5 --stall 60 --kill-stalled",
        "hpogen run hpo_2B_h1.py --slots cuda:0,cuda:1 --spread",
        'hpogen run hpo_*.py --n-trials 10 --args "--checkpoint-minutes 1"',
        "hpogen run plan.yaml --slurm --partition gpu --gpus 1 --time 24:00:00 --workers 4",
    ),
)
@family_option
@click.argument("words", nargs=-1, required=True, metavar="SCRIPT|PLAN.yaml...", type=PATH)
@click.option(
    "--slots",
    default="auto",
    metavar="DEVICES",
    help="A device per script that runs at a time: cuda:0,cuda:1,cpu (default: auto, one).",
)
@click.option("--spread", is_flag=True, help="Several workers of one script on several slots.")
@click.option("--in-order", is_flag=True, help="In the order given, not smallest budget first.")
@click.option("--start-from", metavar="NAME", help="Leave out the scripts before this one.")
@click.option("--only", multiple=True, metavar="GLOB", help="Scripts whose names match.")
@click.option("--check", is_flag=True, help="Start nothing: show states, and all problems.")
@click.option("--n-trials", type=click.IntRange(min=1), help="Total of each study.")
@click.option("--data", metavar="PATH", help="Data of every script.")
@click.option("--args", "arguments", default="", help="Further arguments of each search script.")
@click.option("--python", default=sys.executable, help="Interpreter (default: that of hpogen).")
@click.option("--timeout", type=POSITIVE, metavar="HOURS", help="Stop all after this time.")
@click.option(
    "--restarts",
    type=click.IntRange(min=0),
    default=3,
    metavar="N",
    help="Start a script that crashes again, N times (default: 3).",
)
@click.option(
    "--stall",
    type=POSITIVE,
    default=30.0,
    metavar="MINUTES",
    help="Report a script that writes no line for so long (default: 30).",
)
@click.option("--kill-stalled", is_flag=True, help="Kill it, too; that counts as a crash.")
@click.option(
    "--max-celsius", type=float, metavar="C", help="Pause all scripts while it is hotter."
)
@click.option("--slurm", is_flag=True, help="Submit an array job per script instead.")
@click.option("--partition", metavar="NAME", help="With --slurm: partition of the jobs.")
@click.option("--gpus", metavar="N", help="With --slurm: GPUs of each worker, such as 1.")
@click.option("--time", metavar="LIMIT", help="With --slurm: time limit of each job.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="With --slurm: workers of each script."
)
@click.option("--sbatch", default="", metavar="OPTIONS", help="With --slurm: further of sbatch.")
@click.option("--detach", is_flag=True, help="With --slurm: submit and return.")
def run_scripts(**options: Any) -> None:
    """Run scripts unattended until each has all its trials.

    Each script runs in the current folder, as an own process with its output in logs/NAME.out.
    Finished scripts are skipped; the others continue after one fails. The first signal lets the
    scripts write checkpoints and end, a second one kills them. The files logs/STOP and logs/PAUSE
    stop and pause them. The script of the next stage of a plan is rendered when the study before
    it is finished. A runner that was killed is started again: it takes over the scripts that
    still run.

    With --slurm, the workers of a script are an array job. Jobs that reach their time limit are
    queued again until the log is complete; a signal cancels all of them.

    Exit code 0: all are finished; 1: one has failed; 2: nothing was started; 75: stopped before
    the end, run again to continue; 128 + signal number after a signal.
    """
    import hpogen.run.command

    names = ("slurm", "partition", "gpus", "time", "workers", "sbatch")
    asked = {name: options.pop(name) for name in names}
    options["slurm"] = hpogen.run.command.slurm_request(detach=options["detach"], **asked)
    sys.exit(hpogen.run.command.run(**options))


@main.command(
    "status", epilog=examples("hpogen status hpo_*.py", "hpogen status logs/*.log --json")
)
@family_option
@click.argument("words", nargs=-1, required=True, metavar="SCRIPT|PLAN.yaml|LOG...", type=PATH)
@click.option("--json", "as_objects", is_flag=True, help="Print JSON instead of a table.")
def show_status(**options: Any) -> None:
    """Show states, trials, best values and time left of studies, from their logs alone."""
    import hpogen.run.command

    sys.exit(hpogen.run.command.status(**options))


@main.command(epilog=examples("hpogen schema > hpogen.schema.json"))
@family_option
def schema() -> None:
    """Print the JSON Schema of configuration files, for editors."""
    import json

    from hpogen.configuration.json_schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


DEMO_DATA = ["sp500", "nasdaq", "stdlib", "licences", "licence-spans", "licence-joint"]


@main.command("demo-data", epilog=examples("hpogen demo-data sp500 --out prices.csv"))
@click.argument("name", type=click.Choice(DEMO_DATA))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def demo_data(name: str, out: Path | None) -> None:
    """Write real data for a first try, from packages on this machine; nothing is downloaded.

    sp500, nasdaq: daily prices and volumes, 1999 to 2018. stdlib: source code of Python's
    standard library, for language models. licences: licence notices and the licence of each,
    for text classification. licence-spans: questions about such texts, and where the answers are.
    licence-joint: notices with the licence of each, and where it names a file.
    """
    from hpogen.demo_data import SOURCES
    from hpogen.files import write_atomic

    default, source = SOURCES[name]
    path = out or Path(default)
    write_atomic(path, source(name))
    click.echo(os.fsencode(path))


@main.command(
    epilog=examples(
        'eval "$(hpogen completion bash)"    # in ~/.bashrc',
        'eval "$(hpogen completion zsh)"     # in ~/.zshrc',
        "hpogen completion fish > ~/.config/fish/completions/hpogen.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print shell code that completes the commands hpogen and recover-trials."""
    from hpogen.completion import completion_source

    click.echo(completion_source(shell, main))
