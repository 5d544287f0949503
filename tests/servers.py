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

from children import child, kept

URL = "postgresql+psycopg://"  # libpq reads everything else from its environment variables
PROXY = """\
import sys
from optuna.storages import JournalStorage, run_grpc_proxy_server
from optuna.storages.journal import JournalFileBackend
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
run_grpc_proxy_server(storage, host="127.0.0.1", port=int(sys.argv[2]))
"""
POSTGRES = """\
"$0/initdb" -D data -U postgres -A trust --no-sync >said 2>&1 || exit 1
exec "$0/postgres" -D data -k "$PWD" -c listen_addresses= -c fsync=off >>said 2>&1
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
    proxy = [sys.executable, "-W", "ignore", "-c", PROXY, folder / "proxy.log", str(port)]
    process = subprocess.Popen(child(*proxy), text=True, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield f"grpc://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's server, which Debian keeps out of PATH."""
    for found in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        return found
    known = shutil.which("postgres")
    return Path(known).parent if known else None


def answers(folder: Path) -> bool:
    """Return whether a PostgreSQL server accepts connections at a socket in a folder."""
    import psycopg

    try:
        psycopg.connect(f"host={folder} user=postgres").close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def postgres_server() -> Iterator[dict[str, str]]:
    """Yield the environment variables of a server: of the one that is there, or a new one."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if "PGHOST" in os.environ:
        yield {name: value for name, value in os.environ.items() if name.startswith("PG")}
        return
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server (Debian: postgresql)")
    command = ["sh", "-c", POSTGRES, str(programs)]
    user = "postgres" if os.getuid() == 0 else None  # root may not run it
    with kept(command, user=user, prefix="postgres-") as (folder, keeper):
        while not answers(folder):
            if keeper.poll() is not None:
                pytest.skip("PostgreSQL does not start here")
            time.sleep(0.1)
        yield {"PGHOST": str(folder), "PGUSER": "postgres", "PGDATABASE": "postgres"}


def new_database(monkeypatch: pytest.MonkeyPatch, server: dict[str, str]) -> str:
    """Set libpq's variables to a new, empty database of a server; return its URL."""
    import psycopg

    for name, value in server.items():
        monkeypatch.setenv(name, value)
    database = f"t{time.time_ns()}"
    with psycopg.connect(autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}".encode())
    monkeypatch.setenv("PGDATABASE", database)
    return URL
