"""Errors of reading, writing and repairing."""

from __future__ import annotations


class UnreadableError(OSError):
    """A file that cannot be read as a log; an OSError, like other faults of one file."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.strerror = reason


class MissingReaderError(UnreadableError):
    """A package that is needed to read a file is not installed."""


class RebuildError(Exception):
    """A study that cannot be written to a storage; nothing was written."""


class RepairError(Exception):
    """A journal that cannot be repaired; it is left as it is."""


class MissingPackageError(Exception):
    """A package is needed that is not installed."""


class SeveralStudiesError(Exception):
    """A format that holds one study is asked for several, or for none."""


class NoBestError(Exception):
    """There is no finite best value."""
