"""Every kind of storage that a script takes is written whole, also by a killed process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial

from postgres import URL, server
from recover_samples import HOSTILE_TEXTS, SampleLog
from recover_trials.errors import MissingPackageError
from recover_trials.model import Study, Trial
from recover_trials.rebuild import rebuild
from recover_trials.storages import open_storage

N_TRIALS, KILLS = 24, 3
NAME = "hpo_2M_h1"


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """Open a storage and close its connections."""
    storage: Any = open_storage(url)
    yield storage
    storage.remove_session()
    if hasattr(storage, "_backend") and hasattr(storage._backend, "engine"):
        storage._backend.engine.dispose()


class Place(NamedTuple):
    """A storage: its URL, the folder of the log, and the environment that leads to it."""

    url: str
    folder: Path
    environment: dict[str, str]

    def trials(self) -> list[FrozenTrial]:
        """Return the trials of the study; none if it is not there yet."""
        with opened(self.url) as storage:
            try:
                return optuna.load_study(study_name=NAME, storage=storage).trials
            except KeyError:
                return []

    def start(self, log: str = "x.log") -> subprocess.Popen[str]:
        """Write a log to the storage, as a user would."""
        return subprocess.Popen(
            [sys.executable, "-m", "recover_trials", log, "--to-storage", self.url],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def write(self, log: str = "x.log") -> tuple[int, str, str]:
        """Write a log to the storage; return the exit code and what is printed."""
        running = self.start(log)
        out, error = running.communicate()
        return running.returncode, out, error.splitlines()[-1]


def log_of(n_trials: int, value: float = 0.0) -> str:
    """Return a log: the last trial has begun and not ended."""
    log = SampleLog()
    log.open_run()
    for number in range(n_trials):
        log.start(number)
        for epoch in range(1, 4):
            log.evaluate(number, epoch, val_loss=value + 1 / (number + epoch))
        if number < n_trials - 1:
            log.end(number, "PRUNED" if number % 5 == 4 else "COMPLETE", value + 1 / (number + 3))
    return "".join(f"{line}\n" for line in log.lines)


@pytest.fixture(scope="module")
def postgres() -> Iterator[dict[str, str]]:
    with server() as variables:
        yield variables


@pytest.fixture(params=["sqlite", "journal", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """Return an empty storage of each kind, and a log beside it."""
    (tmp_path / "x.log").write_text(log_of(N_TRIALS))
    monkeypatch.chdir(tmp_path)
    urls = {"sqlite": "sqlite:///new/s.db", "journal": "journal://new/s.journal"}
    if request.param in urls:
        yield Place(urls[request.param], tmp_path, {})
        return
    variables = request.getfixturevalue("postgres")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield Place(URL, tmp_path, variables)
    with opened(URL) as storage:
        optuna.delete_study(study_name=NAME, storage=storage)


def told(trial: FrozenTrial) -> dict[str, Any]:
    """Return everything that a trial tells, comparable between storages."""
    left_out = ("_trial_id", "trial_id")
    return {name: v for name, v in vars(trial).items() if name not in left_out}


def reference() -> list[dict[str, Any]]:
    """Return the trials as they are in memory."""
    (Path.cwd() / "reference.log").write_text(log_of(N_TRIALS))
    place = Place("sqlite:///reference.db", Path.cwd(), {})
    assert place.write("reference.log")[0] == 0
    return [told(trial) for trial in place.trials()]


def test_a_storage_that_has_part_of_the_trials_gets_the_rest(place: Place) -> None:
    whole = log_of(4).split("[I ")
    (place.folder / "short.log").write_text("[I ".join(whole[:-4]))
    assert place.write("short.log")[:2] == (0, f"{NAME}: 3 trials written\n")
    out = f"{NAME}: {N_TRIALS - 3} trials written; 3 there before\n"
    assert place.write()[:2] == (0, out)
    states = [trial.state.name for trial in place.trials()]
    assert states[:5] == ["COMPLETE"] * 4 + ["PRUNED"]
    assert states[-1] == "WAITING"
    assert len(states) == N_TRIALS


def test_killed_at_any_moment_and_run_again_the_storage_is_whole(place: Place) -> None:
    chance = random.Random(place.url)  # noqa: S311
    known, seen = reference(), []
    for _ in range(KILLS):
        running, wanted = place.start(), chance.randrange(N_TRIALS)
        while running.poll() is None and written(place) < wanted:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.01)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        (place.folder / "new" / "s.journal.lock").unlink(missing_ok=True)  # else it waits 30 s
        found = [told(trial) for trial in place.trials()]
        assert found == known[: len(found)]
        seen.append(len(found))
    code, out, _ = place.write()
    assert (code, out.startswith(f"{NAME}: ")) == (0, True)
    assert [told(trial) for trial in place.trials()] == known
    assert place.write()[1] == f"{NAME}: 0 trials written; {N_TRIALS} there before\n"
    assert seen == sorted(seen)
    assert any(0 < n < N_TRIALS for n in seen)


def written(place: Place) -> int:
    """Return how many trials are in a storage that another process writes to."""
    if place.url.startswith("journal"):
        path = place.folder / "new" / "s.journal"
        return path.read_bytes().count(b'"op_code":4') if path.exists() else 0
    if place.url.startswith("sqlite") and not (place.folder / "new" / "s.db").exists():
        return 0
    import sqlalchemy

    engine = sqlalchemy.create_engine(place.url, poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection:
            return int(connection.execute(sqlalchemy.text("SELECT count(*) FROM trials")).scalar())
    except sqlalchemy.exc.DBAPIError:
        return 0


def test_a_storage_that_has_more_or_other_trials_is_left_as_it_is(place: Place) -> None:
    logs = {"whole": log_of(5), "short": log_of(4), "long": log_of(6), "other": log_of(5, 1.0)}
    for name, text in logs.items():
        (place.folder / f"{name}.log").write_text(text)
    assert place.write("whole.log")[0] == 0
    before = [told(trial) for trial in place.trials()]
    instead = "nothing was written. Give another storage, or delete that study"
    for name, wrong in {
        "short": "is there with 5 trials, the log has 4",
        "long": "is there as WAITING None, the log has PRUNED [0.14285714285714285]",
        "other": "is there as COMPLETE [0.3333333333333333], the log has COMPLETE [1.33333333333",
    }.items():
        code, out, error = place.write(f"{name}.log")
        assert (code, out) == (2, "")
        assert wrong in error
        assert error.endswith(f"; {instead}")
    assert [told(trial) for trial in place.trials()] == before


HOSTILE = st.sampled_from(
    (*HOSTILE_TEXTS, None, True, 7, 0.5, float("nan"), float("inf"), (1, 2), [0.5], {"a": (1,)})
)


@settings(max_examples=40)
@given(values=st.lists(HOSTILE, min_size=1, max_size=5))
@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution")
def test_parameters_of_any_kind_are_the_same_when_they_are_written_again(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any]
) -> None:
    url = f"journal://{tmp_path_factory.mktemp('any')}/s.journal"
    study = Study("k", "s", "x.log")
    for number, value in enumerate(values):
        study.trials[number] = [Trial(number, "COMPLETE", (0.5,), params={"x": value})]
    assert len(rebuild(study, url, direction="minimize").added) == len(values)
    assert len(rebuild(study, url, direction="minimize").kept) == len(values)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "storage nonsense cannot be used: "),
        ("sqlite:///x.log", "no SQLite file (file is not a database); it is left as it is"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/x", "me:***@127.0.0.1:1/x cannot be used"),
    ],
)
def test_a_storage_that_cannot_be_used_is_named_and_left_alone(
    tmp_path: Path, url: str, told: str
) -> None:
    (tmp_path / "x.log").write_text(log_of(3))
    code, out, error = Place(url, tmp_path, {}).write()
    assert (code, out) == (2, "")
    assert told in error
    assert "secret" not in error
    assert (tmp_path / "x.log").read_text() == log_of(3)


def test_a_damaged_database_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text(log_of(9))
    place = Place("sqlite:///s.db", tmp_path, {})
    assert place.write()[0] == 0
    path = tmp_path / "s.db"
    content = bytearray(path.read_bytes())
    content[4096:8192] = os.urandom(4096)
    path.write_bytes(content[: len(content) * 7 // 10])
    before = path.read_bytes()
    code, _, error = place.write()
    assert code == 2
    assert "s.db is damaged or no SQLite file (" in error
    assert "Give the name of a new file" in error
    assert path.read_bytes() == before
    assert place._replace(url="sqlite:///new.db").write()[0] == 0


def test_a_package_that_a_storage_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingPackageError) as caught:
        open_storage("postgresql+psycopg://x@127.0.0.1:1/x")
    assert str(caught.value) == "psycopg is needed: python -m pip install 'psycopg[binary]'"


def test_rebuilding_in_a_program_leaves_optunas_lines_as_they_were(tmp_path: Path) -> None:
    said = f"""
import optuna
from recover_trials import read_trials
from recover_trials.rebuild import rebuild

study = optuna.create_study(storage="sqlite:///{tmp_path}/a.db", study_name="a")
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
(found,) = read_trials(["{tmp_path}/a.db"]).studies
rebuild(found, "sqlite:///{tmp_path}/b.db")
study.optimize(lambda trial: 0.5, n_trials=1)
"""
    done = subprocess.run(
        [sys.executable, "-c", said], capture_output=True, text=True, check=True, timeout=120
    )
    assert "Trial 0 finished" in done.stderr
    assert "Trial 1 finished" in done.stderr
