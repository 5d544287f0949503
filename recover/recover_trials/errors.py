"""Errors of reading, writing and repairing."""

from __future__ import annotations


class UnreadableError(OSError):
    """The file cannot be read as a log."""

    def __init__(self, reason: str, filename: str | None = None) -> None:
        super().__init__(reason)
        self.strerror, self.filename = reason, filename

    def __str__(self) -> str:
        return str(self.strerror)


class MissingReaderError(UnreadableError):
    """The package that reads a file is not installed."""


class RebuildError(Exception):
    """The study cannot be written to the storage."""


class RepairError(Exception):
    """The journal cannot be repaired; the file is unchanged."""


class MissingPackageError(Exception):
    """A required package is not installed."""


class RangesError(Exception):
    """A file of ranges is invalid."""


class UnknownColumnError(Exception):
    """No trial has a column of this name."""


class ObjectiveError(Exception):
    """An objective of a Pareto front is not a column with a direction."""


class QueryError(Exception):
    """SQL that cannot be run on the recovered trials."""


class SeveralStudiesError(Exception):
    """The format holds exactly one study, and the recovery has several or none."""


class NoBestError(Exception):
    """The study has no finite best value."""
