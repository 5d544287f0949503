"""Warm runs: a process that has torch and Optuna loaded forks a child for each run of a script.

A start takes a tenth of a second instead of four. The child runs as under `python -I`.

    python -I warm.py    one JSON job a line on stdin, one exit code a line on stdout
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOADED = (
    *("torch", "torch._dynamo", "numpy", "pandas", "optuna", "optuna.samplers._tpe.sampler"),
    *("torch.utils.flop_counter", "torch.optim.adamw"),
)


@functools.cache
def parent() -> subprocess.Popen[str]:
    """Return the process that forks; it ends with this one."""
    process = subprocess.Popen(
        [sys.executable, "-I", __file__],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.communicate)
    return process


def run_warm(script: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a script in its folder; return its exit code and output."""
    process = parent()
    assert process.stdin
    assert process.stdout
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        words = [script.name, *arguments]
        job = {"folder": str(script.parent), "out": str(out), "err": str(err), "arguments": words}
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())


def serve() -> dict[str, Any] | None:
    """Fork children until stdin is closed; return the job in a child, None in the parent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LOADED:
            importlib.import_module(name)
    gc.freeze()  # its objects stay shared with the children
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            job: dict[str, Any] = json.loads(line)
            return job
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    return None


def become(job: dict[str, Any]) -> None:
    """Turn this forked process into the run of a script."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for target, path in ((0, os.devnull), (1, job["out"]), (2, job["err"])):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), target)
    os.chdir(job["folder"])
    sys.argv = job["arguments"]
    sys.modules["numpy"].random.seed()  # a fresh process would not share it with its siblings
    runpy.run_path(job["arguments"][0], run_name="__main__")


if __name__ == "__main__":
    if job := serve():
        become(job)
