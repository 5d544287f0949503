"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from hpogen.errors import UsageError


def write_atomic(path: Path, content: bytes, *, executable: bool = False) -> None:
    """Write a file beside its place and move it there. Raises UsageError."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        part = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod((0o777 if executable else 0o666) & ~current_umask())
        part.replace(path)
    except OSError as error:
        if part:
            with contextlib.suppress(OSError):
                part.unlink()
        raise UsageError(f"{path}: {error.strerror}") from None


def current_umask() -> int:
    """Return the umask."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
