"""FSDP options: arguments of the command line."""

from __future__ import annotations

import argparse
import os


def fsdp_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this section."""
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    about = "of the plan of memory; under torchrun, its own number"
    parser.add_argument("--ranks", type=int, default=ranks, metavar="N", help=about)
    about = "memory of a rank, for a plan of another machine"
    parser.add_argument("--rank-gb", type=float, metavar="G", help=about)
