"""Storage: the study lives in an Optuna storage, for machines without a shared disk.

Workers renew a heartbeat in a database, and Optuna retries the trials of a dead worker. A trial
and its retries are one trial of the log; its number counts the trials that are no retries. The log
is only a record of this worker's trials.
"""

from __future__ import annotations

import copy
import fcntl
import functools
import hashlib
import os
import re
import time
import uuid
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._heartbeat import get_heartbeat_thread, is_heartbeat_enabled
from optuna.trial import FrozenTrial, TrialState

from hpo_script.constants import DIRECTION, METRIC
from hpo_script.experiment.shared import Config, UnusableError
from hpo_script.experiment.space import searched, suggest
from hpo_script.machinery.log_file import Interrupted, LogFile, read_log, say
from hpo_script.machinery.logged_study import LoggedStudy
from hpo_script.machinery.main import COMPARED, SAME_SPACE, changes
from hpo_script.machinery.memory_study import MemoryStudy
from hpo_script.machinery.search import Attempt, Search
from hpo_script.machinery.stops import STOPPED
from hpo_script.sections.constants import HEARTBEAT_SECONDS, STORAGE, STUDY_NAME
from hpo_script.sections.storage_options import without_password

Given = tuple[dict[str, Any] | None, dict[str, Any]]
LIBPQ = {"connect_timeout": 30, "keepalives_idle": 30, "tcp_user_timeout": 60_000}  # s, s, ms


def retry_argument() -> dict[str, Any]:
    """Return the argument by which Optuna retries stale trials; 4.9 renamed it."""
    if callback := getattr(optuna.storages, "RetryHeartbeatStaleTrialCallback", None):
        return {"heartbeat_stale_trial_callback": callback()}
    return {"failed_trial_callback": optuna.storages.RetryFailedTrialCallback()}


def connect(url: str) -> BaseStorage:
    """Return the storage of a URL: journal, gRPC proxy, SQLite or another database."""
    scheme, _, rest = url.partition("://")
    if scheme == "journal":
        return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(rest))
    if scheme == "grpc":
        host, _, port = rest.rpartition(":")
        return optuna.storages.GrpcStorageProxy(host=host, port=int(port))
    about: dict[str, Any] = {"timeout": 60} if "sqlite" in scheme else {}
    about = LIBPQ if scheme.startswith("postgresql") else about
    engine = {"pool_pre_ping": True, "connect_args": about}
    return RDBStorage(url, engine, heartbeat_interval=HEARTBEAT_SECONDS, **retry_argument())


def open_storage(url: str) -> BaseStorage:
    """Return the storage of a URL; try again while other workers may be creating its tables."""
    for attempt in range(6):
        with suppress(Exception):  # each kind of storage has its own errors
            return connect(url)
        time.sleep(0.1 * 2**attempt * (1 + os.getpid() % 10 / 10))
    return connect(url)


@contextmanager
def storage_calls() -> Iterator[None]:
    """End the run, not the trial, where the storage fails: a new run continues the trial."""
    try:
        yield
    except (RuntimeError, UnusableError, ImportError):  # RuntimeError: the trial has ended
        raise
    except Exception as error:  # Optuna's own errors say little
        cause = error.__cause__ or error
        text = without_password(f"{type(cause).__name__}: {cause}".splitlines()[0])
        raise Interrupted(f"storage: {text}", STOPPED) from None


def is_first(trial: FrozenTrial) -> bool:
    """Return whether a trial is no retry of another."""
    return "failed_trial" not in trial.system_attrs


class StorageStudy(MemoryStudy):
    """The study of a storage, and the trial that this worker holds."""

    held: optuna.Trial | None = None

    def open(self, url: str | None, about: Mapping[str, Any]) -> str:
        """Create or load the study, and return its id; refuse the study of another experiment."""
        file = re.fullmatch(r"(?:sqlite(?:\+\w+)?:///|journal://)([^?]+)(?:\?.*)?", url or "")
        self.file = file and Path(f"{file[1]}.claims").resolve()
        with self.lock():  # a server has no lock yet: `open_storage` tries again
            self.storage = open_storage(url) if url else self.storage
        with self.lock():
            self.study = optuna.create_study(
                storage=self.storage,
                study_name=STUDY_NAME,
                direction=DIRECTION,
                sampler=self.sampler,
                pruner=self.pruner,
                load_if_exists=True,
            )
            self.storage = self.study._storage
            new = {name: about[name] for name in (*COMPARED, *SAME_SPACE)}
            if not self.study.trials and "hpogen" not in self.study.user_attrs:
                self.study.set_user_attr("hpogen", {"study_id": uuid.uuid4().hex[:12], **new})
        old = self.study.user_attrs.get("hpogen", {})
        if changed := changes(old, new, tuple(new)):
            raise UnusableError(
                f"study {STUDY_NAME} in the storage has trials of another experiment:"
                f" {'; '.join(changed[:20])}. Undo that, or give another storage or study.name"
            )
        return str(old["study_id"])

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of the study: beside a file, or PostgreSQL's; other storages have none."""
        engine = getattr(getattr(self.storage, "_backend", None), "engine", None)
        if self.file:
            with self.file.open("a") as file:
                fcntl.lockf(file, fcntl.LOCK_EX)
                yield
        elif engine and engine.dialect.name == "postgresql":
            key = int(hashlib.sha256(STUDY_NAME.encode()).hexdigest()[:15], 16)
            with engine.begin() as connection:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({key})")
                yield
        else:
            yield

    def trial_id(self, _number: int) -> int:
        """Return the id that the held trial has in the storage."""
        return self.held._trial_id if self.held else -1

    def update(self) -> None:
        """Do nothing: the storage is up to date."""

    def claim(self, n_trials: int, given: Callable[[int], Given]) -> int | None:
        """Hold a trial that waits, or a new one below the total; return its number in the log."""
        optuna.storages.fail_stale_trials(self.study)
        trials = self.study.get_trials(deepcopy=False)
        if all(trial.state != TrialState.WAITING for trial in trials):
            if (number := sum(map(is_first, trials))) >= n_trials:
                return None
            params, attributes = given(number)
            self.study.enqueue_trial(params or {}, user_attrs=attributes)
        self.held = self.study.ask()
        if is_heartbeat_enabled(self.storage):  # Optuna never retries a trial without one
            self.storage.record_heartbeat(self.held._trial_id)
        first = self.held.system_attrs.get("failed_trial", self.held.number)
        return sum(map(is_first, self.study.get_trials(deepcopy=False)[:first]))

    def ask(self, _number: int, _params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the configuration of the held trial."""
        return suggest(self.held) if self.held else {}

    def end(self, found: Mapping[str, Any]) -> bool:
        """End the held trial; return False if another worker retried it meanwhile."""
        trial_id, state = self.trial_id(0), TrialState[found["state"]]
        values = None if found["value"] is None else [found["value"]]
        with suppress(RuntimeError):
            for name in found.keys() - {*searched(), "state", "value", "learning_curve"}:
                self.storage.set_trial_user_attr(trial_id, name, found[name])
            self.storage.set_trial_state_values(trial_id, state, values)
            return True
        return False

    def retry(self, trial_id: int) -> None:
        """Leave a trial to another run, as Optuna does where a heartbeat stops."""
        with suppress(RuntimeError):  # it has ended
            self.storage.set_trial_state_values(trial_id, TrialState.FAIL)
            (callback,) = retry_argument().values()
            callback(self.study, copy.deepcopy(self.storage.get_trial(trial_id)))


class StorageSearch(Search):
    """The trials of one run, claimed in the storage."""

    memory: StorageStudy

    @staticmethod
    def prepare(log: LogFile, about: Mapping[str, Any], arguments: Namespace) -> MemoryStudy:
        """Open the study before the log, which takes its id."""
        url = arguments.storage or os.environ.get("OPTUNA_STORAGE") or STORAGE
        if arguments.history or not (url or arguments.smoke):
            wrong = "--history needs a script without" if arguments.history else "no storage for"
            raise UnusableError(f"{wrong} the section storage; see --storage in --help")
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used")
        memory = StorageStudy(log.study, arguments.seed)
        with storage_calls():
            study_id = memory.open(None if arguments.smoke else url, about)
            if read_log(log.path).study.study_id not in (None, study_id):
                raise UnusableError(f"{log.path} has trials of another study; give another --log")
            log.study.study_id = study_id
            for trial in memory.study.get_trials(states=(TrialState.RUNNING,)):
                if arguments.retry_running:
                    memory.retry(trial._trial_id)
        return memory

    def next_trial(self) -> int | None:
        """Return the trial to train; at the total, wait for trials that may be stale."""
        end = time.monotonic() + 3 * HEARTBEAT_SECONDS * is_heartbeat_enabled(self.memory.storage)
        states = (TrialState.RUNNING,)
        while (number := self.claim()) is None and self.memory.study.get_trials(False, states):
            if time.monotonic() > end or not self.stops.may_wait(min(5, HEARTBEAT_SECONDS)):
                break
        return number

    def claim(self) -> int | None:
        """Claim a trial in the storage, then in the log."""
        if stop := self.stops.asked():
            raise stop
        with storage_calls(), self.memory.lock(), self.log.round() as study:
            given = functools.partial(super().given_params, study=study)
            number = self.memory.claim(self.arguments.n_trials, given)
            self.resumed = bool(self.memory.held and not is_first(self.memory.held))
            if number is not None and "config_id" not in study.trial(number).attributes:
                self.start_trial(number, study)
        self.sync()
        return number

    def given_params(self, number: int, study: LoggedStudy) -> Given:
        """Return the kind of the held trial; its parameters are in the storage."""
        kept = self.memory.held.user_attrs if self.memory.held else {}
        names = kept.keys() & {"kind", "extreme", "enqueued_idx"}
        return None, {"kind": "search", **{name: kept[name] for name in names}}

    def run_trial(self, number: int) -> None:
        """Train one trial, with a heartbeat."""
        with get_heartbeat_thread(self.memory.trial_id(number), self.memory.storage):
            super().run_trial(number)

    def resume_trial(self, attempt: Attempt) -> None:
        """Report the evaluations of the checkpoint again: Optuna's retry begins without."""
        super().resume_trial(attempt)
        for point in attempt.curve:
            self.memory.report(attempt.number, point[self.task.unit], point[METRIC])

    def evaluate(self, number: int, config: Config, point: Mapping[str, Any]) -> bool:
        """Write an evaluation; return whether the pruner ends the trial."""
        with storage_calls():
            return super().evaluate(number, config, point)

    def end_trial(self, number: int, found: Mapping[str, Any]) -> bool:
        """End a trial in the storage, then in the log."""
        with storage_calls():
            ours = self.memory.end(found) and super().end_trial(number, found)
        if not ours:
            say(f"trial {number} is retried by another worker; this result is discarded")
        self.memory.held = None
        return ours

    def close_run(self, reason: str) -> None:
        """Leave the held trial to the next run."""
        with suppress(Interrupted), storage_calls():
            if self.memory.held:
                self.memory.retry(self.memory.trial_id(0))
        super().close_run(reason)
