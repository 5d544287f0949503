"""Names that all parts share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Arch = Mapping[str, int]  # a row of ARCHITECTURES
Config = Mapping[str, Any]  # every hyper-parameter of a trial, searched or fixed
OTHER_DATA = "{}: sha256 {:.12}… differs from DATA_SHA256; give that file, or add --new-data"


class UnusableError(Exception):
    """Unusable data, log or device; the message names the value and the way out."""
