"""Runner of array jobs: the loop of the runner, with Slurm in the place of slots."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from hpogen.errors import UsageError
from hpogen.run.job import Job, last_line
from hpogen.run.runner import Options, Runner, variables
from hpogen.run.screen import Screen
from hpogen.run.script_order import Script
from hpogen.run.slurm import (
    ArrayJob,
    Queue,
    Request,
    job_script,
    number_of,
    room_of,
    slurm_variables,
    submit,
)
from hpogen.run.status_table import Row
from hpogen.run.worker import LOST, Worker, size_of


class SlurmRunner(Runner):
    """Keeps an array job for each script in the queue until its log is complete."""

    def __init__(
        self,
        scripts: Sequence[Script],
        options: Options,
        screen: Screen,
        request: Request,
        *,
        detach: bool = False,
    ) -> None:
        super().__init__(scripts, options, screen)
        self.request, self.queue, self.detach = request, Queue(), detach

    def run(self) -> int:
        """Keep jobs in the queue until all logs are complete, or submit them once."""
        return self.submit() if self.detach else super().run()

    def adopt(self) -> None:
        """Take over the jobs that earlier runners have submitted."""
        self.queue.look()
        for job in self.jobs:
            number = number_of(job.script)
            if number in self.queue.states:
                job.workers.append(self.array_job(job, number))
                job.began = self.began
                self.screen.say(f"{job.place} still in the queue: {job.script.name}  job {number}")

    def array_job(self, job: Job, number: str) -> ArrayJob:
        return ArrayJob(
            room_of(job.script),
            f"job {number}",
            number=number,
            queue=self.queue,
            log=job.script.log,
            size_before=size_of(job.script.log),
        )

    def look(self) -> None:
        """Ask for the queue, then look for reasons to stop or to pause."""
        self.queue.look()
        super().look()

    def worker_ended(self, job: Job, worker: Worker, code: int) -> None:
        """Submit again what the time limit or a lost node has cut off, if it made progress."""
        cut = code == LOST and not worker.told and not job.complete
        if not (cut and isinstance(worker, ArrayJob)):
            super().worker_ended(job, worker, code)
        elif worker.has_progress:
            self.screen.say(f"{job.place} {job.script.name}: {worker.slot} was cut off")
        else:
            self.crashed(job, "its job ended without a line in the log", last_line(worker))

    def fill(self) -> None:
        """Submit a job for every script that has none."""
        for job in self.jobs:
            if job.wants_worker(spread=False):
                self.start(job, "auto")

    def start(self, job: Job, slot: str) -> None:
        """Submit the array job of a script."""
        script = job.script
        workers = min(self.request.workers, job.n_trials - job.ended)
        exports = slurm_variables(variables(script, self.options))
        text = job_script(script, self.request, workers, self.command(job, slot), exports)
        job.began = job.began or time.monotonic()
        try:
            number = submit(script, text)
        except UsageError as error:
            job.give_up("failed", str(error))
            return
        array = self.array_job(job, number)
        self.queue.states.setdefault(number, ["PENDING"])
        job.workers.append(array)
        workers_said = f"{workers} worker{'s' if workers > 1 else ''}"
        banner = f"{job.place} Starting: {script.path.name}  sha256 {script.digest}"
        self.screen.say(f"{banner}, job {number}, {workers_said}")

    def submit(self) -> int:
        """Submit what is not in the queue, and return; the jobs requeue themselves."""
        self.adopt()
        for job in self.jobs:
            if job.complete:
                job.close()
        self.fill()
        return 1 if any(job.end == "failed" for job in self.jobs) else 0

    def rows(self) -> list[Row]:
        """Return the table; a job of which no task runs yet is queued."""
        found = []
        for job, row in zip(self.jobs, super().rows(), strict=True):
            arrays = [worker for worker in job.workers if isinstance(worker, ArrayJob)]
            queued = row.state == "running" and all(array.is_queued for array in arrays)
            found.append(replace(row, state="queued", seconds_left=None) if queued else row)
        return found
