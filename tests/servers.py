"""Servers that several machines share, for tests: PostgreSQL, and Optuna's proxy for a storage."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

URL = "postgresql+psycopg://"  # libpq reads everything else from its environment variables
PROXY = """\
import sys
from optuna.storages import JournalStorage, run_grpc_proxy_server
from optuna.storages.journal import JournalFileBackend
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
run_grpc_proxy_server(storage, host="127.0.0.1", port=int(sys.argv[2]))
"""


def free_port() -> int:
    """Return a port on which no process listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[str]) -> None:
    """Wait until a server listens."""
    for _ in range(300):
        assert process.poll() is None, "the server has ended"
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"no process listens on port {port}")


@contextmanager
def grpc_proxy(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run Optuna's proxy over a journal; give its URL and process."""
    pytest.importorskip("grpc", reason="grpcio is not installed")
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-c", PROXY, str(folder / "proxy.log"), str(port)]
    process = subprocess.Popen(command, text=True, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield f"grpc://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


@contextmanager
def postgres_server() -> Iterator[dict[str, str]]:
    """Yield the environment variables of a server: of the one that is there, or a new one."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'psycopg[binary]'")
    if "PGHOST" in os.environ:
        yield {name: value for name, value in os.environ.items() if name.startswith("PG")}
        return
    if shutil.which("pg_virtualenv") is None:
        pytest.skip("no PostgreSQL server: needs pg_virtualenv of Debian's postgresql-common")
    command = ["pg_virtualenv", "-t", "sh", "-c", "env; echo READY; exec cat"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin
        assert running.stdout
        found = {}
        for line in running.stdout:
            name, _, value = line.rstrip("\n").partition("=")
            if name.startswith("PG"):
                found[name] = value
            if name == "READY":
                break
        else:
            pytest.skip("pg_virtualenv starts no server here")
        try:
            yield found
        finally:
            running.stdin.close()
            running.stdout.read()  # else its last words meet a closed pipe, and the server stays


@contextmanager
def new_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Set libpq's variables to a new, empty database; give its URL."""
    with postgres_server() as known:
        import psycopg

        for name, value in known.items():
            monkeypatch.setenv(name, value)
        database = f"t{time.time_ns()}"
        with psycopg.connect(autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}".encode())
        monkeypatch.setenv("PGDATABASE", database)
        yield URL
