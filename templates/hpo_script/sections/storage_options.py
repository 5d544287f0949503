"""Storage options: arguments of the command line."""

from __future__ import annotations

import argparse


def storage_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this section."""
    parser.add_argument("--storage", metavar="URL", help="default: OPTUNA_STORAGE, or STORAGE")
    about = "retry running trials; no other worker may be alive"
    parser.add_argument("--retry-running", action="store_true", help=about)
