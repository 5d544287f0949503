"""Log file: opened by the script itself, each line appended by one write."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from hpo_script.trial_log import defused, format_event, time_stamp


def say(text: str, end: str = "\n") -> None:
    """Print to stderr; a closed terminal must not end the run."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        sys.stderr = io.StringIO()


class TrialLog:
    """The log of one run; `study` and `run` stand on every line."""

    def __init__(self, path: Path, *, study: str, run: str) -> None:
        self.identity = {"study": study, "run": run}
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        known = os.pread(self.file, os.fstat(self.file).st_size, 0)
        if known and not known.endswith(b"\n"):
            self.append("")  # a run was killed within a line
        ended = rf'Trial (\d+) ended: .*study="{study}", run="\w+" ;'.encode()
        self.ended = {int(number) for number in re.findall(ended, known)}

    def write(self, event: str, fields: Mapping[str, object], *, level: str = "I") -> None:
        """Append one event of LOG_EVENTS."""
        now = datetime.now()
        self.append(format_event(event, {**fields, **self.identity}, time=now, level=level))

    def write_plain(self, message: str, *, level: str = "I") -> None:
        """Append a line as Optuna's own logger would write it."""
        self.append(time_stamp(datetime.now(), level) + defused(message, "("))

    def append(self, line: str) -> None:
        """Write a line; a full disk is said and survived: it must not end days of training."""
        rest = f"{line}\n".encode()
        try:
            while rest:  # twice only if the disk fills up within the line
                rest = rest[os.write(self.file, rest) :]
        except OSError as error:
            say(f"log: {error.strerror}; not in the file: {line}")
