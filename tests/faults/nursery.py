"""A process that has torch and Optuna loaded and forks a child for each run of a script.

A start then takes milliseconds instead of seconds; signals, tracers and full disks meet the child
as they would meet `python -I script.py`.

    python -I nursery.py    one JSON job a line on stdin, one JSON answer a line on stdout
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import sys
import warnings
from typing import Any

# What a first run loads beyond the imports of the script.
LOADED = (
    *("torch", "torch._dynamo", "numpy", "pandas", "optuna", "optuna.samplers._tpe.sampler"),
    *("torch.utils.flop_counter", "torch.optim.adamw"),
)
PR_SET_PTRACER, ANYBODY = 0x59616D61, ctypes.c_ulong(-1)


def load() -> None:
    """Import everything."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LOADED:
            importlib.import_module(name)


def become(job: dict[str, Any]) -> None:
    """Turn this forked process into the run of a script."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has it ignored
    os.setsid()
    output = os.open(job["output"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)
    for target in (1, 2):
        os.dup2(output, target)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.closerange(3, 256)  # the pipes to the parent, and those of its other children
    os.chdir(job["folder"])
    os.environ.update(job["environment"])
    sys.argv = job["arguments"]
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # a fresh process would not share it with its siblings
    if job["held"]:
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANYBODY, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)  # until a tracer is there
    runpy.run_path(job["arguments"][0], run_name="__main__")


def ended() -> list[dict[str, int]]:
    """Return the children that have ended."""
    found = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == 0:
            break
        found.append({"ended": pid, "code": os.waitstatus_to_exitcode(status)})
    return found


def answer(pipe: int, message: dict[str, int]) -> None:
    """Write one answer."""
    os.write(pipe, json.dumps(message).encode() + b"\n")


def serve() -> dict[str, Any] | None:
    """Fork children until stdin is closed; return the job in a child, None in the parent."""
    load()
    gc.freeze()  # its objects stay shared with the children
    answers = os.dup(1)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    answer(answers, {"ready": os.getpid()})
    rest = b""
    while True:
        ready = {key.fd for key, _ in selector.select()}
        if woken in ready:
            os.read(woken, 4096)
        got = os.read(0, 65536) if 0 in ready else None
        *lines, rest = (rest + (got or b"")).split(b"\n")
        for line in lines:
            pid = os.fork()
            if pid == 0:
                selector.close()
                return json.loads(line)
            answer(answers, {"started": pid})
        for message in ended():
            answer(answers, message)
        if got == b"":
            return None


if __name__ == "__main__":
    if job := serve():
        become(job)
