"""Files that a render would write or remove: what would become of each, and doing it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from hpogen.check import difference
from hpogen.errors import UsageError
from hpogen.files import obstacle, remove_parts, shown_path, write_atomic
from hpogen.lock import folder_lock
from hpogen.naming import parse_script_name
from hpogen.render import MARK

State = Literal["new", "changed", "unchanged", "removed", "kept", "refused"]


class Target(NamedTuple):
    """A file, what becomes of it, and why."""

    path: Path
    state: State
    content: bytes = b""
    reason: str = ""

    @property
    def acts(self) -> bool:
        """Tell whether anything changes."""
        return self.state in ("new", "changed", "removed")


def edited(path: Path) -> str | None:
    """Return why a script is not what hpogen wrote, None if it is."""
    try:
        found = difference(path)
    except Exception:  # whatever its header holds, hpogen did not write it
        return "is no script that this version of hpogen wrote"
    if not found:
        return None
    return (
        f"was edited or rendered by another version; `hpogen check {shown_path(path)}` shows how"
    )


def target(
    path: Path,
    content: bytes,
    *,
    force: bool,
    foreign: Callable[[Path], str | None] = edited,
) -> Target:
    """Return the effect of writing a file; unless forced, only hpogen's own are overwritten.

    Raises UsageError where no file can be.
    """
    try:
        reason = obstacle(path, force=force, replace_link=force)
        if not path.exists() and not path.is_symlink():
            return Target(path, "new", content)
    except (OSError, ValueError) as error:  # such as a name that is too long
        told = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{shown_path(path)}: {told}; choose another folder") from None
    if not path.is_symlink() and holds(path, content):
        return Target(path, "unchanged", content)
    if not force:
        reason = reason or foreign(path)
    return Target(path, "refused" if reason else "changed", content, reason or "")


def holds(path: Path, content: bytes) -> bool:
    """Tell whether a file has a content."""
    try:
        return path.is_file() and path.read_bytes() == content
    except OSError:
        return False


def leftovers(folder: Path, names: set[str], *, prune: bool, force: bool) -> list[Target]:
    """Return the scripts of a folder that are none of those named: removed, kept or refused."""
    try:
        others = sorted(path for path in folder.iterdir() if path.name not in names)
    except OSError:
        return []  # no folder yet, or one that the write will tell of
    return [leftover(path, prune=prune, force=force) for path in others if is_script(path)]


def leftover(path: Path, *, prune: bool, force: bool) -> Target:
    """Return the action for a script that the plan no longer has."""
    if not prune:
        return Target(path, "kept", reason="is not in the plan; --prune removes it")
    reason = obstacle(path, force=force, replace_link=force) or (None if force else edited(path))
    return Target(path, "refused" if reason else "removed", reason=reason or "")


def is_script(path: Path) -> bool:
    """Tell whether a file has the name and the header line of a script."""
    if path.suffix != ".py" or parse_script_name(path.name) is None or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(1_000_000)
    except OSError:
        return False
    return any(line.startswith(MARK.encode()) for line in head.split(b"\n")[:40])


def refuse(targets: list[Target], *, force: bool) -> None:
    """Raise UsageError if any file may not be written or removed."""
    refused = [f"{shown_path(t.path)} {t.reason}" for t in targets if t.state == "refused"]
    if not refused:
        return
    stays = any(
        obstacle(found.path, force=True, replace_link=True)
        for found in targets
        if found.state == "refused"
    )
    hint = "" if force or stays else "--force overwrites"
    if len(refused) == 1:
        raise UsageError(f"{refused[0]}. {hint} it" if hint else refused[0])
    lines = "\n".join(f"  {line}" for line in refused)
    raise UsageError(f"nothing was written{f'; {hint} these' if hint else ''}:\n{lines}")


def carry_out(folder: Path, survey: Callable[[], list[Target]], *, force: bool) -> list[Target]:
    """Write and remove files of a folder, none if any is refused; return what became of each.

    Raises UsageError. They are looked at again under the folder's lock, which is not taken when
    there is nothing to do: a queue that runs unchanged scripts is not in the way.
    """
    targets = survey()
    refuse(targets, force=force)
    if not any(found.acts for found in targets):
        return targets
    with folder_lock(folder):
        targets = survey()
        refuse(targets, force=force)
        for found in targets:
            act(found, force=force)
    return targets


def act(found: Target, *, force: bool) -> None:
    """Do what is to become of a file. Raises UsageError."""
    if found.state == "removed":
        try:
            found.path.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"{shown_path(found.path)}: {error.strerror}") from None
    elif found.acts:
        remove_parts(found.path)
        write_atomic(
            found.path,
            found.content,
            executable=found.path.suffix == ".py",
            force=force,
            replace_link=force,
        )
