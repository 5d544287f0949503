"""Names that the sections share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Arch = Mapping[str, int]  # a row of ARCHITECTURES
Config = Mapping[str, Any]  # every hyper-parameter of a trial, searched or fixed
Curve = list[dict[str, Any]]  # evaluations: epochs or steps trained, then the metrics


class EvalInterval(NamedTuple):
    """Training between two evaluations: its batches, and the epoch or step that they reach."""

    step: int
    n_batches: int


class UnusableError(Exception):
    """Data, log or device cannot be used; the message names the value and the way out."""


def check_digest(path: str, digest: str, expected: str | None) -> None:
    """Refuse data other than those that the script was rendered for."""
    if expected not in (None, digest):
        raise UnusableError(
            f"{path}: sha256 {digest[:12]}… is not that of the data this script was rendered for,"
            f" {expected[:12]}…. Give those with --data, or allow these with --new-data."
        )
