"""Errors that a user can correct, shown as a message; any other exception is a bug.

HpogenError            exit code 2
├── UsageError         an invalid value on the command line
├── ConfigError        a configuration file, all its errors at once
├── DataError          an unusable data file
├── FamilyError        a family of the user, all its errors at once
├── PartError          a part that breaks the rules of inlining
└── MissingDependencyError  exit code 3, with the command that installs it
"""

from __future__ import annotations


class HpogenError(Exception):
    """A message for the user: the value, its place and the way out."""

    exit_code = 2


class UsageError(HpogenError):
    """An invalid value on the command line."""


class ConfigError(HpogenError):
    """An invalid configuration; one line per error."""


class DataError(HpogenError):
    """An unusable data file."""


class FamilyError(HpogenError):
    """A folder without a valid family; one line per error."""


class PartError(HpogenError):
    """A part that cannot be inlined."""


class MissingDependencyError(HpogenError):
    """A missing optional package."""

    exit_code = 3
