"""A PostgreSQL server for tests: that of the environment, or one that pg_virtualenv starts."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

URL = "postgresql+psycopg://"  # everything else is told by the variables of libpq


@contextmanager
def server() -> Iterator[dict[str, str]]:
    """Yield the variables that lead to a server; skip the test where there can be none."""
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
