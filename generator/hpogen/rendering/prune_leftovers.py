"""Scripts in the folder of a plan that the plan no longer has; `--prune` removes them."""

from __future__ import annotations

from pathlib import Path

from hpogen.files import obstacle
from hpogen.rendering.naming import parse_script_name
from hpogen.rendering.overwrite_check import Target, edited
from hpogen.rendering.render import MARK


def leftovers(folder: Path, names: set[str], *, prune: bool, force: bool) -> list[Target]:
    """Return the scripts of a folder that are not in `names`: removed, kept or refused."""
    try:
        others = sorted(path for path in folder.iterdir() if path.name not in names)
    except OSError:
        return []  # no folder yet, or no access, which writing reports
    return [leftover(path, prune=prune, force=force) for path in others if is_script(path)]


def leftover(path: Path, *, prune: bool, force: bool) -> Target:
    """Return the effect on a script that is no longer in the plan."""
    if not prune:
        return Target(path, "kept", reason="is not in the plan; --prune removes it")
    reason = obstacle(path, force=force, replace_link=force) or (None if force else edited(path))
    return Target(path, "refused" if reason else "removed", reason=reason or "")


def is_script(path: Path) -> bool:
    """Return whether a file has the name and the header line of a script."""
    if path.suffix != ".py" or parse_script_name(path.name) is None or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(1_000_000)
    except OSError:
        return False
    return any(line.startswith(MARK.encode()) for line in head.split(b"\n")[:40])
