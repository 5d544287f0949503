"""Command line."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path


def positive(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def not_negative(text: str) -> float:
    """Read a number from zero up."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return float(text)


def without_password(url: str) -> str:
    """Return an address as others may see it."""
    return re.sub(r"(?s)(?<=\?).*", "***", re.sub(r"(?s)(://[^:/]*:).*@", r"\1***@", url))


def parse_arguments(
    doc: str, name: str, data_path: str, n_trials: int, seed: int, storage: str | None
) -> argparse.Namespace:
    """Read the command line; what is not given keeps the value of the constant above."""
    about, _, usage = doc.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog=f"{name}.py",
        description=about,
        epilog=usage,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    shown = data_path.replace("%", "%%")
    add("--data", default=data_path, metavar="PATH", help=f"default: {shown}")
    add("--new-data", action="store_true", help="use data other than those it was rendered for")
    add("--n-trials", default=n_trials, type=positive, metavar="N", help="total over all runs")
    add("--seed", default=seed, type=int, metavar="N", help=f"default: {seed}")
    add("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="default: auto")
    add("--out", type=Path, metavar="DIR", help=f"results; default: outputs/{name}")
    add("--log", type=Path, metavar="FILE", help=f"trial log; default: logs/{name}.log")
    storage = os.environ.get("OPTUNA_STORAGE", storage)
    add("--storage", default=storage, metavar="URL", help="default: OPTUNA_STORAGE, or --out")
    often = "between two checkpoints of a trial, 0: after each batch; default: 5"
    add("--checkpoint-minutes", default=5.0, type=not_negative, metavar="N", help=often)
    add("--take-over", action="store_true", help="go on with trials of machines gone for good")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="check everything, train nothing")
    mode.add_argument("--smoke", action="store_true", help="two trials of a few real steps")
    mode.add_argument("--trial-from", type=Path, metavar="FILE", help="train a trial_….json again")
    arguments = parser.parse_args()
    telling = r"(?s)://[^:/]*:.+@|\?.*password="
    if arguments.storage != storage and re.search(telling, arguments.storage):
        parser.error(
            "--storage: everybody on this machine can read a password of a command line; put the"
            " URL into OPTUNA_STORAGE, or the password where the database's client looks for it"
        )
    # Else what follows it would be taken for the host, and shown.
    if re.match(r"\w[\w+]*://[^:/?]*:[^?]*@[^?]*@", arguments.storage or ""):
        parser.error("the URL of the storage: write an @ in a password as %40")
    arguments.overrides = {
        name: without_password(str(value))
        for name, value in vars(arguments).items()
        if value != parser.get_default(name)
    }
    arguments.out = arguments.out or Path("outputs", name)
    arguments.log = arguments.log or Path("logs", f"{name}.log")
    if arguments.smoke:  # never among real results
        arguments.out = Path(f"{arguments.out}-smoke")
        arguments.log = arguments.log.with_name(f"{arguments.log.stem}-smoke.log")
    return arguments
