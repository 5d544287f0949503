"""Atomic writing of files."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from pathlib import Path

from hpogen.configuration.yaml_file import shown
from hpogen.errors import UsageError


def write_atomic(
    path: Path,
    content: bytes,
    *,
    executable: bool = False,
    force: bool = False,
    replace_link: bool = False,
) -> None:
    """Write a temporary file and rename it. Raises UsageError.

    A symbolic link is refused, or replaced with `replace_link`. A read-only file is refused
    without `force`. A folder is always refused.
    """
    part = None
    try:
        if reason := obstacle(path, force=force, replace_link=replace_link):
            raise UsageError(f"{shown_path(path)} {reason}")
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(".part", part_prefix(path), path.parent)
        part = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod((0o777 if executable else 0o666) & ~current_umask())
        part.replace(path)
        part = None
        sync_folder(path.parent)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(
            f"{shown_path(path)}: {shown_path(path.parent)} is not a folder; choose another folder"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{shown_path(path)}: {reason}; choose another file") from None
    finally:
        if part:
            with contextlib.suppress(OSError):
                part.unlink()


def obstacle(path: Path, *, force: bool = False, replace_link: bool = False) -> str | None:
    """Return why a file must not be overwritten, None if it may. Raises OSError or ValueError."""
    if path.is_symlink():
        if replace_link:
            return None
        link = shown(os.readlink(path), 200)  # noqa: PTH115  Path.readlink would normalise it
        return f"is a symbolic link to {link}; remove it or write to that file"
    if not path.exists():
        return None
    if path.is_dir():
        return "is a folder; remove it or choose another name"
    if not path.is_file():
        return "is not a regular file; remove it or choose another name"
    # The mode, not os.access, which is true for every file of a superuser.
    if not force and not path.stat().st_mode & 0o222:
        return "is read-only; make it writable or remove it"
    return None


def shown_path(path: Path) -> str:
    """Return a path for a message."""
    return shown(str(path), 300)


def part_prefix(path: Path) -> str:
    """Return the prefix of the temporary files of a file; cut, because names have a limit."""
    return f".{path.name[:60]}."


def remove_parts(path: Path) -> None:
    """Remove temporary files that killed processes left; the caller holds the folder's lock."""
    for part in path.parent.glob(f"{glob.escape(part_prefix(path))}????????.part"):
        with contextlib.suppress(OSError):
            part.unlink()


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that a rename in it survives a power loss."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def current_umask() -> int:
    """Return the umask."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
