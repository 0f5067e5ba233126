"""The worker's loop: claim, attempt, record the ending and claim the next in one transaction."""

import os
import signal
import time
from collections.abc import Callable

from jobrunner.domain.errors import ClaimLost
from jobrunner.domain.events import ClaimGone, Emit, JobDone, JobFailed, JobPutOff
from jobrunner.domain.job import Job
from jobrunner.process import signals
from jobrunner.services.attempt import AttemptRunner, Done, Ending, Failed, PutOff
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
        emit: Emit,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._workers = workers
        self._attempts = attempts
        self._emit = emit
        self._clock = clock
        self._id = 0
        self._stop = False

    def run(self, token: str, supervisor: str, *, drain: bool) -> None:
        """Work under a token whose lock is held. Raises StoreError."""
        with self._database.write():
            self._id = self._workers.register(token, supervisor, os.getpid(), self._clock())
        sleep = _SHORTEST_SLEEP
        job = self._claim()
        while job or not self._asked_to_stop():
            if job:
                job = self._attempt(job)
                sleep = _SHORTEST_SLEEP
            elif self._jobs.any_ready(self._clock()):
                job = self._claim()
            elif drain and not self._jobs.any_pending():
                break
            else:
                self._asked_to_stop(sleep)
                sleep = min(sleep * 2, _LONGEST_SLEEP)
        with self._database.write():
            self._workers.end(self._id, self._clock())

    def _claim(self) -> Job | None:
        with self._database.write():
            return self._jobs.claim(self._id, self._clock())

    def _attempt(self, job: Job) -> Job | None:
        """Run an attempt to its recorded end and return the next job, claimed already; None if there is none."""
        try:
            return self._finish(self._attempts.run(job))
        except ClaimLost:
            self._emit(ClaimGone(job.name))
            return None

    def _finish(self, ending: Ending) -> Job | None:
        """Record an ending and, in the same transaction, claim the next job. Raises ClaimLost."""
        job, following = ending.job, None
        with self._database.write():
            now = self._clock()
            self._record(ending, now)
            if not self._asked_to_stop():
                following = self._jobs.claim(self._id, now)
        match ending:
            case Done():
                self._attempts.clear(job)
                self._emit(JobDone(job.name, ending.seconds))
            case Failed():
                self._attempts.clear(job)
                self._emit(JobFailed(job.name, ending.error))
            case PutOff():
                self._emit(JobPutOff(job.name, ending.decision.reason or "", ending.decision.delay or 0))
        return following

    def _record(self, ending: Ending, now: float) -> None:
        match ending:
            case Done():
                self._jobs.complete(ending.job, ending.details, now)
            case Failed():
                self._jobs.fail(ending.job, ending.outcome, ending.error, ending.place, ending.details, now)
            case PutOff():
                self._jobs.requeue(ending.job, ending.outcome, ending.decision, now, ending.details)

    def _asked_to_stop(self, seconds: float = 0) -> bool:
        if not self._stop and signals.wait({signal.SIGTERM}, seconds):
            self._stop = True
        return self._stop
