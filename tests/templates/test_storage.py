"""Storage: addresses, durable commits, and what is said when one does not work."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.storages import RDBStorage

from hpo_script.command_line import parse_arguments, without_password
from hpo_script.experiment import UnusableError
from hpo_script.storage import (
    StorageError,
    connect,
    file_of,
    is_of_storage,
    lock_folder,
    one_commit,
    open_storage,
    trouble,
)
from hpo_script.study import differences, refuse_lost

LOG = Path("logs/study.log")


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///a/study.db", "a/study.db"),
        ("sqlite:////a/study.db", "/a/study.db"),
        ("sqlite+pysqlite:///study.db?timeout=5", "study.db"),
        ("journal://a/study.journal", "a/study.journal"),
        ("journal:///a/study.journal", "/a/study.journal"),
        ("sqlite://", None),
        ("postgresql+psycopg://me@host/db", None),
        ("grpc://localhost:13000", None),
    ],
)
def test_a_storage_that_is_a_file_is_known_by_its_address(url: str, file: str | None) -> None:
    assert file_of(url) == (Path(file).absolute() if file else None)


def test_locks_lie_beside_the_file_and_else_where_the_machine_keeps_such_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    beside = lock_folder(f"sqlite:///{tmp_path}/study.db")
    far = lock_folder("postgresql+psycopg://me:s3cret@host/db")

    assert beside == tmp_path / "study.db.locks"
    assert beside.is_dir()
    assert far.parent == tmp_path / "temporary"
    assert far.is_dir()
    assert lock_folder("postgresql+psycopg://me:s3cret@host/other") != far
    assert lock_folder("postgresql+psycopg://me:s3cret@host/db") == far


SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-z@.%0-9]{0,8}", fullmatch=True)


@given(NAMES, SECRETS)
@example("me@company.com", "s3cret")
@example("", "a@b:c/d?e")
@example("me", "two\nlines")
def test_a_password_does_not_survive(user: str, password: str) -> None:
    secret = f"<{password}>"

    assert secret not in without_password(f"postgresql+psycopg://{user}:{secret}@host:5432/db")
    assert secret not in without_password(f"postgresql://host/db?user={user}&password={secret}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///a/study.db", "sqlite:///a/study.db"),
        ("journal://study.journal", "journal://study.journal"),
        ("grpc://localhost:13000", "grpc://localhost:13000"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("postgresql://me:s3cret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://host/db?password=s3cret", "postgresql://host/db?***"),
    ],
)
def test_what_is_no_password_is_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@host/db",
        "postgresql://me@company.com:s3cret@host/db",
        "postgresql://host/db?user=me&password=s3cret",
    ],
)
def test_a_password_on_the_command_line_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    monkeypatch.setattr(sys, "argv", ["script.py", "--storage", url])
    with pytest.raises(SystemExit) as refused:
        parse_arguments("About.\n\nUsage.", "script", "data.csv", 5, 1, None)
    said = capsys.readouterr().err

    assert refused.value.code == 2
    assert "put the URL into OPTUNA_STORAGE" in " ".join(said.split())
    assert "s3cret" not in said
    monkeypatch.setattr(sys, "argv", ["script.py"])
    monkeypatch.setenv("OPTUNA_STORAGE", url)
    arguments = parse_arguments("About.\n\nUsage.", "script", "data.csv", 5, 1, None)
    assert arguments.storage == url
    assert "s3cret" not in json.dumps(arguments.overrides)


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("postgresql+psycopg://me:Sec@ret@host/db", True),
        ("postgresql://me:S/ec@ret@host/db", True),
        ("postgresql://me:Sec%40ret@host/db", False),
        ("sqlite:////home/a@b/c@d.db", False),
        ("journal://a@b/c@d.log", False),
    ],
)
def test_an_at_sign_in_a_password_is_not_taken_for_the_beginning_of_the_host(
    url: str, refused: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["script.py"])
    monkeypatch.setenv("OPTUNA_STORAGE", url)
    if not refused:
        parse_arguments("About.\n\nUsage.", "script", "data.csv", 5, 1, None)
        return
    with pytest.raises(SystemExit) as ended:
        parse_arguments("About.\n\nUsage.", "script", "data.csv", 5, 1, None)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "write an @ in a password as %40" in said
    assert "ret" not in said.replace("script.py", "")


@pytest.mark.parametrize("minutes", ["-1", "nan", "inf", "five", "1e3", ""])
def test_checkpoint_minutes_are_a_number_from_0_up(
    minutes: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["script.py", "--checkpoint-minutes", minutes])
    with pytest.raises(SystemExit) as refused:
        parse_arguments("About.\n\nUsage.", "script", "data.csv", 5, 1, None)

    assert refused.value.code == 2
    assert "--checkpoint-minutes" in capsys.readouterr().err


def test_commits_are_synced_before_they_count(tmp_path: Path) -> None:
    storage = connect(f"sqlite:///{tmp_path}/study.db")
    assert isinstance(storage, RDBStorage)
    with storage.engine.connect() as connection:
        (synchronous,) = connection.exec_driver_sql("PRAGMA synchronous").one()
    storage.engine.dispose()

    assert synchronous == 3  # EXTRA


def said_of(url: str) -> str:
    """Return what is said when a storage cannot be opened."""
    with pytest.raises(StorageError) as refused:
        open_storage(url)
    assert is_of_storage(refused.value.__cause__) or isinstance(refused.value.__cause__, Exception)
    return trouble(url, LOG, refused.value.__cause__)


def write_study(url: str) -> None:
    """Write a study of a few trials."""
    storage = connect(url)
    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    if isinstance(storage, RDBStorage):
        storage.remove_session()
        storage.engine.dispose()


def test_a_file_that_is_no_database_is_named_with_the_command_that_rebuilds_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "study.db"
    file.write_bytes(b"not a database at all " * 100)
    said = said_of(f"sqlite:///{file}")

    assert said.startswith(f"the storage {file} is damaged (")
    assert said.endswith(
        f"Move it away, rebuild the study from its log, and run this again:"
        f" recover-trials {LOG} --to-storage sqlite:///{file}"
    )
    assert file.read_bytes() == b"not a database at all " * 100


def test_a_database_that_was_cut_is_named_as_damaged(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    write_study(f"sqlite:///{file}")
    os.truncate(file, file.stat().st_size // 2)

    with pytest.raises(Exception, match="malformed") as refused:
        write_study(f"sqlite:///{file}")
    assert f"{file} is damaged" in trouble(f"sqlite:///{file}", LOG, refused.value)


@pytest.mark.parametrize("tail", [b'{"op_code": 4, "wor', b"\n{]\n"])
def test_a_torn_journal_is_named_with_the_command_that_repairs_it(
    tail: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "study.journal"
    write_study(f"journal://{file}")
    with file.open("ab") as journal:
        journal.write(tail)
    before = file.read_bytes()
    said = said_of(f"journal://{file}")

    assert said.startswith(f"the journal {file} is damaged (")
    assert said.endswith(f"recover-trials --repair {file}")
    assert file.read_bytes() == before
    repair = [Path(sys.executable).with_name("recover-trials"), "--repair", file]
    subprocess.run(repair, check=True, capture_output=True)
    write_study(f"journal://{file}")


@pytest.mark.parametrize("scheme", ["sqlite:///", "journal://"])
def test_a_folder_that_is_not_there_is_named(scheme: str, tmp_path: Path) -> None:
    said = said_of(f"{scheme}{tmp_path}/none/study")

    assert said.startswith(f"the storage {tmp_path}/none/study cannot be written: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("scheme", ["sqlite:///", "journal://"])
def test_a_file_that_is_read_only_is_named(scheme: str, tmp_path: Path) -> None:
    write_study(f"{scheme}{tmp_path}/study")
    (tmp_path / "study").chmod(0o400)
    with pytest.raises(Exception, match=r"readonly|denied") as refused:
        write_study(f"{scheme}{tmp_path}/study")

    said = trouble(f"{scheme}{tmp_path}/study", LOG, refused.value)
    assert said.startswith(f"the storage {tmp_path}/study cannot be written: ")


def test_a_full_disk_is_no_damage(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as full:
        connection.executescript("CREATE TABLE a (b); CREATE TABLE c (d); CREATE TABLE e (f);")
    connection.close()
    with pytest.raises(OSError, match="No space left") as device:
        Path("/dev/full").write_bytes(b"a")

    quota = OSError(errno.EDQUOT, "Disk quota exceeded")
    for error in (full.value, device.value, quota):
        said = trouble(f"sqlite:///{file}", LOG, error)
        assert said.startswith(f"no space is left for {file}; free some and run this again")
        assert is_of_storage(error)


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_named_with_the_way_out(error: str, tmp_path: Path) -> None:
    url = f"journal://{tmp_path}/study.log"
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from hpo_script.storage import StorageError, open_storage, trouble
try:
    open_storage({url!r})
except StorageError as found:
    print(trouble({url!r}, Path("log"), found.__cause__))
"""
    inject = ["-e", "trace=flock", "-e", f"inject=flock:error={error}"]
    command = ["strace", "-f", "-qq", "-o", "/dev/null", *inject, sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.startswith(f"{tmp_path} has no working locks (OSError: [Errno ")
    assert "give --out or --storage on a disk of this machine" in done.stdout


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    pytest.importorskip("psycopg")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"postgresql+psycopg://me:s3cret@127.0.0.1:{port}/db"
    with pytest.raises(Exception, match="refused") as refused:
        connect(url)

    assert is_of_storage(refused.value)
    said = trouble(url, LOG, refused.value)
    assert said.startswith("the storage cannot be used: OperationalError: ")
    assert "s3cret" not in said


def test_an_address_that_is_none_is_named_without_its_password() -> None:
    assert "s3cret" not in said_of("nonsense://me:s3cret@host")
    url = "postgresql://me:s3cret@host/db"
    assert "s3cret" not in trouble(url, LOG, ValueError(f"cannot parse {url}"))


def test_a_mistake_of_the_script_is_not_the_storages() -> None:
    assert not is_of_storage(ValueError("x"))
    assert not is_of_storage(KeyError("x"))
    assert not is_of_storage(None)
    assert is_of_storage(sqlite3.OperationalError("database is locked"))


def test_results_without_their_study_are_not_begun_anew(tmp_path: Path) -> None:
    storage = connect(f"sqlite:///{tmp_path}/study.db")
    refuse_lost("s", storage, "URL", tmp_path, LOG)
    (tmp_path / "all_trials.json").write_text("{}")

    with pytest.raises(UnusableError, match=f"recover-trials {LOG} --to-storage URL"):
        refuse_lost("s", storage, "URL", tmp_path, LOG)
    optuna.create_study(storage=storage, study_name="s")
    refuse_lost("s", storage, "URL", tmp_path, LOG)
    assert isinstance(storage, RDBStorage)
    storage.remove_session()
    storage.engine.dispose()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(JSON)
def test_a_value_does_not_differ_from_itself(value: object) -> None:
    assert differences(value, json.loads(json.dumps(value))) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["a.c was 2, is 3"]),
        ({"a": {"b": 1}}, {"a": {}}, ["a.b was 1, is null"]),
        ({}, {"a": "x"}, ['a was null, is "x"']),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a was [1, 2], is [1, 3]"]),
        ({"a": {"b": 1}}, {"a": 1}, ['a was {"b": 1}, is 1']),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}, ["a was 1, is 2", "b was 2, is 1"]),
        ({"a": "x" * 100}, {"a": 1}, [f'a was "{"x" * 58}…, is 1']),
        ({"a": "x\x1b[2J\n"}, {"a": 1}, ['a was "x\\u001b[2J\\n", is 1']),
    ],
)
def test_what_differs_is_told_with_its_place(old: object, new: object, said: list[str]) -> None:
    assert differences(old, new) == said


def seen_by_others(url: str) -> list[dict[str, object]]:
    """Return the attributes of every trial, as another connection reads them."""
    study = optuna.load_study(study_name="study", storage=RDBStorage(url))
    return [trial.user_attrs for trial in study.trials]


def test_what_is_written_in_one_commit_is_seen_by_others_only_when_it_ends(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    storage = connect(url)
    study = optuna.create_study(study_name="study", storage=storage)
    trial = study.ask()

    with one_commit(storage):
        trial.set_user_attr("one", 1)
        trial.suggest_float("x", 0, 1)
        trial.set_user_attr("two", 2)
        within = study.trials[0].user_attrs
        study.tell(trial, 0.5)
        assert seen_by_others(url) == [{}]

    assert within == {"one": 1, "two": 2}
    assert seen_by_others(url) == [{"one": 1, "two": 2}]
    assert optuna.load_study(study_name="study", storage=url).best_value == 0.5


def test_of_one_commit_that_fails_nothing_stays_and_what_follows_does(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    storage = connect(url)
    study = optuna.create_study(study_name="study", storage=storage)
    trial = study.ask()

    with suppress(RuntimeError), one_commit(storage):
        trial.set_user_attr("one", 1)
        raise RuntimeError
    trial.set_user_attr("two", 2)

    assert seen_by_others(url) == [{"two": 2}]


def test_one_commit_does_not_hold_what_other_threads_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    storage = connect(url)
    study = optuna.create_study(study_name="study", storage=storage)
    one, two = study.ask(), study.ask()

    with suppress(RuntimeError), one_commit(storage):
        thread = threading.Thread(target=two.set_user_attr, args=("two", 2))
        thread.start()
        thread.join()
        one.set_user_attr("one", 1)
        raise RuntimeError

    assert seen_by_others(url) == [{}, {"two": 2}]


def test_where_there_are_no_commits_everything_is_written_as_ever(tmp_path: Path) -> None:
    storage = connect(f"journal://{tmp_path}/study.journal")
    trial = optuna.create_study(study_name="study", storage=storage).ask()

    with one_commit(storage):
        trial.set_user_attr("one", 1)

    again = optuna.load_study(
        study_name="study", storage=connect(f"journal://{tmp_path}/study.journal")
    )
    assert again.trials[0].user_attrs == {"one": 1}
