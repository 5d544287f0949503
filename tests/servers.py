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

PROXY = """\
import sys
from optuna.storages import JournalStorage, run_grpc_proxy_server
from optuna.storages.journal import JournalFileBackend
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
run_grpc_proxy_server(storage, host="127.0.0.1", port=int(sys.argv[2]))
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
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
    raise TimeoutError(f"nobody listens on port {port}")


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
def postgresql(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the URL of an empty database: of the server that PGHOST names, else of one for now."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if "PGHOST" in os.environ:
        yield url_of(dict(os.environ))
        return
    if not shutil.which("pg_virtualenv"):
        pytest.skip("pg_virtualenv is not installed (Debian package postgresql-common)")
    server = subprocess.Popen(
        ["pg_virtualenv", "-t", "sh", "-c", "env; echo; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    lines = iter(server.stdout.readline, "\n")
    known = dict(line.rstrip("\n").partition("=")[::2] for line in lines if line.startswith("PG"))
    try:
        monkeypatch.setenv("PGPASSWORD", known["PGPASSWORD"])
        yield url_of(known)
    finally:
        server.communicate("\n")


def url_of(known: dict[str, str]) -> str:
    """Return the URL of a new database on the server that libpq's variables name."""
    import psycopg

    host, port, user = known["PGHOST"], known["PGPORT"], known["PGUSER"]
    name = f"t{time.time_ns()}"
    with psycopg.connect(
        host=host, port=port, user=user, password=known["PGPASSWORD"], autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql+psycopg://{user}@{host}:{port}/{name}"
