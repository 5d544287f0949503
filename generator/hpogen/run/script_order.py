"""Scripts to run: their constants, their frozen copies, and the order in which they run."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hpogen.check import read_script as read_source
from hpogen.configuration.yaml_file import shown
from hpogen.errors import HpogenError, UsageError
from hpogen.files import shown_path, write_atomic

LOGS = Path("logs")  # below the current folder, where the scripts put their own logs
COPIES = LOGS / "run"  # frozen copies, by digest, and the locks of workers
KINDS = {"NAME": str, "BUDGET": int, "N_TRIALS": int, "DATA_PATH": str, "ARCHITECTURES": list}
PLANS = (".yaml", ".yml")


@dataclass(frozen=True)
class Script:
    """A search script as it was when the runner read it.

    Attributes:
        source: the text, as in the file.
        name: of the study, its log and its folder of results.
        budget: target number of parameters.
        n_trials: total number of trials.
        data: file or folder that it reads unless another is given.
        smallest: parameters of the smallest architecture.
        largest: parameters of the largest architecture.
    """

    path: Path
    source: str
    name: str
    budget: int
    n_trials: int
    data: str
    smallest: int
    largest: int

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()[:12]

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"

    @property
    def copy(self) -> Path:
        return COPIES / self.digest / f"{self.name}.py"

    def freeze(self) -> None:
        """Write the copy that runs, so that an edit does not change a running study.

        Raises UsageError.
        """
        content = self.source.encode()
        if not self.copy.exists() or self.copy.read_bytes() != content:
            write_atomic(self.copy, content)


def read_script(path: Path) -> Script:
    """Read a script, without running it. Raises UsageError."""
    source = read_source(path)
    try:
        constants = constants_of(source)
        params = [int(row["params"]) for row in constants.get("ARCHITECTURES", ())] or [0]
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError, LookupError):
        raise UsageError(f"{shown_path(path)}: its constants cannot be read") from None
    wrong = [name for name, kind in KINDS.items() if not isinstance(constants.get(name), kind)]
    if wrong:
        raise UsageError(f"{shown_path(path)}: no search script of hpogen: no constant {wrong[0]}")
    if Path(constants["NAME"]).name != constants["NAME"]:
        raise UsageError(f"{shown_path(path)}: NAME {shown(constants['NAME'])} is not a file name")
    return Script(
        path,
        source,
        name=constants["NAME"],
        budget=constants["BUDGET"],
        n_trials=constants["N_TRIALS"],
        data=constants["DATA_PATH"],
        smallest=min(params),
        largest=max(params),
    )


def constants_of(source: str) -> dict[str, Any]:
    """Return the constants of a script that a runner uses. Raises ValueError or SyntaxError."""
    found: dict[str, Any] = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id in KINDS:
                found[target.id] = ast.literal_eval(node.value)
    return found


def plan_paths(path: Path) -> list[Path]:
    """Return the scripts of a plan, in its order. Raises HpogenError."""
    from hpogen.plans.matrix import cells_of
    from hpogen.plans.plan import read_plan

    file = read_plan(path)
    paths = [file.folder / f"{cell.name}.py" for cell in cells_of(file)]
    if missing := [found for found in paths if not found.exists()]:
        raise UsageError(
            f"{shown_path(path)}: {len(missing)} of {len(paths)} scripts are missing, such as"
            f" {shown_path(missing[0])}; write them: hpogen render --plan {shown_path(path)}"
        )
    return paths


@contextmanager
def collected(problems: list[str]) -> Iterator[None]:
    """Add an error to the problems instead of raising it."""
    try:
        yield
    except HpogenError as error:
        problems += str(error).splitlines()


def read_scripts(words: Iterable[Path]) -> tuple[list[Script], list[str]]:
    """Return the scripts that can be read, and a problem for each of the others."""
    scripts, problems, paths = list[Script](), list[str](), list[Path]()
    for word in dict.fromkeys(words):
        with collected(problems):
            paths += plan_paths(word) if word.suffix in PLANS else [word]
    for path in dict.fromkeys(paths):
        with collected(problems):
            scripts.append(read_script(path))
    names = [script.name for script in scripts]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        same = ", ".join(shown_path(script.path) for script in scripts if script.name == name)
        problems.append(f"one study, {shown(name)}, for several scripts: {same}")
    return scripts, problems


def selected(
    scripts: Sequence[Script], *, in_order: bool, start_from: str | None, only: Sequence[str]
) -> list[Script]:
    """Return the scripts to run, smallest budget first unless in order. Raises UsageError."""
    found = list(scripts) if in_order else sorted(scripts, key=lambda script: script.budget)
    if start_from is not None:
        name = start_from.removesuffix(".py")
        names = [script.name for script in found]
        if name not in names:
            raise UsageError(f"--start-from {shown(name)}: not among {', '.join(names)}")
        found = found[names.index(name) :]
    patterns = [pattern.removesuffix(".py") for pattern in only]
    found = [s for s in found if not only or any(fnmatchcase(s.name, p) for p in patterns)]
    if not found:
        raise UsageError(f"--only {', '.join(map(shown, only))}: matches no script")
    return found
