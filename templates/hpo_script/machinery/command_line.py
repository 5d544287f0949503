"""Command line: read before the packages are imported, so that --help needs none of them."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from hpo_script.constants import DATA_PATH, MODULES, N_TRIALS, NAME, SEED


class NotImported(ModuleType):
    """Stands for a package under --status, which reads the log and builds no model."""

    def __getattr__(self, name: str) -> NotImported:
        return self

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        return ()


def argument(pattern: str, about: str, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader of an argument that has a form."""

    def read(text: str) -> Any:
        if not re.fullmatch(pattern, text):
            raise ArgumentTypeError(f"{text!r} is not {about}")
        return kind(text)

    return read


def parse_arguments(doc: str, *sections: Callable[[ArgumentParser], None]) -> Namespace:
    """Read the command line; the constants above are its defaults."""
    about, _, usage = doc.partition("\n\n")
    parser = ArgumentParser(f"{NAME}.py", description=about, epilog=usage, allow_abbrev=False)
    parser.formatter_class = RawDescriptionHelpFormatter
    whole = argument(r"0*[1-9]\d{0,8}", "a whole number above 0", int)
    number = argument(r"\d{1,9}(\.\d{1,9})?", "a number from 0 up", float)
    device = argument(r"auto|cpu|mps|cuda(:\d{1,3})?", "auto, cpu, cuda, cuda:N or mps", str)
    add = parser.add_argument
    add("--data", default=DATA_PATH, metavar="PATH", help="default: %(default)s")
    add("--new-data", action="store_true", help="use data other than those it was rendered for")
    add("--n-trials", default=N_TRIALS, type=whole, metavar="N", help="total of all runs")
    add("--seed", default=SEED, type=int, metavar="N", help="default: %(default)s")
    add("--device", default="auto", type=device, metavar="D", help="auto, cpu, cuda, cuda:N, mps")
    add("--out", type=Path, metavar="DIR", help=f"derived files; default: outputs/{NAME}")
    add("--log", type=Path, metavar="FILE", help=f"the study; default: logs/{NAME}.log")
    often = "between checkpoints; 0: after each batch; default: 5"
    add("--checkpoint-minutes", default=5.0, type=number, metavar="N", help=often)
    add("--trial-seconds", type=number, metavar="S", help="training time of each trial")
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
    args.out, args.log = args.out or Path("outputs", NAME), args.log or Path("logs", f"{NAME}.log")
    if args.log.is_dir():
        parser.error(f"--log {args.log} is a folder, not a file")
    for path in (args.data, args.enqueue, args.history):
        if path and not args.status and not Path(path).exists():
            hint = "; `hpogen demo-data` writes real data" if path == args.data else ""
            parser.error(f"no such file: {path}{hint}")
    if args.smoke:  # never among real results
        args.out = args.out.with_name(f"{args.out.name}-smoke")
        args.log = args.log.with_name(f"{args.log.stem}-smoke.log")
    if args.status:
        sys.modules.update({name: NotImported(name) for name in MODULES})
    return args
