"""Jobs: scripts with their workers, and the state that log and workers show."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hpogen.configuration.yaml_file import shown
from hpogen.run.script_order import Script
from hpogen.run.status_table import Row, ended_below, row_of, statuses_of
from hpogen.run.worker import Worker
from recover_trials.follow.lines import summary
from recover_trials.follow.live import LiveLog
from recover_trials.follow.status import Status

BANNERS = {"finished": "PASSED", "failed": "FAILED", "stopped": "Stopped"}


@dataclass
class Job:
    """A script and its workers.

    Attributes:
        number: position among all jobs, from 1 on, of `n_jobs`.
        status: of the study, as of the last read; None before its first trial.
        end: finished, failed or stopped, once no worker will be started any more.
        reason: of the end, in a few words.
        detail: the last line of output of a process that failed.
        closed: whether it has an end and its last worker has ended.
        crowded: whether a worker found that other processes train all trials that are left.
        crashes: how many workers have crashed.
        began: time of the first start, by the monotonic clock.
    """

    script: Script
    number: int
    n_jobs: int
    n_trials: int
    log: LiveLog
    status: Status | None = None
    workers: list[Worker] = field(default_factory=list)
    end: str = ""
    reason: str = ""
    detail: str = ""
    closed: bool = False
    crowded: bool = False
    crashes: int = 0
    stalled: bool = False
    began: float | None = None

    def read(self) -> None:
        """Read the new lines of the log; a disk that does not answer is asked again later."""
        with suppress(OSError):
            self.log.poll()
        self.status = next(iter(statuses_of(self.log)), None)

    @property
    def place(self) -> str:
        """Position among all jobs, such as [2/12]."""
        return f"[{self.number}/{self.n_jobs}]"

    @property
    def ended(self) -> int:
        """Number of trials that have ended, of the first `n_trials`."""
        return ended_below(self.status, self.n_trials)

    @property
    def complete(self) -> bool:
        """Return whether all trials have ended, so that the script is skipped."""
        status = self.status
        return status is not None and self.ended >= self.n_trials and status.evaluated

    @property
    def most_workers(self) -> int:
        """Number of workers that find a trial to train; a final script has a single one."""
        return 1 if self.script.is_final else self.n_trials - self.ended

    def wants_worker(self, *, spread: bool) -> bool:
        """Return whether a further worker has a trial to train."""
        most = self.most_workers if spread and not self.crowded else 1
        return not (self.end or self.complete) and len(self.workers) < most

    def silence(self, worker: Worker) -> float:
        """Return the seconds since a worker wrote something; only a single one has the log."""
        logs = [self.script.log] if len(self.workers) == 1 else []
        return worker.silence([worker.output, *logs])

    def give_up(self, end: str, reason: str, detail: str = "") -> None:
        """Start no more workers; those at work may still finish the study."""
        self.end, self.reason, self.detail = end, reason, detail

    def close(self) -> None:
        """Set the end by the log, which decides whatever the processes did."""
        if self.complete:
            good = self.status is not None and self.status.counts.get("COMPLETE", 0) > 0
            self.give_up(*(("finished", "") if good else ("failed", "no trial is complete")))
        self.closed = True
        self.log.tail.close()  # a thousand logs are too many open files

    def banner(self) -> str:
        """Return the line about the end, as recover-trials reads it."""
        if self.began is None:
            return f"{self.place} Skipping: {self.script.path.name}  {self.end}"
        duration = timedelta(seconds=round(time.monotonic() - self.began))
        about = [f"duration {duration}", self.reason]
        about += [summary(self.status)] if self.status else []
        text = ", ".join(filter(None, about)) + (f": {self.detail}" if self.detail else "")
        return f"{self.place} {BANNERS[self.end]}: {self.script.path.name}  {text}"

    def row(self, idle: str) -> Row:
        """Return the row of the table; `idle` is the state of a job without workers."""
        row = row_of(self.script.name, str(self.script.log), self.status, self.n_trials)
        if self.complete and not self.closed:
            return row
        if self.closed:
            return replace(row, state=self.end, reason=self.reason, seconds_left=None)
        if self.workers:
            slots = ", ".join(worker.slot for worker in self.workers)
            return replace(row, state="stalled" if self.stalled else "running", reason=slots)
        state = idle if self.status else "waiting"
        reason = row.reason if row.state == state else ""
        return replace(row, state=state, reason=reason, seconds_left=None)


def last_line(worker: Worker) -> str:
    """Return the last line that a worker wrote since its start, empty if there is none."""
    try:
        with worker.output.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 4096, 0))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    _, banner, said = text.rpartition(" Starting: ")
    lines = [line.strip() for line in (said or text).splitlines()[bool(banner) :]]
    return shown(next((line for line in reversed(lines) if line), ""), 200)
