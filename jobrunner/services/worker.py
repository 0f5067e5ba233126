"""The worker's loop: claim, attempt, archive, record the endings and claim the next in one transaction."""

import time
from collections.abc import Sequence
from functools import partial

from jobrunner.domain.errors import ClaimLost
from jobrunner.domain.events import ClaimGone, Emit, JobDone, JobFailed, JobPutOff
from jobrunner.domain.job import Job
from jobrunner.domain.moment import Moment
from jobrunner.linux.processes import Process
from jobrunner.process.signals import StopRequest
from jobrunner.services.attempt import AttemptRunner, Ready
from jobrunner.services.ending import Done, Ending, Failed, PutOff
from jobrunner.services.machine import Machine
from jobrunner.store.store import Store

#: How long an idle worker sleeps before it looks again, in seconds: doubled from the first to the last.
_SHORTEST_SLEEP = 0.01
_LONGEST_SLEEP = 0.3
#: What a worker puts in the archive together, at most: so many packages, of so many bytes of zips, within so many
#: seconds.
BATCH_PACKAGES = 128
BATCH_BYTES = 8 * 2**20
BATCH_SECONDS = 0.4


class Worker:
    """Works until SIGTERM (which must be blocked) or, with `drain`, until no job is queued, waiting or running."""

    def __init__(
        self,
        store: Store,
        attempts: AttemptRunner,
        machine: Machine,
        asked_to_stop: StopRequest,
        emit: Emit,
    ) -> None:
        self._store = store
        self._attempts = attempts
        self._machine = machine
        self._asked_to_stop = asked_to_stop
        self._emit = emit
        self._id = 0
        self._ready: list[Ready] = []  # empty unless a claimed job goes before
        self._ready_size = 0

    def run(self, token: str, supervisor: str, *, drain: bool) -> None:
        """Work under a token whose lock is held, until another worker has taken our place, too.

        Raises Stopped where an end could not be recorded.
        """
        self._machine.until_it_works(partial(self._register, token, supervisor))
        sleep = _SHORTEST_SLEEP
        job, probed = None, False
        while job or not (self._asked_to_stop() or self._machine.is_replaced):
            if job:
                job = self._attempt(job)
                sleep = _SHORTEST_SLEEP
            elif self._machine.until_it_works(self._any_ready):
                if not probed:
                    self._machine.wait_until_well(self._machine.probe())
                    probed = True
                job = self._machine.until_it_works(self._claim)
            elif drain and not self._machine.until_it_works(self._store.jobs.any_pending):
                break
            else:
                self._asked_to_stop(sleep)
                sleep = min(sleep * 2, _LONGEST_SLEEP)
        self._machine.until_it_works(self._end)

    def cancel(self, token: str, job: Job) -> None:
        """Put one queued job in the failed folder, as cancelled. Raises StoreError, Stopped."""
        with self._store.write():
            now = self._store.now()
            self._id = self._store.workers.register(token, token, Process.own(), now.wall)
            claimed = self._store.queue.claim_cancelled(job, self._id, now)
        if claimed:
            self._attempt(claimed)
        self._machine.until_it_works(self._end)

    def _register(self, token: str, supervisor: str) -> None:
        with self._store.write():
            self._id = self._store.workers.register(token, supervisor, Process.own(), self._store.now().wall)

    def _end(self) -> None:
        with self._store.write():
            self._store.workers.end(self._id, self._store.now().wall)

    def _any_ready(self) -> bool:
        self._attempts.hold_to_guard()
        return self._store.jobs.any_ready(self._store.now())

    def _claim(self, *, durable: bool = True) -> Job | None:
        with self._store.write(durable=durable):
            return self._store.queue.claim(self._id, self._store.now())

    def _attempt(self, job: Job) -> Job | None:
        """Run an attempt and return the next job, claimed already; None if there is none.

        Its ending is recorded, unless the next job is a quick one: then both may go to the archive together.
        """
        try:
            result = self._attempts.run(job, self._before_long)
        except ClaimLost:
            self._emit(ClaimGone(job.name))
            return self._end_attempts()
        if not isinstance(result, Ready):
            return self._end_attempts([result])
        self._ready.append(result)
        self._ready_size += result.size or 0
        if result.size is not None and self._may_wait_for_others():
            # not durable until the next ending's commit
            following = self._machine.until_it_works(partial(self._claim, durable=False))
            if following:
                return following
        return self._end_attempts()

    def _before_long(self) -> None:
        if self._ready:
            self._end_attempts(claim=False)

    def _may_wait_for_others(self) -> bool:
        """Say whether what is ready can wait for one more."""
        is_little = len(self._ready) < BATCH_PACKAGES and self._ready_size < BATCH_BYTES
        seconds = time.monotonic() - self._ready[0].since
        return is_little and seconds < BATCH_SECONDS and not self._asked_to_stop()

    def _end_attempts(self, endings: Sequence[Ending] = (), *, claim: bool = True) -> Job | None:
        """Archive what is ready, record all endings and, in the same transaction, claim the next job."""
        endings = [*self._attempts.archive(self._ready), *endings]
        self._ready, self._ready_size = [], 0
        following, lost = self._machine.until_it_works(partial(self._record_and_claim, endings, claim=claim))
        for ending in endings:
            if ending in lost:
                self._emit(ClaimGone(ending.job.name))
            else:
                self._follow_up(ending)
        return following

    def _follow_up(self, ending: Ending) -> None:
        job = ending.job
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

    def _record_and_claim(self, endings: Sequence[Ending], *, claim: bool) -> tuple[Job | None, list[Ending]]:
        """Return the next job, and which endings could not be recorded: the jobs are somebody else's by now."""
        now = self._store.now()
        is_held_up = any(isinstance(ending, PutOff) and ending.trouble for ending in endings)
        claim = claim and not is_held_up and not self._asked_to_stop() and not self._machine.is_replaced
        with self._store.write():  # all others wait meanwhile
            lost = [ending for ending in endings if not self._record(ending, now)]
            return self._store.queue.claim(self._id, now) if claim else None, lost

    def _record(self, ending: Ending, now: Moment) -> bool:
        try:
            match ending:
                case Done():
                    self._store.queue.complete(ending.job, ending.details, now.wall)
                case Failed():
                    self._store.queue.fail(
                        ending.job,
                        ending.outcome,
                        ending.error,
                        ending.place,
                        ending.details,
                        now.wall,
                        left_in_inbox=ending.left_in_inbox,
                    )
                case PutOff():
                    self._store.queue.requeue(ending.job, ending.outcome, ending.decision, now, ending.details)
        except ClaimLost:
            return False
        return True
