"""Warm runs: a process that has torch and Optuna loaded forks a child for each run of a file.

The file is a rendered script or a command of hpogen. A start takes a tenth of a second instead of
four. Signals, tracers and full disks meet the child as they would meet `python -I script.py`. A
run ends with its client; all end when stdin is closed.

    python -I warm.py serve [FOLDER …]      serve at a socket, whose path is printed, with packages
                                            of these folders before the installed ones
    python -I warm.py run SOCKET FILE …     run a file there in the place of this process: the same
                                            folder, environment, output, largest file, signals
                                            and exit code
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# What a first run loads beyond the imports of the script: also storages, baselines and commands.
LOADED = (
    *("torch", "torch._dynamo", "numpy", "pandas", "optuna", "optuna.samplers._tpe.sampler"),
    *("torch.utils.flop_counter", "torch.optim.adamw"),
    *("optuna.storages._rdb.models", "alembic.command", "sqlalchemy.dialects.sqlite"),
    *("sklearn.ensemble", "sklearn.gaussian_process", "safetensors.torch"),
    *("hpogen.cli", "hpogen.spec", "hpogen.rendering.render", "hpogen.run.command"),
    *("recover_trials.cli", "recover_trials.read", "rich.console", "rich.live"),
)
PR_SET_PDEATHSIG, PR_SET_PTRACER, ANYBODY = 1, 0x59616D61, ctypes.c_ulong(-1)
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
Job = dict[str, Any]


# --- The side of the tests -----------------------------------------------------------------------


class Warm:
    """A server, until this process ends."""

    def __init__(self, *ahead: Path) -> None:
        """Start it; packages in the folders `ahead` come before the installed ones."""
        self.process = subprocess.Popen(
            [sys.executable, "-I", __file__, "serve", *map(str, ahead)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # an interrupt of the tests does not reach it
            text=True,
        )
        assert self.process.stdout
        self.socket = self.process.stdout.readline().strip()

    def close(self) -> None:
        """End it, after all its runs."""
        self.process.communicate()


class Run:
    """A process that runs a script."""

    def __init__(
        self,
        server: str,
        folder: str | Path,
        arguments: Sequence[str],
        files: Sequence[int],
        *,
        environment: Mapping[str, str] | None = None,
        held: bool = False,
    ) -> None:
        """Start it.

        Args:
            server: Path of the server's socket.
            folder: Working folder.
            arguments: The script, then its arguments.
            files: File descriptors of its standard output and error; standard input before them
                unless it is empty.
            environment: Its variables; those of this process unless given.
            held: Whether it waits, stopped, until a tracer continues it.
        """
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(server)
        job = {"folder": str(folder), "arguments": [*arguments], "held": held}
        job["environment"] = dict(environment or os.environ)
        job["file_size"] = resource.getrlimit(resource.RLIMIT_FSIZE)
        socket.send_fds(self.connection, [b"\n"], list(files))
        self.connection.sendall(json.dumps(job).encode() + b"\n")
        self.answers = self.connection.makefile()
        self.pid = int(self.answers.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int | None:
        """Return the exit code, minus the signal that ended it; None if it still runs then."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self.connection, selectors.EVENT_READ)
                if not selector.select(timeout):
                    return None
            self.returncode = int(self.answers.readline())
            self.answers.close()
            self.connection.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self.wait(0)

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


def stand_for(server: str, arguments: Sequence[str]) -> None:
    """Be the run of a file for the process that started this one."""
    run = Run(server, Path.cwd(), arguments, (0, 1, 2))
    for number in FORWARDED:
        signal.signal(number, lambda number, _frame: run.send_signal(number))
    code = run.wait()
    assert code is not None
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


# --- The side of the server ----------------------------------------------------------------------


def load() -> None:
    """Import everything; what is loaded stays shared with the children."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LOADED:
            importlib.import_module(name)
    gc.freeze()


def receive(connection: socket.socket) -> Job:
    """Return the job that a client sends, with its file descriptors."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile() as lines:
        job: Job = json.loads(lines.readline())
    if len(files) == 2:
        files = [os.open(os.devnull, os.O_RDONLY), *files]
    return {**job, "files": files}


def become(job: Job) -> None:
    """Turn this forked process into the run of a script."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has it ignored
    os.setsid()
    for target, file in enumerate(job["files"]):
        os.dup2(file, target)
        os.close(file)
    resource.setrlimit(resource.RLIMIT_FSIZE, tuple(job["file_size"]))
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.argv = job["arguments"]
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # a fresh process would not share it with its siblings
    if sys.platform == "linux":
        process = ctypes.CDLL(None)
        process.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        process.prctl(PR_SET_PTRACER, ANYBODY, 0, 0, 0)
    if job["held"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    try:
        runpy.run_path(job["arguments"][0], run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            end_at_once(end.code or 0)
        raise
    end_at_once(0)


def end_at_once(code: int) -> None:
    """End as Python does, but without taking all modules apart, which takes as long as a study."""
    threading._shutdown()
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Server:
    """Forks a child for each connection."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="warm-"))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / "socket"))
        self.listener.listen(64)
        self.woken, self.wake = os.pipe()
        for end in (self.woken, self.wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.wake)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self.selector = selectors.DefaultSelector()
        for each in (0, self.woken, self.listener):
            self.selector.register(each, selectors.EVENT_READ)
        self.runs: dict[int, socket.socket] = {}
        with contextlib.suppress(BrokenPipeError):  # the tests ended meanwhile
            os.write(1, f"{self.folder}/socket\n".encode())

    def serve(self) -> Job | None:
        """Fork children until stdin is closed; return the job in a child, None in the parent."""
        while True:
            ready = [key.fileobj for key, _ in self.selector.select()]
            if self.woken in ready:
                os.read(self.woken, 4096)
            for pid, connection in [*self.runs.items()]:
                self.reap(pid, kill=connection in ready or 0 in ready)
            if 0 in ready:
                shutil.rmtree(self.folder)
                return None
            if self.listener in ready and (job := self.fork()):
                return job

    def fork(self) -> Job | None:
        """Start the run of a client; return the job in the child, None in the parent."""
        connection, _ = self.listener.accept()
        job = receive(connection)
        pid = os.fork()
        if pid == 0:
            connection.close()
            self.leave()
            return job
        for file in job["files"]:
            os.close(file)
        self.runs[pid] = connection
        self.selector.register(connection, selectors.EVENT_READ)
        connection.sendall(f"{pid}\n".encode())
        return None

    def leave(self) -> None:
        """Close in a child what only the parent needs."""
        signal.set_wakeup_fd(-1)
        self.selector.close()
        for connection in (self.listener, *self.runs.values()):
            connection.close()
        for end in (self.woken, self.wake):
            os.close(end)

    def reap(self, pid: int, *, kill: bool) -> None:
        """Report the end of a run, if it has ended; kill it if its client is gone."""
        if kill:
            os.kill(pid, signal.SIGKILL)
        found, status = os.waitpid(pid, 0 if kill else os.WNOHANG)
        if found == 0:
            return
        connection = self.runs.pop(pid)
        self.selector.unregister(connection)
        with contextlib.suppress(OSError):
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        connection.close()


def main() -> None:
    """Serve, or run a file at a server."""
    what, *words = sys.argv[1:]
    if what == "run":
        stand_for(words[0], words[1:])
    sys.path[:0] = words
    load()
    if job := Server().serve():
        become(job)


if __name__ == "__main__":
    main()
