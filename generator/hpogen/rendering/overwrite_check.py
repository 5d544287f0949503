"""Check before files are written or removed: each is new, changed, refused and so on.

`carry_out` makes the changes if the check refuses none.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from hpogen.check import difference
from hpogen.errors import UsageError
from hpogen.files import obstacle, remove_parts, shown_path, write_atomic
from hpogen.rendering.folder_lock import folder_lock

State = Literal["new", "changed", "unchanged", "removed", "kept", "refused"]


class Target(NamedTuple):
    """A file, its state after the render, and the reason for a state that needs one."""

    path: Path
    state: State
    content: bytes = b""
    reason: str = ""

    @property
    def changes(self) -> bool:
        """Return whether the file is written or removed."""
        return self.state in ("new", "changed", "removed")


def edited(path: Path) -> str | None:
    """Return why a file is not a script as hpogen rendered it, None if it is."""
    try:
        diff = difference(path)
    except Exception:  # any error: the header may hold anything
        return "is not a script of this version of hpogen"
    if not diff:
        return None
    return (
        f"was edited or rendered by another version; `hpogen check {shown_path(path)}` shows the"
        " changes"
    )


def target(
    path: Path,
    content: bytes,
    *,
    force: bool,
    foreign: Callable[[Path], str | None] = edited,
) -> Target:
    """Return the effect of writing a file.

    `foreign` returns why an existing file must not be overwritten without `force`. Raises
    UsageError if no file can be written there.
    """
    try:
        reason = obstacle(path, force=force, replace_link=force)
        if not path.exists() and not path.is_symlink():
            return Target(path, "new", content)
    except (OSError, ValueError) as error:  # such as a name that is too long
        message = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{shown_path(path)}: {message}; choose another folder") from None
    if not path.is_symlink() and holds(path, content):
        return Target(path, "unchanged", content)
    if not force:
        reason = reason or foreign(path)
    return Target(path, "refused" if reason else "changed", content, reason or "")


def holds(path: Path, content: bytes) -> bool:
    """Return whether a file has a content."""
    try:
        return path.is_file() and path.read_bytes() == content
    except OSError:
        return False


def refuse(targets: list[Target], *, force: bool) -> None:
    """Raise UsageError if a file must not be written or removed."""
    refused = [f"{shown_path(t.path)} {t.reason}" for t in targets if t.state == "refused"]
    if not refused:
        return
    blocked = any(
        obstacle(item.path, force=True, replace_link=True)
        for item in targets
        if item.state == "refused"
    )
    hint = "" if force or blocked else "--force overwrites"
    if len(refused) == 1:
        raise UsageError(f"{refused[0]}. {hint} it" if hint else refused[0])
    lines = "\n".join(f"  {line}" for line in refused)
    raise UsageError(f"nothing was written{f'; {hint} these files' if hint else ''}:\n{lines}")


def carry_out(folder: Path, survey: Callable[[], list[Target]], *, force: bool) -> list[Target]:
    """Write and remove files of a folder, or none if any is refused; return the effects.

    The survey is repeated under the folder's lock. The lock is not taken if nothing changes, so
    that a render of unchanged scripts succeeds while a queue runs them. Raises UsageError.
    """
    targets = survey()
    refuse(targets, force=force)
    if not any(item.changes for item in targets):
        return targets
    with folder_lock(folder):
        targets = survey()
        refuse(targets, force=force)
        for item in targets:
            change(item, force=force)
    return targets


def change(target: Target, *, force: bool) -> None:
    """Write or remove a file if its state says so. Raises UsageError."""
    path = target.path
    if target.state == "removed":
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"{shown_path(path)}: {error.strerror}; remove it yourself") from None
    elif target.changes:
        remove_parts(path)
        write_atomic(
            path,
            target.content,
            executable=path.suffix == ".py",
            force=force,
            replace_link=force,
        )
