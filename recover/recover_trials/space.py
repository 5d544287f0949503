"""Search spaces: that of a script, read without running it, and what holds in a space."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recover_trials.constants import literals
from recover_trials.errors import UnreadableError

if TYPE_CHECKING:
    from hpo_script.experiment import Experiment

HEADER = {"hpogen": "", "spec_sha256": ""}  # fields of an experiment that are no constants
TYPES = ("float", "int", "categorical")
# What else can go wrong with constants that are not those of a search script.
WRONG = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(ArithmeticError, SyntaxError, RecursionError, MemoryError),
)


@dataclass(frozen=True)
class Space:
    """What a script searches.

    Attributes:
        script: its file.
        script_sha256: digest of its text.
        experiment: its constants, as the script puts them together.
        about: search space, conditions and fixed parameters, as its run line tells them.
        distributions: the same of the searched parameters, as Optuna has them.
    """

    script: Path
    script_sha256: str
    experiment: Experiment
    about: dict[str, Any]
    distributions: dict[str, Any]


def read_space(path: Path) -> Space:
    """Return the space of a search script.

    Raises UnreadableError if the file is none. Its constants are read, nothing is evaluated.
    """
    content = path.read_bytes()
    try:
        with warnings.catch_warnings():  # of Optuna, on ranges; of Python, on hostile text
            warnings.simplefilter("ignore")
            return space_in(content, path)
    except WRONG as error:
        what = str(error).partition("\n")[0][:200]
        raise UnreadableError(
            f"no search space of a search script: {type(error).__name__}: {what}"
        ) from None


def space_in(content: bytes, path: Path) -> Space:
    """Return the space of a script. Raises one of WRONG."""
    from hpo_script.experiment import Experiment
    from hpo_script.suggest import make_distribution, space_of

    constants = {field.name.upper(): field for field in fields(Experiment)}
    found = literals(content.decode("utf-8-sig"), constants)
    needed = {n for n, f in constants.items() if f.default is MISSING and f.name not in HEADER}
    if missing := sorted(needed - found.keys()):
        raise ValueError(f"it assigns no {', '.join(missing)}")
    plain = json.loads(json.dumps(found, allow_nan=False))
    plain["EXTREME_INDICES"] = {}  # the script itself sees to them
    values: dict[str, Any] = {**HEADER, **{name.lower(): v for name, v in plain.items()}}
    experiment = Experiment(**values)
    check_constants(experiment)
    distributions = {name: make_distribution(t) for name, t in experiment.searched.items()}
    sha256 = hashlib.sha256(content).hexdigest()
    return Space(path, sha256, experiment, space_of(experiment), distributions)


def check_constants(experiment: Experiment) -> None:
    """Refuse constants that no search script has. Raises one of WRONG."""
    if not (isinstance(experiment.name, str) and isinstance(experiment.study_name, str)):
        raise TypeError("NAME and STUDY_NAME must be text")
    for table in experiment.search_space.values():
        if table["type"] not in TYPES:
            raise ValueError(f"a type of SEARCH_SPACE is unknown: {table}")
    for row in experiment.architectures:
        if row.keys() != experiment.architectures[0].keys() or "params" not in row:
            raise ValueError("the rows of ARCHITECTURES have different columns")
    for wanted in experiment.conditions.values():
        if not all(isinstance(values, list) for values in wanted.values()):
            raise ValueError("CONDITIONS must list the values of each parameter")


def digest(value: object) -> str:
    """Return the digest of a value, as scripts make it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
