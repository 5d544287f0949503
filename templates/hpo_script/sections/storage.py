"""Storage: the study lives in an Optuna storage, for machines without a shared disk.

A trial and its retries are one trial of the log; its number counts the trials before it that are
no retries. The log records the trials of this worker.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
import uuid
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.storages._heartbeat import get_heartbeat_thread, is_heartbeat_enabled
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from hpo_script.constants import DIRECTION, METRIC
from hpo_script.experiment.shared import UnusableError
from hpo_script.experiment.space import searched
from hpo_script.machinery.claim_trials import Search
from hpo_script.machinery.log_file import Interrupted, read_log, say
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial
from hpo_script.machinery.next_configuration import given_params
from hpo_script.machinery.optuna_study import OptunaStudy
from hpo_script.machinery.run_stops import STOPPED
from hpo_script.machinery.same_experiment import run_fields
from hpo_script.machinery.source_digest import COMPARED, SAME_SPACE, changes
from hpo_script.sections.constants import HEARTBEAT_SECONDS, STORAGE, STUDY_NAME

CREDENTIALS = r"(?s)(?<=://)[^:/]*:.*@|[?&;](password|passwd|pwd)=.*"


def open_storage(url: str) -> optuna.storages.BaseStorage:
    """Return a storage; try again while other workers may be creating the tables of a server."""
    scheme, _, rest = url.partition("://")
    if scheme == "journal":
        return optuna.storages.JournalStorage(JournalFileBackend(rest))
    if scheme == "grpc":
        host, _, port = rest.rpartition(":")
        return optuna.storages.GrpcStorageProxy(host=host, port=int(port))
    engine = {"pool_pre_ping": True, "connect_args": {"timeout": 60} if "sqlite" in scheme else {}}
    options: dict[str, Any] = {"heartbeat_interval": HEARTBEAT_SECONDS, "engine_kwargs": engine}
    options["failed_trial_callback"] = optuna.storages.RetryFailedTrialCallback()
    for attempt in range(6):
        with suppress(Exception):  # each database has its own errors
            return optuna.storages.RDBStorage(url, **options)
        time.sleep(0.1 * 2**attempt * (1 + os.getpid() % 10 / 10))
    return optuna.storages.RDBStorage(url, **options)


@contextmanager
def storage_calls() -> Iterator[None]:
    """End the run, not the trial, where the storage fails: a new run continues the trial."""
    try:
        yield
    except (RuntimeError, UnusableError, ImportError):  # RuntimeError: the trial has ended
        raise
    except Exception as error:  # Optuna's own errors say little
        cause = error.__cause__ or error
        text = f"{type(cause).__name__}: {cause}".splitlines()[0]
        text = re.sub(r"\S*@\S*", "***", re.sub(CREDENTIALS, "***", text))  # raw @ in a password
        raise Interrupted(f"storage: {text}", STOPPED) from None


class StorageStudy(OptunaStudy):
    """The study of a storage, and the trial that this worker holds."""

    held_id = -1
    held: FrozenTrial
    kept = storage_calls()(OptunaStudy.kept)
    ask = storage_calls()(OptunaStudy.ask)
    report = storage_calls()(OptunaStudy.report)
    prunes = storage_calls()(OptunaStudy.prunes)

    @storage_calls()
    def open(self, url: str | None, about: Mapping[str, Any]) -> None:
        """Create or load the study, give the log its id; refuse another experiment."""
        file = re.fullmatch(r"(?:sqlite(?:\+\w+)?:///|journal://)([^?]+)(?:\?.*)?", url or "")
        self.file = file and Path(f"{file[1]}.claims").resolve()
        new = {name: about[name] for name in (*COMPARED, *SAME_SPACE)}
        self.storage = None  # a server has no lock yet
        with self.lock():
            self.storage = open_storage(url) if url else optuna.storages.InMemoryStorage()
        with self.lock():
            self.setup = {"storage": self.storage, "study_name": STUDY_NAME}
            self.setup |= {"sampler": self.sampler, "pruner": self.pruner}
            self.study = optuna.create_study(
                direction=DIRECTION, load_if_exists=True, **self.setup
            )
            self.storage = self.setup["storage"] = self.study._storage
            if not self.trials() and "hpogen" not in self.study.user_attrs:
                self.study.set_user_attr("hpogen", {"study_id": uuid.uuid4().hex[:12], **new})
        old = self.study.user_attrs.get("hpogen", {})
        if changed := changes(old, new, tuple(new)):
            where = f"study {STUDY_NAME} in the storage has trials of another experiment"
            raise UnusableError(f"{where}: {'; '.join(changed[:20])}. Give another study.name")
        self.logged.study_id = old["study_id"]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of the study: beside a file, or PostgreSQL's; other storages have none."""
        engine = getattr(getattr(self.storage, "_backend", self.storage), "engine", None)
        if self.file:
            with self.file.open("a") as file:
                fcntl.lockf(file, fcntl.LOCK_EX)
                yield
        elif engine and engine.dialect.name == "postgresql":
            with engine.begin() as connection:
                key = zlib.crc32(STUDY_NAME.encode())
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({key})")
                yield
        else:
            yield

    def update(self, size: int = 0) -> None:
        """Do nothing: the storage is up to date."""

    rebuild = update

    @storage_calls()
    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states or None)

    def firsts(self) -> list[int]:
        """Return the numbers of the trials that are no retries."""
        return [t.number for t in self.trials() if "failed_trial" not in t.system_attrs]

    def as_logged(self) -> LoggedStudy:
        """Return the trials of all workers as the log has those of one; a retry takes over."""
        numbers, found = {n: i for i, n in enumerate(self.firsts())}, LoggedStudy()
        for trial in self.trials():
            number = numbers[trial.system_attrs.get("failed_trial", trial.number)]
            known = found.trials[number] = LoggedTrial(number, state=trial.state.name)
            known.attributes = {**trial.user_attrs, **trial.params}
            known.value = trial.value if trial.state == TrialState.COMPLETE else None
        found.enqueued = self.logged.enqueued
        return found

    def hold(self) -> int:
        """Hold the trial that waits longest; return its number in the log."""
        self.held_id = self.study.ask()._trial_id
        with get_heartbeat_thread(self.held_id, self.storage):  # without one it is never stale
            self.held = self.storage.get_trial(self.held_id)
        first = self.held.system_attrs.get("failed_trial", self.held.number)
        number = self.firsts().index(first)
        self.offset = self.held_id - number  # as in memory, ids are numbers and an offset
        return number

    @storage_calls()
    def retry(self, trial: int) -> None:
        """Leave a trial to another run, as Optuna does where a heartbeat stops."""
        with self.lock(), suppress(RuntimeError):  # it has ended
            self.storage.set_trial_state_values(trial, TrialState.FAIL)
            optuna.storages.RetryFailedTrialCallback()(self.study, self.storage.get_trial(trial))


class StorageSearch(Search):
    """The trials of one run, claimed in the storage."""

    optuna_study: StorageStudy

    def __post_init__(self) -> None:
        """Open the study before the log, which takes its id."""
        super().__post_init__()
        log, arguments = self.log, self.arguments
        url = arguments.storage or os.environ.get("OPTUNA_STORAGE") or STORAGE
        if arguments.history or not (url or arguments.smoke):
            raise UnusableError("a storage needs --storage or OPTUNA_STORAGE, and no --history")
        if re.search(CREDENTIALS, arguments.storage or ""):
            raise UnusableError("--storage: put a URL with a password into OPTUNA_STORAGE")
        warnings.filterwarnings("ignore", "(?is).*(heartbeat|stale|RetryFailed|failed_trial)")
        about = run_fields(self.task, arguments, self.device)
        self.optuna_study = StorageStudy(log.study, arguments.seed)
        self.optuna_study.open(None if arguments.smoke else url, about)
        if read_log(log.path).study.study_id not in (None, log.study.study_id):
            raise UnusableError(f"{log.path} has trials of another study; give another --log")
        for trial in (
            self.optuna_study.trials(TrialState.RUNNING) if arguments.retry_running else []
        ):
            self.optuna_study.retry(trial._trial_id)

    def next_trial(self) -> int | None:
        """Return the trial to train; at the total, wait for trials that may be stale."""
        end = time.monotonic() + 3 * HEARTBEAT_SECONDS * is_heartbeat_enabled(
            self.optuna_study.storage
        )
        while (number := self.claim()) is None and time.monotonic() < end:
            if not self.optuna_study.trials(TrialState.RUNNING):
                break
            time.sleep(min(5, HEARTBEAT_SECONDS))
        return number

    @storage_calls()
    def claim(self) -> int | None:
        """Claim a trial that waits, or a new one below the total."""
        if stop := self.stops.asked():
            raise stop
        with self.optuna_study.lock(), self.log.round() as study:
            optuna.storages.fail_stale_trials(self.optuna_study.study)
            if not self.optuna_study.trials(TrialState.WAITING):
                if (number := len(self.optuna_study.firsts())) >= self.arguments.n_trials:
                    return None
                params, attributes = given_params(
                    number, self.optuna_study.as_logged(), self.arguments
                )
                self.optuna_study.study.enqueue_trial(dict(params), user_attrs=attributes)
            number = self.optuna_study.hold()
            if number not in study.trials:
                about = {"kind": "search", **self.optuna_study.held.user_attrs}
                self.start_trial(number, self.optuna_study.as_logged(), {}, about)
        self.sync()
        return number

    def run_trial(self, number: int) -> None:
        self.resumed = "failed_trial" in self.optuna_study.held.system_attrs
        with get_heartbeat_thread(self.optuna_study.held_id, self.optuna_study.storage):
            super().run_trial(number)

    def resume_trial(self, micro_batch: int) -> Mapping[str, Any]:
        """Report the evaluations of the checkpoint again: Optuna's retry begins without."""
        saved = super().resume_trial(micro_batch)
        for point in self.curve:
            self.optuna_study.report(self.number, point[self.task.unit], point[METRIC])
        return saved

    @storage_calls()
    def end_trial(self, found: Mapping[str, Any]) -> bool:
        """End a trial in the storage, then in the log; return False if it is retried elsewhere."""
        storage, held_id = self.optuna_study.storage, self.optuna_study.held_id
        about = {**self.config, **found}
        values = None if found["value"] is None else [found["value"]]
        try:
            for name in about.keys() - {*searched(), "state", "value", "learning_curve"}:
                storage.set_trial_user_attr(held_id, name, about[name])
            storage.set_trial_state_values(held_id, TrialState[found["state"]], values)
        except RuntimeError:  # the trial has ended: it was stale
            say(f"trial {self.number} is retried by another worker; this result is discarded")
            return False
        return super().end_trial(found)

    def close_run(self, reason: str) -> None:
        """Leave the held trial to the next run, unless it has ended."""
        with suppress(Interrupted):
            self.optuna_study.retry(self.optuna_study.held_id)
        super().close_run(reason)
