"""Errors of the user, shown as a message; any other exception is a bug with a traceback.

HpogenError            exit code 2
├── UsageError         a wrong value on the command line
├── ConfigError        a configuration file, all its errors at once
├── DataError          a data file that cannot be searched on
├── FamilyError        a family of the user, all its errors at once
├── PartError          a part of the script breaks the rules of inlining
└── MissingDependencyError  exit code 3, with the command that installs it
"""

from __future__ import annotations


class HpogenError(Exception):
    """A message for the user that names the value, the place and the way out."""

    exit_code = 2


class UsageError(HpogenError):
    """A value of the command line that cannot be used."""


class ConfigError(HpogenError):
    """A configuration that cannot be used; one line per error."""


class DataError(HpogenError):
    """A data file that cannot be used."""


class FamilyError(HpogenError):
    """A folder that holds no usable family; one line per error."""


class PartError(HpogenError):
    """A part that cannot be inlined."""


class MissingDependencyError(HpogenError):
    """An optional package is needed."""

    exit_code = 3
