"""Scripts to run: their constants, their frozen copies, and the order in which they run."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpogen.check import read_script as read_source
from hpogen.configuration.yaml_file import shown
from hpogen.errors import HpogenError, UsageError
from hpogen.files import shown_path, write_atomic

if TYPE_CHECKING:
    from hpogen.plans.stages import Later

LOGS = Path("logs")  # below the current folder, where the scripts put their own logs
COPIES = LOGS / "run"  # frozen copies, by digest, and the locks of workers
KINDS = {"NAME": str, "BUDGET": int, "DATA_PATH": str}  # constants of every script
SEARCH_KINDS = {**KINDS, "N_TRIALS": int, "ARCHITECTURES": list}
FINAL_KINDS = {**KINDS, "CONFIGURATIONS": list, "SEEDS": list}
READ = {*SEARCH_KINDS, *FINAL_KINDS}
PLANS = (".yaml", ".yml")


def log_of(name: str) -> Path:
    """Return the log of a script."""
    return LOGS / f"{name}.log"


@dataclass(frozen=True)
class Script:
    """A search or final script as it was when the runner read it.

    Attributes:
        source: the text, as in the file.
        name: of the study, its log and its folder of results.
        budget: target number of parameters.
        n_trials: total number of trials, or of the trainings of a final script.
        data: file or folder that it reads unless another is given.
        smallest: parameters of the smallest architecture.
        largest: parameters of the largest architecture.
        is_final: whether one process runs all of it, and its total is fixed.
        then: scripts that are rendered when its study is finished, in their order.
    """

    path: Path
    source: str
    name: str
    budget: int
    n_trials: int
    data: str
    smallest: int
    largest: int
    is_final: bool = False
    then: tuple[Later, ...] = ()

    @property
    def stages(self) -> tuple[Script | Later, ...]:
        """The script and those of its later stages."""
        return (self, *self.then)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()[:12]

    @property
    def log(self) -> Path:
        return log_of(self.name)

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
        is_final = "CONFIGURATIONS" in constants
        params = sizes_of(constants)
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError, LookupError):
        raise UsageError(f"{shown_path(path)}: its constants cannot be read") from None
    kinds = FINAL_KINDS if is_final else SEARCH_KINDS
    wrong = [name for name, kind in kinds.items() if not isinstance(constants.get(name), kind)]
    if wrong:
        raise UsageError(f"{shown_path(path)}: no script of hpogen: no constant {wrong[0]}")
    if Path(constants["NAME"]).name != constants["NAME"]:
        raise UsageError(f"{shown_path(path)}: NAME {shown(constants['NAME'])} is not a file name")
    return Script(
        path,
        source,
        name=constants["NAME"],
        budget=constants["BUDGET"],
        n_trials=(
            len(constants["CONFIGURATIONS"]) * len(constants["SEEDS"])
            if is_final
            else constants["N_TRIALS"]
        ),
        data=constants["DATA_PATH"],
        smallest=min(params),
        largest=max(params),
        is_final=is_final,
    )


def sizes_of(constants: dict[str, Any]) -> list[int]:
    """Return the parameter counts of the models that a script may train, never none."""
    counts = {"CONFIGURATIONS": "param_count", "ARCHITECTURES": "params"}
    found = [int(row[key]) for name, key in counts.items() for row in constants.get(name, ())]
    return found or [0]


def constants_of(source: str) -> dict[str, Any]:
    """Return the constants of a script that a runner uses. Raises ValueError or SyntaxError."""
    found: dict[str, Any] = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id in READ:
                found[target.id] = ast.literal_eval(node.value)
    return found


def plan_scripts(path: Path) -> dict[Path, tuple[Later, ...]]:
    """Return {script: scripts of its later stages} of a plan, in its order. Raises HpogenError."""
    from hpogen.plans.matrix import cells_of
    from hpogen.plans.plan import read_plan
    from hpogen.plans.stages import later_scripts

    file = read_plan(path)
    paths = [file.folder / f"{cell.name}.py" for cell in cells_of(file)]
    if missing := [found for found in paths if not found.exists()]:
        raise UsageError(
            f"{shown_path(path)}: {len(missing)} of {len(paths)} scripts are missing, such as"
            f" {shown_path(missing[0])}; write them: hpogen render --plan {shown_path(path)}"
        )
    return {found: later_scripts(found, file.plan.stages or []) for found in paths}


@contextmanager
def collected(problems: list[str]) -> Iterator[None]:
    """Add an error to the problems instead of raising it."""
    try:
        yield
    except HpogenError as error:
        problems += str(error).splitlines()


def read_scripts(words: Iterable[Path]) -> tuple[list[Script], list[str]]:
    """Return the scripts that can be read, and a problem for each of the others."""
    scripts, problems = list[Script](), list[str]()
    found: dict[Path, tuple[Later, ...]] = {}
    for word in dict.fromkeys(words):
        with collected(problems):
            found |= plan_scripts(word) if word.suffix in PLANS else {word: ()}
    for path, then in found.items():
        with collected(problems):
            scripts.append(replace(read_script(path), then=then))
    items = [item for script in scripts for item in script.stages]
    names = [item.name for item in items]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        same = ", ".join(shown_path(item.path) for item in items if item.name == name)
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
