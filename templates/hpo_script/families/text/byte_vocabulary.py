"""Model: the mean of an encoder's vectors, and a logit per label."""

from __future__ import annotations

PADDING = 256  # follows the 256 byte values
HIDDEN = 257  # in place of a byte that augmentation hides
