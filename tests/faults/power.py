"""Power loss: what is on the disk when only synced data are, rebuilt from a trace of one run.

Each file has bytes as last written and bytes as last synced. Names (files made, renamed, deleted)
reach the disk under one of three rules: at once, with the next sync of anything (as ext4, XFS and
btrfs do, whose journals are in order), or only with the sync of their own folder (all that POSIX
promises). The first is hard on renames before a sync, the last on deletions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = (
    *("openat", "close", "lseek", "write", "pwrite64", "writev", "fsync", "fdatasync"),
    *("ftruncate", "rename", "unlink", "mkdir", "link", "symlink"),
)
NAMES = ("at once", "next sync", "own folder synced")
LINE = re.compile(r"(?P<pid>\d+) +(?P<call>\w+)\((?P<rest>.*)\) += (?P<result>-?\d+)")
HANDLE = re.compile(r"(\d+)<([^>]*)>")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass
class File:
    """The bytes of a file: written, and of those the ones that are on the disk."""

    written: bytearray = field(default_factory=bytearray)
    synced: bytes = b""


def plain(text: str) -> str:
    """Return a path that strace may have written in hex."""
    return bytes.fromhex(text.replace("\\x", "")).decode() if text.startswith("\\x") else text


def texts(rest: str) -> list[bytes]:
    """Return the strings of a call, which strace writes in hex."""
    return [bytes.fromhex(text.replace("\\x", "")) for text in TEXT.findall(rest)]


class Disk:
    """Files below a folder, as a program sees them and as a power loss would leave them."""

    def __init__(self, root: Path, names: str) -> None:
        self.root, self.rule = str(root), names
        self.seen: dict[str, File] = {}
        self.kept: dict[str, File] = {}  # by the names that are on the disk
        self.open: dict[int, tuple[File, int, bool]] = {}  # file, offset, appends

    def path(self, name: str | bytes) -> str | None:
        """Return a path below the folder, or None for one elsewhere."""
        text = name if isinstance(name, str) else name.decode()
        full = text if text.startswith("/") else f"{self.root}/{text}"
        return full if full.startswith(f"{self.root}/") else None

    def settle(self, folder: str | None = None) -> None:
        """Put names on the disk: all, or those of a folder."""
        for name in self.seen.keys() | self.kept.keys():
            if folder is None or name.rpartition("/")[0] == folder:
                if name in self.seen:
                    self.kept[name] = self.seen[name]
                else:
                    del self.kept[name]

    def opened(self, rest: str, result: int) -> None:
        """Follow a file that was opened."""
        self.open.pop(result, None)
        path = self.path(texts(rest)[0])
        if path is None or ("O_CREAT" not in rest and path not in self.seen):
            return
        file = self.seen.setdefault(path, File())
        if "O_TRUNC" in rest:
            file.written.clear()
        self.open[result] = (file, 0, "O_APPEND" in rest)

    def put(self, handle: int, data: bytes, offset: int | None) -> None:
        """Follow a write."""
        file, at, appends = self.open[handle]
        if offset is None:
            at = len(file.written) if appends else at
            self.open[handle] = (file, at + len(data), appends)
        else:
            at = offset
        file.written.extend(bytes(max(at - len(file.written), 0)))
        file.written[at : at + len(data)] = data

    def sync(self, handle: int, path: str) -> None:
        """Follow a sync of a file or a folder."""
        if handle in self.open:
            file = self.open[handle][0]
            file.synced = bytes(file.written)
        if self.rule == "next sync":
            self.settle()
        elif path == self.root or self.path(path):
            self.settle(path)

    def renamed(self, rest: str) -> None:
        """Follow a renaming."""
        old, new = (self.path(text) for text in texts(rest)[:2])
        if old in self.seen and new:
            self.seen[new] = self.seen.pop(old)

    def follow(self, call: str, rest: str, result: int) -> None:
        """Follow one successful call."""
        match = HANDLE.match(rest)
        handle, path = (int(match[1]), plain(match[2])) if match else (-1, "")
        if call == "openat":
            self.opened(rest, result)
        elif call in ("fsync", "fdatasync"):
            self.sync(handle, path)
        elif call == "rename":
            self.renamed(rest)
        elif call == "unlink":
            self.seen.pop(self.path(texts(rest)[0]) or "", None)
        elif handle in self.open:
            self.change(call, handle, rest, result)
        if self.rule == "at once":
            self.settle()

    def change(self, call: str, handle: int, rest: str, result: int) -> None:
        """Follow a call on an open file."""
        file, _, appends = self.open[handle]
        if call == "close":
            del self.open[handle]
        elif call == "lseek":
            self.open[handle] = (file, result, appends)
        elif call == "ftruncate":
            size = int(rest.rpartition(",")[2])
            file.written[:] = file.written[:size].ljust(size, b"\0")
        elif call in ("write", "writev"):
            self.put(handle, b"".join(texts(rest))[:result], None)
        elif call == "pwrite64":
            self.put(handle, texts(rest)[0][:result], int(rest.rpartition(",")[2]))

    def left(self) -> dict[str, bytes]:
        """Return the files that a power loss would leave."""
        return {path: file.synced for path, file in self.kept.items()}


def replay(lines: list[str], root: Path, names: str) -> Iterator[tuple[str, str, Disk]]:
    """Follow a trace; yield each call that succeeded, what it was given, and the disk after it."""
    disk = Disk(root, names)
    for line in lines:
        match = LINE.match(line)
        if match and int(match["result"]) >= 0:
            disk.follow(match["call"], match["rest"], int(match["result"]))
            yield match["call"], match["rest"], disk
