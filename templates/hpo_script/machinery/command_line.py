"""Command line: read before the packages are imported, so that --help needs none of them."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from types import ModuleType

from hpo_script.constants import DATA_PATH, MODULES, N_TRIALS, NAME, SEED


class NotImported(ModuleType):
    """Stands for a package under --status, which reads the log and builds no model."""

    def __getattr__(self, name: str) -> NotImported:
        if name == "__path__":
            raise AttributeError(name)
        return self

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        return ()


def whole_number(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def number(text: str) -> float:
    """Read a number from 0 up."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return float(text)


def file(text: str) -> Path:
    """Read the path of a file that exists."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"no file {text!r}")
    return Path(text)


def device(text: str) -> str:
    """Read the name of a device."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not auto, cpu, cuda, cuda:N or mps")
    return text


def parse_arguments(doc: str) -> argparse.Namespace:
    """Read the command line; the constants above are its defaults."""
    about, _, usage = doc.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog=f"{NAME}.py",
        description=about,
        epilog=usage,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", default=DATA_PATH, metavar="PATH", help="default: %(default)s")
    add("--new-data", action="store_true", help="use data other than those it was rendered for")
    add("--n-trials", default=N_TRIALS, type=whole_number, metavar="N", help="total of all runs")
    add("--seed", default=SEED, type=int, metavar="N", help="default: %(default)s")
    add("--device", default="auto", type=device, metavar="D", help="auto, cpu, cuda, cuda:N, mps")
    add("--out", type=Path, metavar="DIR", help=f"derived files; default: outputs/{NAME}")
    add("--log", type=Path, metavar="FILE", help=f"the study; default: logs/{NAME}.log")
    often = "between two checkpoints of a trial, 0: after each batch; default: 5"
    add("--checkpoint-minutes", default=5.0, type=number, metavar="N", help=often)
    add("--trial-seconds", type=number, metavar="S", help="training time of each trial")
    add("--enqueue", type=file, metavar="FILE.json", help="configurations to try next")
    add("--history", type=file, metavar="LOG", help="use the trials of another log, too")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="check everything, train nothing")
    mode.add_argument("--smoke", action="store_true", help="two trials of a few real steps")
    mode.add_argument("--repeat", type=int, metavar="N", help="train trial N of the log again")
    mode.add_argument("--status", action="store_true", help="print the RESULT of the log")
    args = parser.parse_args()
    args.overrides = {n: str(v) for n, v in vars(args).items() if v != parser.get_default(n)}
    args.out = args.out or Path("outputs", NAME)
    args.log = args.log or Path("logs", f"{NAME}.log")
    if args.log.is_dir():
        parser.error(f"--log {args.log} is a folder, not a file")
    if not args.status and not Path(args.data).exists():
        parser.error(f"--data {args.data}: no such file; `hpogen demo-data` writes real data")
    if args.smoke:  # never among real results
        args.out = args.out.with_name(f"{args.out.name}-smoke")
        args.log = args.log.with_name(f"{args.log.stem}-smoke.log")
    if args.status:
        sys.modules.update({name: NotImported(name) for name in MODULES})
    return args
