"""Studies in an Optuna storage: exact totals, retries, checkpoints, refusals."""

from __future__ import annotations

import fcntl
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage, GrpcStorageProxy, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from hpo_script.machinery.log_file import read_log
from scripts import (
    MARKET,
    Started,
    changed,
    edit,
    log_of,
    render_to,
    result_of,
    run,
    start,
    study_of,
    table,
    wait_for,
)
from servers import grpc_proxy, new_database

pytestmark = pytest.mark.study
SHORT = changed(MARKET, splits={"train_subset": 0.1}, sections=["storage"])
LONG = changed(SHORT, study={"n_trials": 1}, fixed={"epochs": 12, "patience": 12})
AT_ONCE = "--checkpoint-minutes=0"


@pytest.fixture
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Return the URL of an empty storage."""
    with ExitStack() as stack:
        urls: dict[str, Callable[[], str]] = {
            "sqlite": lambda: f"sqlite:///{tmp_path}/study.db",
            "journal": lambda: f"journal://{tmp_path}/study.journal",
            "grpc": lambda: stack.enter_context(grpc_proxy(tmp_path))[0],
            "postgresql": lambda: new_database(monkeypatch, request.getfixturevalue("postgres")),
        }
        yield urls[request.param]()


POSTGRESQL = pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.slow])
SLOW_JOURNAL = pytest.param("journal", marks=pytest.mark.slow)
on = pytest.mark.parametrize


def storage_of(url: str) -> BaseStorage:
    """Return a storage, as other programs open it."""
    scheme, _, rest = url.partition("://")
    if scheme == "journal":
        return JournalStorage(JournalFileBackend(rest))
    if scheme == "grpc":
        return GrpcStorageProxy(host=rest.split(":")[0], port=int(rest.split(":")[1]))
    return RDBStorage(url)


@contextmanager
def study_in(url: str, name: str = "hpo_9K_h1") -> Iterator[optuna.Study]:
    """Give the study of a storage."""
    storage = storage_of(url)
    yield optuna.load_study(study_name=name, storage=storage)
    if isinstance(storage, RDBStorage):
        storage.remove_session()
        storage.engine.dispose()
    if isinstance(storage, GrpcStorageProxy):
        storage.close()


def trials_in(url: str) -> list[FrozenTrial]:
    """Return the trials of the study in a storage."""
    with study_in(url) as study:
        return study.get_trials()


def states_in(url: str) -> list[str]:
    """Return the state of each trial in a storage."""
    return [trial.state.name for trial in trials_in(url)]


GATE = """\
            while share > 0.3 and Path("gate").exists() and not self.stops.asked():
                time.sleep(0.02)
"""


@contextmanager
def trial_in_training(folder: Path, *arguments: str) -> Iterator[tuple[Path, Started]]:
    """Run a script of one trial; it waits behind epoch 2 of 12 until `finish` or a signal."""
    script, inner = render_to(folder, LONG), "            self.progress.update(share)\n"
    edit(script, (inner, GATE + inner), ("HEARTBEAT_SECONDS = 60", "HEARTBEAT_SECONDS = 1"))
    (folder / "gate").touch()
    process, log = start(script, *arguments, AT_ONCE), log_of(script)
    wait_for(lambda: log.exists() and "Trial 0 epoch 2: " in log.read_text(), process)
    yield script, process
    (folder / "gate").unlink(missing_ok=True)
    process.wait()


def finish(folder: Path, process: Started) -> str:
    """Let the script continue to its end; return its output."""
    (folder / "gate").unlink()
    return process.said()


@on("url", ["sqlite", SLOW_JOURNAL, POSTGRESQL], indirect=True)
def test_workers_with_logs_of_their_own_share_a_total(
    url: str, sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, changed(SHORT, study={"n_trials": 10}))
    logs = [tmp_path / f"worker{number}.log" for number in range(4)]
    workers = [start(script, "--storage", url, f"--log={log}") for log in logs]
    outputs = [worker.said() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, outputs
    assert states_in(url) == ["COMPLETE"] * 10
    studies = [read_log(log).study for log in logs]
    assert len({study.study_id for study in studies}) == 1
    done = [trial for study in studies for trial in study.trials.values() if trial.finished]
    assert sorted(trial.number for trial in done) == list(range(10))
    reruns = {t.number: t.rerun_of for t in done if t.attributes["kind"] == "noise"}
    assert sorted(reruns) == [7, 8, 9]
    assert {of for of in reruns.values() if of is not None} <= set(range(7))
    extremes = {t.number: t.attributes["extreme"] for t in done if "extreme" in t.attributes}
    assert list(range(len(extremes))) == sorted(extremes)
    for trial in trials_in(url):
        assert trial.user_attrs["param_count"] > 0
        assert len(trial.intermediate_values) == 2


@on("url", ["sqlite", "journal", POSTGRESQL], indirect=True)
def test_the_trial_of_a_killed_worker_continues_from_its_checkpoint(
    url: str, sp500: Path, tmp_path: Path
) -> None:
    with trial_in_training(tmp_path, "--storage", url) as (script, process):
        process.send_signal(signal.SIGKILL)
    assert states_in(url) == ["RUNNING"]
    more = ["--retry-running"] if url.startswith("journal") else []  # it has no heartbeat
    done = run(script, "--storage", url, *more)
    assert done.returncode == 0, done.stderr
    first, *retries = trials_in(url)
    assert first.state == TrialState.FAIL
    assert [t.state.name for t in retries][-1] == "COMPLETE"
    assert retries[-1].system_attrs["failed_trial"] == 0
    assert len(retries[-1].intermediate_values) == 12
    (trial,) = study_of(script).trials.values()
    assert trial.resumed_at["epoch"] >= 1
    assert len(set(trial.claims)) == 2
    (tmp_path / "whole").mkdir()
    whole = render_to(tmp_path / "whole", changed(LONG, sections=[]))
    (whole.parent / "sp500.csv").symlink_to(sp500)
    assert run(whole).returncode == 0
    assert table(script) == table(whole)


@on("url", ["sqlite", "grpc"], indirect=True)
def test_a_stopped_worker_leaves_its_trial_to_the_next_run(
    url: str, sp500: Path, tmp_path: Path
) -> None:
    with trial_in_training(tmp_path, "--storage", url) as (script, process):
        process.send_signal(signal.SIGTERM)
        output = process.said()
    assert process.returncode == 128 + signal.SIGTERM, output
    assert states_in(url) == ["FAIL", "WAITING"]
    done = run(script, "--storage", url)
    assert done.returncode == 0, done.stderr
    assert states_in(url) == ["FAIL", "COMPLETE"]
    assert study_of(script).trials[0].resumed_at["epoch"] >= 1
    assert result_of(done)["complete"] == 1


@pytest.mark.filterwarnings("ignore:RetryFailedTrialCallback has been deprecated")
@on("url", ["sqlite", "journal"], indirect=True)
def test_the_result_of_a_trial_that_was_retried_meanwhile_is_discarded(
    url: str, sp500: Path, tmp_path: Path
) -> None:
    with trial_in_training(tmp_path, "--storage", url) as (script, process):
        # Another worker does this where a heartbeat stops, within its lock.
        claims = Path(f"{url.partition('://')[2]}.claims".replace("//", "/"))
        with claims.open("a") as lock, study_in(url) as study:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            study._storage.set_trial_state_values(study.trials[0]._trial_id, TrialState.FAIL)
            optuna.storages.RetryFailedTrialCallback()(study, study.trials[0])
        output = finish(tmp_path, process)
    assert process.returncode == 0, output
    assert output.count("trial 0 is retried by another worker; this result is discarded") == 1
    assert states_in(url) == ["FAIL", "COMPLETE"]
    assert len(trials_in(url)[1].intermediate_values) == 12
    assert study_of(script).trials[0].state == "COMPLETE"


def test_a_storage_that_fails_ends_the_run_and_not_its_trial(sp500: Path, tmp_path: Path) -> None:
    with (
        grpc_proxy(tmp_path) as (url, server),
        trial_in_training(tmp_path, "--storage", url) as (script, process),
    ):
        server.kill()
        server.wait()
        output = finish(tmp_path, process)
    assert process.returncode == 75, output
    assert "stopped: storage: " in output
    with grpc_proxy(tmp_path) as (url, _):
        done = run(script, "--storage", url, "--retry-running")
        assert done.returncode == 0, done.stderr
        assert states_in(url) == ["FAIL", "COMPLETE"]


@on("url", ["sqlite"], indirect=True)
def test_the_study_of_another_experiment_is_refused(url: str, sp500: Path, tmp_path: Path) -> None:
    short = changed(SHORT, study={"n_trials": 1})
    script = render_to(tmp_path, short)
    assert run(script, "--storage", url).returncode == 0
    render_to(tmp_path, changed(short, fixed={"epochs": 3}))
    done = run(script, "--storage", url, "--log", "other.log")
    assert done.returncode == 2
    assert "trials of another experiment: fixed_params.epochs was 2, is 3" in done.stderr
    render_to(tmp_path, changed(short, study={"name": "another"}))
    done = run(script, "--storage", url)
    assert done.returncode == 2
    assert f"logs/{script.stem}.log has trials of another study" in done.stderr
    assert run(script, "--storage", url, "--log", "other.log").returncode == 0


@on("url", ["sqlite"], indirect=True)
def test_the_study_of_another_program_is_refused(url: str, sp500: Path, tmp_path: Path) -> None:
    storage = RDBStorage(url)
    optuna.create_study(study_name="hpo_9K_h1", storage=storage).ask()
    storage.engine.dispose()
    done = run(render_to(tmp_path, SHORT), "--storage", url)
    assert done.returncode == 2
    assert "study hpo_9K_h1 in the storage has trials of another experiment" in done.stderr


@on("url", ["sqlite"], indirect=True)
def test_configurations_are_enqueued_once(url: str, sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(SHORT, study={"n_trials": 8}))
    (tmp_path / "next.json").write_text('[{"arch_idx": 3, "dropout": 0.25}]')
    for total in ("5", "8"):
        done = run(script, "--storage", url, "--enqueue=next.json", f"--n-trials={total}")
        assert done.returncode == 0, done.stderr
    enqueued = [t for t in trials_in(url) if t.user_attrs["kind"] == "enqueued"]
    assert [(t.user_attrs["arch_idx"], t.params["dropout"]) for t in enqueued] == [(3, 0.25)]


@on(
    ("arguments", "reason"),
    [
        ([], "a storage needs --storage or OPTUNA_STORAGE"),
        (["--storage=journal://j", "--history=sp500.csv"], "and no --history"),
        (["--storage=postgresql://me:s3cret@host/db"], "a password into OPTUNA_STORAGE"),
        (["--storage=postgresql://host/db?password=s3cret"], "a password into OPTUNA_STORAGE"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], reason: str, sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, SHORT)
    done = run(script, *arguments)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "s3cret" not in done.stderr
    assert not log_of(script).exists()


def test_a_password_is_in_no_message(
    sp500: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'psycopg[binary]'")
    script, workers = render_to(tmp_path, SHORT), []
    for password in ("s3cret", "S3@s3cret", "s3cret:/x"):
        address = f"postgresql+psycopg://me:{password}@127.0.0.1:1/db"
        monkeypatch.setenv("OPTUNA_STORAGE", address)
        workers.append(start(script))
    for worker in workers:
        output = worker.said()
        assert worker.returncode == 75, output
        assert "stopped: storage: " in output
        assert "s3cret" not in output


def test_a_smoke_test_needs_no_storage(sp500: Path, tmp_path: Path) -> None:
    done = run(render_to(tmp_path, SHORT), "--smoke")
    assert done.returncode == 0, done.stderr
    assert result_of(done)["complete"] == 2
