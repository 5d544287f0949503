"""Storage options: arguments of the command line, and passwords kept out of messages."""

from __future__ import annotations

import argparse
import re


def without_password(text: str) -> str:
    """Return a message without the password of a URL, even of one with a raw @ in it."""
    text = re.sub(r"(?s)(://[^:/]*:).*@|(?<=\?).*", r"\1***", text)
    return re.sub(r"\S*@\S*", "***", text)


def storage_url(text: str) -> str:
    """Read the URL of a storage."""
    if re.search(r"(?s)://[^:/]*:.*@|[?&;](password|passwd|pwd)=", text):
        raise argparse.ArgumentTypeError("put a URL with a password into OPTUNA_STORAGE")
    return text


def storage_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this section."""
    where = "default: OPTUNA_STORAGE, or STORAGE"
    parser.add_argument("--storage", type=storage_url, metavar="URL", help=where)
    retry = "retry running trials; no other worker may be alive"
    parser.add_argument("--retry-running", action="store_true", help=retry)
