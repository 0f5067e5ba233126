"""The worker's loop: claim, attempt, record the ending and claim the next in one transaction."""

import os
from functools import partial

from jobrunner.domain.errors import ClaimLost
from jobrunner.domain.events import ClaimGone, Emit, JobDone, JobFailed, JobPutOff
from jobrunner.domain.job import Job
from jobrunner.domain.moment import Now
from jobrunner.process.signals import StopRequest
from jobrunner.services.attempt import AttemptRunner, Done, Ending, Failed, PutOff
from jobrunner.services.machine import Machine
from jobrunner.store.database import Database
from jobrunner.store.jobs import Jobs
from jobrunner.store.workers import Workers

#: How long an idle worker sleeps before it looks again, in seconds: doubled from the first to the last.
_SHORTEST_SLEEP = 0.01
_LONGEST_SLEEP = 0.3


class Worker:
    """Works until SIGTERM (which must be blocked) or, with `drain`, until no job is queued, waiting or running."""

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        workers: Workers,
        attempts: AttemptRunner,
        machine: Machine,
        asked_to_stop: StopRequest,
        emit: Emit,
        now: Now,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._workers = workers
        self._attempts = attempts
        self._machine = machine
        self._asked_to_stop = asked_to_stop
        self._emit = emit
        self._now = now
        self._id = 0

    def run(self, token: str, supervisor: str, *, drain: bool) -> None:
        """Work under a token whose lock is held. Raises Stopped where an end could not be recorded."""
        self._machine.outlast(partial(self._register, token, supervisor))
        sleep = _SHORTEST_SLEEP
        job, probed = None, False
        while job or not self._asked_to_stop():
            if job:
                job = self._attempt(job)
                sleep = _SHORTEST_SLEEP
            elif self._machine.outlast(self._any_ready):
                if not probed:
                    self._machine.wait_until_well(self._machine.probe())
                    probed = True
                job = self._machine.outlast(self._claim)
            elif drain and not self._machine.outlast(self._jobs.any_pending):
                break
            else:
                self._asked_to_stop(sleep)
                sleep = min(sleep * 2, _LONGEST_SLEEP)
        self._machine.outlast(self._end)

    def cancel(self, token: str, job: Job) -> None:
        """Put one queued job in the failed folder, as cancelled. Raises StoreError, Stopped."""
        with self._database.write():
            now = self._now()
            self._id = self._workers.register(token, token, os.getpid(), now.wall)
            claimed = self._jobs.claim_cancelled(job, self._id, now)
        if claimed:
            self._attempt(claimed)
        self._machine.outlast(self._end)

    def _register(self, token: str, supervisor: str) -> None:
        with self._database.write():
            self._id = self._workers.register(token, supervisor, os.getpid(), self._now().wall)

    def _end(self) -> None:
        with self._database.write():
            self._workers.end(self._id, self._now().wall)

    def _any_ready(self) -> bool:
        self._attempts.hold_to_guard()
        return self._jobs.any_ready(self._now())

    def _claim(self) -> Job | None:
        with self._database.write():
            return self._jobs.claim(self._id, self._now())

    def _attempt(self, job: Job) -> Job | None:
        """Run an attempt to its recorded end and return the next job, claimed already; None if there is none."""
        try:
            return self._finish(self._attempts.run(job))
        except ClaimLost:
            self._emit(ClaimGone(job.name))
            return None

    def _finish(self, ending: Ending) -> Job | None:
        """Record an ending and, in the same transaction, claim the next job. Raises ClaimLost."""
        job = ending.job
        following = self._machine.outlast(partial(self._record_and_claim, ending))
        match ending:
            case Done():
                self._attempts.clear(job)
                self._emit(JobDone(job.name, ending.seconds))
            case Failed():
                self._attempts.clear(job)
                self._emit(JobFailed(job.name, ending.error))
            case PutOff(trouble=None):
                self._emit(JobPutOff(job.name, ending.decision.reason or "", ending.decision.delay or 0))
            case PutOff():
                self._machine.wait_until_well(ending.trouble)
        return following

    def _record_and_claim(self, ending: Ending) -> Job | None:
        with self._database.write():
            now = self._now()
            match ending:
                case Done():
                    self._jobs.complete(ending.job, ending.details, now.wall)
                case Failed():
                    self._jobs.fail(ending.job, ending.outcome, ending.error, ending.place, ending.details, now.wall)
                case PutOff():
                    self._jobs.requeue(ending.job, ending.outcome, ending.decision, now, ending.details)
                    if ending.trouble:
                        return None
            return None if self._asked_to_stop() else self._jobs.claim(self._id, now)
