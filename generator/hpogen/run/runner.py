"""Runner: the loop that keeps every slot busy until all studies have their trials.

The logs decide: a study is finished when its log has all its trials (`Job.complete`), whatever its
processes said. So a runner can be killed and started again at any time.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

from hpogen.run.job import Job, last_line
from hpogen.run.screen import Screen
from hpogen.run.script_order import Script
from hpogen.run.status_table import Row
from hpogen.run.stop_and_pause import Heat, pause_reason, stop_reason
from hpogen.run.worker import LOST, Worker, end_at_once, free_lock, start, survivor, survivors
from hpogen.run.worker_lock import BUSY
from recover_trials.follow.lines import summary
from recover_trials.follow.live import live_logs

STOPPED = 75  # exit code: stopped before the end, run again to continue
UNUSABLE = (2, 3)  # exit codes of a script that no restart changes
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
INTERVAL = 0.2  # seconds between two looks
GRACE = 600.0  # seconds that a script has for its checkpoint before it is killed


@dataclass(frozen=True)
class Options:
    """Settings of a runner.

    Attributes:
        slots: a device each, as `--device` of a script takes it.
        spread: whether several workers may share a script.
        restarts: how often a script that crashes is started again.
        stall: seconds without a line after which a script counts as hanging.
        kill_stalled: whether such a script is killed, which counts as a crash.
        timeout: seconds for all.
        python: interpreter of the scripts.
        n_trials: total of each study, instead of its N_TRIALS.
        max_celsius: temperature above which all scripts pause; None without a limit.
        data: data file of each script, instead of its own.
        arguments: further arguments of each script.
    """

    slots: Sequence[str]
    spread: bool
    restarts: int
    stall: float
    kill_stalled: bool
    timeout: float
    python: str
    n_trials: int | None
    max_celsius: float | None
    data: str | None
    arguments: Sequence[str]


class Runner:
    """Runs jobs in their order."""

    def __init__(self, scripts: Sequence[Script], options: Options, screen: Screen) -> None:
        self.options, self.screen = options, screen
        logs = live_logs(script.log for script in scripts)
        self.jobs = [
            Job(script, f"[{k}/{len(scripts)}]", options.n_trials or script.n_trials, log)
            for k, (script, log) in enumerate(zip(scripts, logs, strict=True), 1)
        ]
        for job in self.jobs:
            job.read()
        self.others: list[Worker] = []  # of scripts that are not among the jobs
        self.signals: list[int] = []
        self.stop = ""  # why the runner ends before all studies do
        self.paused = ""  # why no script runs for now
        self.heat = Heat(options.max_celsius)
        self.began = time.monotonic()

    def run(self) -> int:
        """Run all jobs; return the exit code."""
        with self.listening():
            self.adopt()
            while True:
                self.look()
                for job in self.jobs:
                    self.update(job)
                if not (self.stop or self.paused):
                    self.fill()
                self.screen.show(self.rows)
                if not any(job.workers or not (job.closed or self.stop) for job in self.jobs):
                    return self.exit_code()
                time.sleep(INTERVAL)

    def rows(self) -> list[Row]:
        idle = "stopped" if self.stop else "paused" if self.paused else "waiting"
        return [job.row(idle) for job in self.jobs]

    def exit_code(self) -> int:
        if self.stop and not all(job.closed for job in self.jobs):
            return 128 + self.signals[0] if self.signals else STOPPED
        ends = {job.end for job in self.jobs}
        return 1 if "failed" in ends else STOPPED if "stopped" in ends else 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Collect signals instead of ending; one that is ignored, as by nohup, stays ignored."""

        def collect(number: int, _frame: FrameType | None) -> None:
            self.signals.append(number)

        caught = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, collect) for number in caught}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def adopt(self) -> None:
        """Take over the workers of earlier runners."""
        jobs = {job.script.name: job for job in self.jobs}
        for worker in survivors():
            job = jobs.get(worker.script)
            if job is None:
                self.others.append(worker)
                continue
            job.workers.append(worker)
            job.began = self.began
            where = f"{job.script.name}  slot {worker.slot}"
            self.screen.say(f"{job.place} still running, of an earlier runner: {where}")

    def look(self) -> None:
        """Look for reasons to stop or to pause, and pass them on to the workers."""
        reason = stop_reason(self.signals, self.began, self.options.timeout)
        if reason and not self.stop:
            self.stop = reason
            self.screen.say(f"stopping: {reason}; running scripts write their checkpoints")
        before, self.paused = self.paused, pause_reason(self.heat)
        if bool(before) != bool(self.paused):
            self.screen.say(f"paused: {self.paused}" if self.paused else "the pause ends")
        workers = [worker for job in self.jobs for worker in job.workers]
        if self.stop or self.paused:
            for worker in workers:
                worker.stop(self.signals[0] if self.signals else signal.SIGTERM)
        if len(self.signals) > 1:
            end_at_once(workers)
        end_at_once(worker for worker in workers if worker.is_late(GRACE))

    def update(self, job: Job) -> None:
        """Read the log of a job, and see which of its workers have ended or hang."""
        if job.closed:
            return
        before = job.ended
        polled = [(worker, worker.poll()) for worker in job.workers]
        if job.workers or job.end:
            job.read()  # after the poll: an ended process has written its last line
        job.workers = [worker for worker, code in polled if code is None]
        for worker, code in polled:
            if code is not None:
                self.worker_ended(job, worker, code)
        if job.status and job.ended != before:
            self.screen.say(f"{job.place} {job.script.name}: {summary(job.status)}")
        hanging = [worker for worker in job.workers if self.hangs(job, worker)]
        job.stalled = bool(hanging)
        if not job.workers and (job.complete or job.end):
            job.close()
            self.screen.say(job.banner())

    def worker_ended(self, job: Job, worker: Worker, code: int) -> None:
        """Decide by the exit code of a worker whether its script is started again."""
        if code == BUSY:  # the worker of an earlier runner was quicker
            job.workers.append(survivor(worker.lock))
        elif code == LOST or worker.told or job.complete:
            return
        elif code in UNUSABLE:
            job.give_up("failed", f"exit code {code}", last_line(worker))
        elif code == STOPPED:
            job.give_up("stopped", "exit code 75", last_line(worker))
        elif code not in (0, 1):
            self.crashed(job, f"exit code {code}", last_line(worker))
        elif job.workers:
            job.crowded = True
        else:
            job.give_up("stopped", "other processes train its last trials")

    def crashed(self, job: Job, reason: str, detail: str) -> None:
        """Give a job up if it has crashed too often."""
        job.crashes += 1
        left = self.options.restarts - job.crashes
        if left < 0:
            job.give_up("failed", reason, detail)
        else:
            text = f"{job.place} {job.script.name} crashed, {reason}; restarts left: {left}"
            self.screen.say(f"{text}: {detail}" if detail else text)

    def hangs(self, job: Job, worker: Worker) -> bool:
        """Return whether a worker hangs; report it once, and kill it if that is asked for."""
        silence = job.silence(worker)
        if worker.told or silence < self.options.stall:
            return False
        if not job.stalled:
            duration = timedelta(seconds=round(silence))
            where = f"{job.script.name} on {worker.slot}"
            self.screen.say(f"{job.place} {where} hangs: no line for {duration}")
        if self.options.kill_stalled:
            end_at_once([worker])
        return True

    def fill(self) -> None:
        """Start a worker on every free slot."""
        for slot in self.free_slots():
            wanting = (job for job in self.jobs if job.wants_worker(spread=self.options.spread))
            if job := next(wanting, None):
                self.start(job, slot)

    def free_slots(self) -> list[str]:
        """Return the slots without a worker."""
        self.others = [worker for worker in self.others if worker.poll() is None]
        free = list(self.options.slots)
        for worker in [*self.others, *(worker for job in self.jobs for worker in job.workers)]:
            taken = worker.slot if worker.slot in free else "auto"
            if taken in free:
                free.remove(taken)
        return free

    def command(self, job: Job, slot: str) -> list[str]:
        """Return the command of a job's script on a slot."""
        options = self.options
        command = [options.python, str(job.script.copy), *options.arguments]
        given = {"--n-trials": options.n_trials, "--data": options.data}
        given["--device"] = None if slot == "auto" else slot
        for name, value in given.items():
            command += [] if value is None else [name, str(value)]
        return command

    def start(self, job: Job, slot: str) -> None:
        """Start a worker of a job."""
        script, options = job.script, self.options
        command = self.command(job, slot)
        banner = f"{job.place} Starting: {script.path.name}  sha256 {script.digest}, slot {slot}"
        self.screen.say(banner)
        if job.began is None:
            job.began = time.monotonic()
        try:
            lock = free_lock(script.name, job.workers)
            job.workers.append(start(lock, slot, command, banner, variables(script, options)))
        except OSError as error:
            self.crashed(job, "cannot be started", f"{error.filename}: {error.strerror}")


def variables(script: Script, options: Options) -> dict[str, str]:
    """Return the environment variables of a script."""
    # Modules beside the script are found as if it ran from its own folder.
    folders = [str(script.path.parent.resolve()), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {"PYTHONPATH": os.pathsep.join(folders)}
    on_cpu = list(options.slots).count("cpu")
    if on_cpu > 1 and "OMP_NUM_THREADS" not in os.environ:
        found["OMP_NUM_THREADS"] = str(max((os.cpu_count() or 1) // on_cpu, 1))
    return found
