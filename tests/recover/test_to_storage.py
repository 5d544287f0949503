"""Recovered trials in Optuna storages: written whole, updated while a study runs."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial

from children import child
from recover_samples import HOSTILE_TEXTS, LATER_RUN, SampleLog2, as_bytes, recover_one
from recover_trials import read_trials
from recover_trials.errors import MissingPackageError, RebuildError
from recover_trials.files.storage_url import open_storage
from recover_trials.model import CONFLICTING, Study, Trial
from recover_trials.output.to_storage import rebuild, rebuild_all
from scripts import MARKET, changed, installed, render_to, run, warm_run
from servers import URL

N_TRIALS, KILLS = 12, 3
NAME = "hpo_2M_h1"
RECOVER = installed("recover-trials")
RESULT = "[I 2026-11-21 10:00:0{n},000] Trial {n} finished with value: {value} and parameters: {p}"


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """Open a storage and close its connections."""
    storage: Any = open_storage(url)
    yield storage
    storage.remove_session()
    if hasattr(storage, "_backend") and hasattr(storage._backend, "engine"):
        storage._backend.engine.dispose()


def trials_in(url: str, name: str = NAME) -> list[FrozenTrial]:
    """Return the trials of a study; none if it is not there yet."""
    with opened(url) as storage:
        try:
            return optuna.load_study(study_name=name, storage=storage).trials
        except KeyError:
            return []


class Place(NamedTuple):
    """A storage: its URL, the folder of the log, and the environment that leads to it."""

    url: str
    folder: Path
    environment: dict[str, str]

    def trials(self) -> list[dict[str, Any]]:
        """Return everything that its trials have, comparable between storages."""
        return [fields_of(trial) for trial in trials_in(self.url)]

    def start(self, log: str = "x.log", *more: str) -> subprocess.Popen[str]:
        """Write a log to the storage, as a user would."""
        return subprocess.Popen(
            child(*warm_run(RECOVER), log, "--to-storage", self.url, *more),
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def write(self, log: str = "x.log") -> tuple[int, str, str]:
        """Write a log to the storage; return the exit code, the output and the last error line."""
        running = self.start(log)
        out, error = running.communicate()
        return running.returncode, out, error.splitlines()[-1]


def fields_of(trial: FrozenTrial, *left_out: str) -> dict[str, Any]:
    """Return everything that a trial has in any storage."""
    own = {"_trial_id", "trial_id", *left_out}
    return {name: value for name, value in vars(trial).items() if name not in own}


def log_of(n_trials: int, value: float = 0.0) -> SampleLog2:
    """Return a log whose last trial is running."""
    log = SampleLog2()
    log.open_run(n_trials=n_trials)
    for number in range(n_trials):
        log.start(number)
        for epoch in range(1, 4):
            log.evaluate(number, epoch, val_loss=value + 1 / (number + epoch))
        if number < n_trials - 1:
            log.end(number, "PRUNED" if number % 5 == 4 else "COMPLETE", value + 1 / (number + 3))
    return log


def text_of(n_trials: int, value: float = 0.0) -> bytes:
    """Return such a log as a file holds it."""
    return as_bytes(log_of(n_trials, value).lines)


POSTGRES = pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])


@pytest.fixture(params=["sqlite", "journal", POSTGRES])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """Return an empty storage of each kind, with a log in its folder."""
    (tmp_path / "x.log").write_bytes(text_of(N_TRIALS))
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


# --- What is written -----------------------------------------------------------------------------


def test_a_trial_has_everything_that_the_log_has(tmp_path: Path) -> None:
    study = recover_one(log_of(3).lines)
    url = f"sqlite:///{tmp_path}/s.db"
    rebuild(study, url)

    for row, trial in zip(study.rows, trials_in(url), strict=True):
        assert (trial.number, trial.state.name, trial.value) == (row.number, row.state, row.value)
        assert trial.params == row.params
        assert trial.user_attrs == row.user_attrs
        assert trial.intermediate_values == row.intermediate_values
        assert (trial.datetime_start, trial.datetime_complete) == (
            row.datetime_start,
            row.datetime_complete,
        )
    with opened(url) as storage:
        loaded = optuna.load_study(study_name=NAME, storage=storage)
        assert loaded.user_attrs["study_id"] == study.key
        assert (loaded.best_trial.number, loaded.direction.name) == (1, "MINIMIZE")


def test_a_storage_that_has_part_of_the_trials_gets_the_rest(place: Place) -> None:
    (place.folder / "short.log").write_bytes(as_bytes(log_of(4).lines[:-2]))
    assert place.write("short.log")[:2] == (0, f"{NAME}: 4 trials written\n")
    out = f"{NAME}: {N_TRIALS - 4} trials written; 1 updated; 4 already there\n"
    assert place.write()[:2] == (0, out)
    trials = trials_in(place.url)
    states = [trial.state.name for trial in trials]
    assert states == [*["COMPLETE"] * 4, "PRUNED"] * 2 + ["COMPLETE", "RUNNING"]
    assert trials[3].intermediate_values == {1: 1 / 4, 2: 1 / 5, 3: 1 / 6}
    assert trials[3].user_attrs["learning_curve"][2] == {"epoch": 3, "val_loss": 1 / 6}


def test_killed_at_any_moment_and_run_again_the_storage_is_whole(place: Place) -> None:
    chance = random.Random(place.url)  # noqa: S311
    whole, seen = place._replace(url="sqlite:///reference.db"), []
    assert whole.write()[0] == 0
    expected = whole.trials()
    for _ in range(KILLS):
        running, wanted = place.start(), chance.randrange(1, N_TRIALS)
        while running.poll() is None and written(place) < wanted:
            time.sleep(0.001)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        (place.folder / "new" / "s.journal.lock").unlink(
            missing_ok=True
        )  # otherwise Optuna waits 30 s
        trials = place.trials()
        assert trials == expected[: len(trials)]
        seen.append(len(trials))
    code, out, _ = place.write()
    assert (code, out.startswith(f"{NAME}: ")) == (0, True)
    assert place.trials() == expected
    assert place.write()[1] == f"{NAME}: 0 trials written; {N_TRIALS} already there\n"
    assert seen == sorted(seen)


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


def test_a_storage_with_more_or_other_trials_is_unchanged(place: Place) -> None:
    logs = {"whole": text_of(5), "short": text_of(4), "other": text_of(5, 1.0)}
    for name, text in logs.items():
        (place.folder / f"{name}.log").write_bytes(text)
    assert place.write("whole.log")[0] == 0
    before = place.trials()
    for name, wrong in {
        "short": "exists as COMPLETE [0.16666666666666666], the log has RUNNING None",
        "other": "exists as COMPLETE [0.3333333333333333], the log has COMPLETE [1.33333333333",
    }.items():
        code, out, error = place.write(f"{name}.log")
        assert (code, out) == (2, "")
        assert wrong in error
        assert error.endswith(
            "; nothing was written. Give another storage, or delete the study in this one"
        )
    assert place.trials() == before


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


# --- Logs of other programs ----------------------------------------------------------------------


def optuna_log(folder: Path, *results: tuple[int, float, str], best: bool = True) -> Path:
    """Write a log as Optuna itself writes it."""
    lines = ["[I 2026-11-21 09:59:59,000] A new study created in memory with name: s"]
    for number, value, params in results:
        text = RESULT.format(n=number, value=value, p=params) + "."
        lines.append(text + (f" Best is trial 0 with value: {results[0][1]}." if best else ""))
    path = folder / "optuna.log"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_log_of_optuna_gives_the_ranges_of_the_tried_values(tmp_path: Path) -> None:
    log = optuna_log(
        tmp_path,
        (0, 0.1, "{'x': 0.5, 'n': 3, 'act': 'gelu'}"),
        (1, 0.4, "{'x': 1, 'n': 7, 'act': None}"),
    )
    (study,) = read_trials([log]).studies
    done = rebuild(study, f"sqlite:///{tmp_path}/s.db")
    assert done.remarks == [
        "ranges guessed from the tried values (--ranges FILE states them): act one of 'gelu',"
        " None; n int 3 to 7; x float 0.5 to 1.0"
    ]
    trials = trials_in(f"sqlite:///{tmp_path}/s.db", "s")
    assert trials[0].distributions["x"] == optuna.distributions.FloatDistribution(0.5, 1.0)
    assert trials[1].distributions["n"] == optuna.distributions.IntDistribution(3, 7)
    assert [trial.params["act"] for trial in trials] == ["gelu", None]


def test_a_number_without_a_line_keeps_its_place(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    (study,) = read_trials([optuna_log(tmp_path, (0, 0.1, "{}"), (2, 0.4, "{}"))]).studies
    assert rebuild(study, url).lost == [1]
    trials = trials_in(url, "s")
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert trials[1].user_attrs["fail_reason"] == "lost"

    log = SampleLog2()  # its script runs a trial without a line again
    log.open_run()
    log.end(1)
    rebuild(recover_one(log.lines), url)
    assert [trial.state.name for trial in trials_in(url)] == ["RUNNING", "COMPLETE"]
    log.start(0)
    log.end(0)
    rebuild(recover_one(log.lines), url)
    first, second = trials_in(url)
    assert (first.params, first.value) == (second.params, 0.5)


def test_a_log_without_a_direction_needs_the_option(tmp_path: Path) -> None:
    log = optuna_log(tmp_path, (0, 0.1, "{'x': 0.5}"), best=False)
    (study,) = read_trials([log]).studies
    with pytest.raises(RebuildError, match="give --direction"):
        rebuild(study, f"sqlite:///{tmp_path}/s.db")
    rebuild(study, f"sqlite:///{tmp_path}/s.db", direction="maximize")
    with opened(f"sqlite:///{tmp_path}/s.db") as storage:
        loaded = optuna.load_study(study_name="s", storage=storage)
        assert loaded.direction.name == "MAXIMIZE"


def test_a_study_with_conflicts_is_not_written(tmp_path: Path) -> None:
    log = optuna_log(tmp_path, (0, 0.1, "{'x': 0.5}"), (1, 0.2, "{'x': 0.6}"))
    (study,) = read_trials([log]).studies
    study.trials[0].append(Trial(0, "FAIL", flags=[CONFLICTING]))
    with pytest.raises(RebuildError, match="trial 0: two lines about this trial differ"):
        rebuild(study, f"sqlite:///{tmp_path}/s.db")
    assert not (tmp_path / "s.db").exists()


def test_two_studies_of_one_name_are_not_mixed(tmp_path: Path) -> None:
    one = optuna_log(tmp_path, (0, 0.1, "{'x': 0.5}"))
    other = tmp_path / "other.log"
    other.write_text(one.read_text().replace("10:00", "12:00").replace("0.1", "0.2"))
    studies = read_trials([one, other]).studies
    assert [study.name for study in studies] == ["s", "s (run 2)"]
    with pytest.raises(RebuildError, match="s is the name of two studies"):
        list(rebuild_all(studies, f"sqlite:///{tmp_path}/s.db", direction="minimize"))


# --- Storages that cannot be used ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "storage nonsense cannot be used: "),
        ("sqlite:///x.log", "not a SQLite file (file is not a database); it was not changed"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/x", "me:***@127.0.0.1:1/x cannot be used"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--follow",)])
def test_a_storage_that_cannot_be_used_is_named_and_unchanged(
    tmp_path: Path, url: str, message: str, more: tuple[str, ...]
) -> None:
    (tmp_path / "x.log").write_bytes(text_of(3))
    running = Place(url, tmp_path, {}).start("x.log", *more)
    out, errors = running.communicate()
    assert (running.returncode, out) == (2, "")
    assert message in errors.splitlines()[-1]
    assert "secret" not in errors
    assert (tmp_path / "x.log").read_bytes() == text_of(3)


def test_a_damaged_database_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_bytes(text_of(9))
    place = Place("sqlite:///s.db", tmp_path, {})
    assert place.write()[0] == 0
    path = tmp_path / "s.db"
    content = bytearray(path.read_bytes())
    content[4096:8192] = os.urandom(4096)
    path.write_bytes(content[: len(content) * 7 // 10])
    before = path.read_bytes()
    code, _, error = place.write()
    assert code == 2
    assert "s.db is damaged or not a SQLite file (" in error
    assert path.read_bytes() == before
    assert place._replace(url="sqlite:///new.db").write()[0] == 0


def test_a_package_that_a_storage_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingPackageError) as caught:
        open_storage("postgresql+psycopg://x@127.0.0.1:1/x")
    assert (
        str(caught.value)
        == "psycopg is not installed; run: python -m pip install 'psycopg[binary]'"
    )


def test_rebuild_does_not_silence_the_logger_of_optuna(tmp_path: Path) -> None:
    program = f"""
import optuna
from recover_trials import read_trials
from recover_trials.output.to_storage import rebuild

study = optuna.create_study(storage="sqlite:///{tmp_path}/a.db", study_name="a")
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
(recovered,) = read_trials(["{tmp_path}/a.db"]).studies
rebuild(recovered, "sqlite:///{tmp_path}/b.db")
study.optimize(lambda trial: 0.5, n_trials=1)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Trial 0 finished" in done.stderr
    assert "Trial 1 finished" in done.stderr


# --- While a study runs --------------------------------------------------------------------------


@contextmanager
def followed(url: str, *logs: Path) -> Iterator[subprocess.Popen[str]]:
    """Keep a storage up to date in another process; end it, whatever happens."""
    command = child(*warm_run(RECOVER), *logs, "--to-storage", url, "--follow")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until a condition holds, as long as a process runs."""
    while not condition():
        assert process.poll() is None, process.returncode
        time.sleep(0.05)


def test_a_storage_follows_a_log_that_grows(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path}/s.db", tmp_path / "a.log"

    def states() -> list[tuple[str, float | None, list[float]]]:
        return [
            (trial.state.name, trial.value, [*trial.intermediate_values.values()])
            for trial in trials_in(url)
        ]

    def append(lines: list[str], expected: list[Any]) -> None:
        with path.open("ab") as file:
            file.write(as_bytes(lines))
        wait_for(lambda: states() == expected, process)

    log = SampleLog2()
    with followed(url, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"waiting for {path}\n"
        log.open_run(n_trials=2)
        log.start(0)
        append(log.lines, [("RUNNING", None, [])])
        append([log.evaluate(0, 1, val_loss=0.75)], [("RUNNING", None, [0.75])])
        append([log.evaluate(0, 2, val_loss=0.5)], [("RUNNING", None, [0.75, 0.5])])
        later = SampleLog2(run=LATER_RUN, since=60)
        later.open_run(n_trials=2)
        later.start(1)
        append(later.lines, [("RUNNING", None, [0.75, 0.5]), ("RUNNING", None, [])])
        append([log.end(0)], [("COMPLETE", 0.5, [0.75, 0.5]), ("RUNNING", None, [])])
        append([later.end(1, "FAIL", None)], [("COMPLETE", 0.5, [0.75, 0.5]), ("FAIL", None, [])])
        out, _ = process.communicate()
    assert process.returncode == 0
    assert out.splitlines()[-1] == f"{NAME}: 0 trials written; 1 updated; 2 already there"
    at_once = f"sqlite:///{tmp_path}/once.db"
    rebuild(read_trials(path).studies[0], at_once)
    # Optuna itself sets the time at which a running trial of a storage ends.
    assert [fields_of(trial, "datetime_complete") for trial in trials_in(url)] == [
        fields_of(trial, "datetime_complete") for trial in trials_in(at_once)
    ]


def test_a_storage_of_an_earlier_follower_is_continued(tmp_path: Path) -> None:
    url, path = f"journal://{tmp_path}/s.journal", tmp_path / "a.log"
    log = log_of(3)
    path.write_bytes(as_bytes(log.lines))
    with followed(url, path) as process:
        wait_for(lambda: len(trials_in(url)) == 3, process)
        assert process.stdout is not None
        assert process.stdout.readline() == f"{NAME}: 3 trials written\n"
    path.write_bytes(as_bytes([*log.lines, log.end(2)]))

    with followed(url, path) as process:
        assert process.communicate()[0] == (
            f"{NAME}: 0 trials written; 1 updated; 3 already there\n"
        )
    assert [trial.state.name for trial in trials_in(url)] == ["COMPLETE"] * 3


@pytest.mark.study
def test_a_storage_follows_a_real_study(sp500_file: Path, tmp_path: Path) -> None:
    shutil.copy(sp500_file, tmp_path / "sp500.csv")
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 3}))
    log, url = tmp_path / "logs" / f"{script.stem}.log", f"sqlite:///{tmp_path}/s.db"

    with followed(url, log) as process:
        assert run(script).returncode == 0
        process.communicate()

    assert process.returncode == 0
    rows = read_trials(log).studies[0].rows
    assert [(t.number, t.state.name, t.value, t.params) for t in trials_in(url, script.stem)] == [
        (row.number, row.state, row.value, row.params) for row in rows
    ]
