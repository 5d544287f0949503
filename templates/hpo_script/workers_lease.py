"""Workers on several machines: each renews a lease in the storage while it lives.

The leases are trials of a study of their own, NAME.workers, and so are the tickets by which one
worker after the other has its round. A lease that stood still for LEASE_SECONDS, by the clock of
whoever looks on, is ended; one that has ended cannot be renewed. A worker that could not renew its
own for half that time stops: no trial has two owners, and no two clocks are compared.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpo_script.log_writer import say
from hpo_script.stops import Interrupted
from hpo_script.workers import Workers


def seconds() -> float:
    """Return the time since some moment; it goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class LeasedWorkers(Workers):
    """This process among those that share a study, on any machine."""

    def __init__(
        self,
        storage: BaseStorage,
        study_name: str,
        url: str,
        *,
        take_over: bool,
        lease_seconds: float,
    ) -> None:
        self.leases = optuna.create_study(
            storage=storage,
            study_name=f"{study_name}.workers",
            sampler=optuna.samplers.RandomSampler(),
            load_if_exists=True,
        )
        self.lease_seconds, self.ticket = lease_seconds, ""
        self.seen: dict[int, tuple[int, float]] = {}  # renewals of a lease, and since when
        self.renewed, self.renewals = seconds(), 0
        self.lease = self.leases.ask()
        self.left = threading.Event()
        threading.Thread(target=self.keep, daemon=True).start()
        super().__init__(storage, study_name, url, take_over=take_over)
        if take_over:
            say(f"waiting {lease_seconds:.0f} s for the leases of workers that are gone")
            self.look(self.running())
            time.sleep(lease_seconds)

    def keep(self) -> None:
        """Renew the lease, and watch those of others, until this process leaves."""
        while not self.left.wait(self.lease_seconds / 4):
            # An error of the storage may be over the next time; else `confirm` ends the run.
            with suppress(Exception):
                self.renew()
                self.look(self.running())
                self.give_back()

    def renew(self) -> None:
        """Renew the lease, unless another may have ended it by now."""
        began = seconds()
        if began - self.renewed > self.lease_seconds / 2:
            return
        try:
            self.lease.set_user_attr("renewals", self.renewals + 1)
        except UpdateFinishedTrialError:  # another took this process for dead
            began -= self.lease_seconds
        self.renewed, self.renewals = began, self.renewals + 1

    def confirm(self) -> None:
        """Raise Interrupted if others may take this process for dead."""
        silent = seconds() - self.renewed
        if silent > self.lease_seconds / 2:
            raise Interrupted(f"the lease was not renewed for {silent:.0f} s", 2)

    def running(self) -> list[FrozenTrial]:
        """Return the leases and tickets that have not ended, oldest first."""
        return self.leases.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def look(self, running: Sequence[FrozenTrial]) -> None:
        """Note since when each lease stands still."""
        now = seconds()
        for lease in running:
            renewals = lease.user_attrs.get("renewals", 0)
            if self.seen.get(lease.number, (None,))[0] != renewals:
                self.seen[lease.number] = renewals, now

    def end(self, number: int) -> None:
        """End a lease or a ticket; another may just have done so."""
        with suppress(UpdateFinishedTrialError):
            self.leases.tell(number, state=TrialState.FAIL, skip_if_finished=True)

    def give_back(self) -> None:
        """End the tickets of this process that it does not wait for or hold."""
        for item in self.running():
            known = item.user_attrs
            ours = "ticket" in known and known["owner"]["run"] == self.run
            if ours and known["ticket"] != self.ticket:
                self.end(item.number)

    @contextmanager
    def round(self) -> Iterator[None]:
        """Keep all other workers waiting, those of this machine and of all others."""
        with super().round():
            self.ticket = uuid.uuid4().hex
            try:
                known = {"ticket": self.ticket, "owner": self.owner()}
                self.leases.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=known))
                self.await_turn()
                yield
            finally:
                self.ticket = ""
                with suppress(Exception):  # of the storage: `keep` tries again
                    self.give_back()

    def await_turn(self) -> None:
        """Wait until the oldest ticket is that of this process."""
        pause = 0.01
        while True:
            running = self.running()
            if self.lease.number not in (item.number for item in running):
                raise Interrupted("the lease was ended by another worker", 2)
            first = next(item for item in running if "ticket" in item.user_attrs)
            if first.user_attrs["ticket"] == self.ticket:
                return
            owner = first.user_attrs["owner"]
            if self.is_free(owner):
                self.end(first.number)
            else:
                time.sleep(pause)
                pause = min(2 * pause, 0.1)

    def owner(self) -> dict[str, Any]:
        """Return what a trial of this process is marked with."""
        return {**super().owner(), "lease": self.lease.number}

    def is_free(self, owner: Mapping[str, Any] | None) -> bool:
        """Tell, within a round, whether the process that owns a running trial is gone.

        Its lock tells at once on its own machine; elsewhere, or where the lock is not to be seen,
        its lease.
        """
        if owner is None or owner["run"] == self.run or "lease" not in owner:
            return super().is_free(owner)
        before, running, number = seconds(), self.running(), owner["lease"]
        if number not in (item.number for item in running):
            return True
        self.look(running)
        ours = self.here.items() <= owner.items()
        ended = self.has_ended(owner["run"]) if ours else None
        if ended is None:
            ended = before - self.seen[number][1] >= self.lease_seconds
        if ended:
            self.end(number)
        return ended

    def leave(self) -> None:
        """End: none of the trials is this process's any more."""
        self.left.set()
        with suppress(Exception):  # of the storage: others will find the lease standing still
            self.end(self.lease.number)
        super().leave()
