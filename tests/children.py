"""Processes of the tests that end with the tests, however those end."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

KEEPER = Path(__file__).with_name("keeper.py")


def child(*command: str | Path, user: str | None = None) -> list[str]:
    """Return a command that the kernel kills when the process that started it dies (Linux).

    Args:
        command: Program and arguments.
        user: Whom the command runs as, if it is another; only root may ask for this.
    """
    if not shutil.which("setpriv"):
        return list(map(str, command))
    as_user = [f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
    return ["setpriv", *as_user, "--pdeathsig", "KILL", *map(str, command)]


def shell(command: str) -> list[str]:
    """Return a command of bash that ends, with what it has started, as `child` does."""
    known = shutil.which("setpriv") and shutil.which("timeout")
    # `timeout` passes the signal on to the whole group.
    prefix = ["setpriv", "--pdeathsig", "TERM", "timeout", "3600"] if known else []
    return [*prefix, "bash", "-c", command]


@contextmanager
def kept(
    command: Sequence[str], *, prefix: str, parent: Path | None = None, user: str | None = None
) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Run a server in a folder of its own; end it, its descendants and the folder afterwards.

    Args:
        command: What the keeper runs in the folder.
        prefix: Of the name of the folder, which is short: a path of a socket has 107 characters.
        parent: Where the folder is, if not where temporary files are.
        user: The owner of folder and server, if it is another.

    Yields:
        The folder, and the keeper of the server, which ends when the server ends.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    if user is not None:
        shutil.chown(folder, user)
    keeper = subprocess.Popen(
        [sys.executable, "-I", str(KEEPER), str(folder), *child(*command, user=user)],
        stdin=subprocess.PIPE,
        start_new_session=True,  # an interrupt of the tests does not reach it
        text=True,
    )
    try:
        yield folder, keeper
    finally:
        keeper.communicate()
