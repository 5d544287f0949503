"""The commands `hpogen run` and `hpogen status`."""

from __future__ import annotations

import sys
from typing import Any

import click

from hpogen.cli.command_group import PATH, POSITIVE, examples, family_option, main


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
