"""Names that the sections share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Arch = Mapping[str, int]  # a row of ARCHITECTURES
Config = Mapping[str, Any]  # every hyper-parameter of a trial, searched or fixed
OTHER_DATA = "{}: sha256 {:.12}… is not the data this script was rendered for; see --new-data"


class EvalInterval(NamedTuple):
    """Training between two evaluations: its batches, and the epoch or step that they reach."""

    step: int
    n_batches: int


class UnusableError(Exception):
    """Data, log or device cannot be used; the message names the value and the way out."""
