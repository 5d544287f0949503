"""Command line: read before the packages are imported, so that --help needs none of them."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path

from hpo_script.constants import DATA_PATH, MODULES, N_TRIALS, NAME, SEED


def parse_arguments(doc: str, *sections: Callable[[ArgumentParser], None]) -> Namespace:
    """Read the command line; the constants above are its defaults."""
    about, _, usage = doc.partition("\n\n")
    parser = ArgumentParser(f"{NAME}.py", description=about, epilog=usage, allow_abbrev=False)
    parser.formatter_class = RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--data", default=DATA_PATH, metavar="PATH", help="default: %(default)s")
    add("--new-data", action="store_true", help="use data other than those it was rendered for")
    add("--n-trials", default=N_TRIALS, type=int, metavar="N", help="total of all runs")
    add("--seed", default=SEED, type=int, metavar="N", help="default: %(default)s")
    add("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N, mps")
    log = Path("logs", f"{NAME}.log")
    add("--out", type=Path, metavar="DIR", help="results; default: outputs/<name of the log>")
    add("--log", default=log, type=Path, metavar="FILE", help="the study; default: %(default)s")
    add("--checkpoint-minutes", default=5.0, type=float, metavar="N", help="0: after each batch")
    add("--trial-seconds", type=float, metavar="S", help="training time of each trial")
    add("--enqueue", type=Path, metavar="FILE.json", help="configurations to try next")
    add("--history", type=Path, metavar="LOG", help="use the trials of another log, too")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="check everything, train nothing")
    mode.add_argument("--smoke", action="store_true", help="two trials of a few real steps")
    mode.add_argument("--repeat", type=int, metavar="N", help="train trial N of the log again")
    mode.add_argument("--status", action="store_true", help="print the RESULT of the log")
    for add_arguments in sections:
        add_arguments(parser)
    args = parser.parse_args()
    args.overrides = {n: str(v) for n, v in vars(args).items() if v != parser.get_default(n)}
    paths = {"data": args.data, "enqueue": args.enqueue, "history": args.history}
    missing = [f"--{n} {path}" for n, path in paths.items() if path and not Path(path).exists()]
    seconds = args.trial_seconds
    devices = ("auto", "cpu", "mps", "cuda", *(f"cuda:{index}" for index in range(64)))
    rules = {
        f"--n-trials {args.n_trials} is not a whole number above 0": 0 < args.n_trials < 1e9,
        f"--trial-seconds {seconds} is not a number above 0": seconds is None or 0 < seconds < 1e9,
        f"--device {args.device} is not auto, cpu, cuda, cuda:N or mps": args.device in devices,
        f"--log {args.log} is a folder, not a file": not args.log.is_dir(),
        f"no such file: {', '.join(missing)}": args.status or not missing,
    }
    for broken in (rule for rule, holds in rules.items() if not holds):
        parser.error(broken)
    args.out = args.out or Path("outputs", args.log.stem)
    if args.smoke:  # never among real results
        args.out = args.out.with_name(f"{args.out.name}-smoke")
        args.log = args.log.with_name(f"{args.log.stem}-smoke.log")
    if args.status:  # the log alone answers: mocks stand for the packages
        from unittest.mock import MagicMock

        sys.modules.update(dict.fromkeys(MODULES, MagicMock()))
    return args
