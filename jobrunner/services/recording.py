"""What a worker writes into the database: itself, its claims and how they end. Each is retried until it works."""

from collections.abc import Sequence
from functools import partial

from jobrunner.domain.change import Action
from jobrunner.domain.errors import ClaimLost
from jobrunner.domain.job import Attempt, EndedAttempt, Job, Outcome
from jobrunner.domain.moment import Moment
from jobrunner.domain.retry import Decision
from jobrunner.linux.processes import Process
from jobrunner.process.signals import StopRequest
from jobrunner.services.attempt import Done, Ending, Failed, PutOff
from jobrunner.services.machine import Machine
from jobrunner.store.store import Store


class Recording:
    """One worker's. Raises Stopped where a signal asks to stop before something could be recorded."""

    def __init__(
        self, store: Store, machine: Machine, asked_to_stop: StopRequest, *, notes_failures: bool = False
    ) -> None:
        """`notes_failures`: a notice is to tell of them."""
        self._notes_failures = notes_failures
        self._store = store
        self._machine = machine
        self._asked_to_stop = asked_to_stop
        self._worker_id = 0

    def register(self, token: str, supervisor: str) -> None:
        """Record that the worker has started, under a token whose lock it holds."""

        def register() -> int:
            with self._store.write():
                return self._store.workers.register(token, supervisor, Process.own(), self._store.now().wall)

        self._worker_id = self._machine.until_it_works(register)

    def end(self) -> None:
        """Record that the worker has ended."""

        def end() -> None:
            with self._store.write():
                self._store.workers.end(self._worker_id, self._store.now().wall)

        self._machine.until_it_works(end)

    def claim(self) -> Job | None:
        """Claim the next job that is ready."""
        return self._machine.until_it_works(partial(self._claim, durable=True))

    def claim_in_a_batch(self) -> Job | None:
        """Claim the next job, which a power cut may undo until the next ending is recorded; none if we are to stop."""
        if self._asked_to_stop():
            return None
        return self._machine.until_it_works(partial(self._claim, durable=False))

    def claim_to_cancel(self, job: Job) -> Job | None:
        """Claim a queued job that is to be put in the failed folder; None where it is not queued any more."""
        with self._store.write():
            claimed = self._store.queue.claim_cancelled(job, self._worker_id, self._store.now())
            if claimed and not job.verdict:  # else it has been noted when its worker was ended
                self._store.changes.note(Action.CANCEL, [claimed], self._store.now().wall)
            return claimed

    def attempts(self, job: Job) -> list[Attempt]:
        """Return the attempts at a job, the first one first."""
        return self._machine.until_it_works(partial(self._store.attempts.of_job, job))

    def newest(self, job: Job) -> Job:
        """Return a job as it is by now: it may be condemned since."""
        return self._machine.until_it_works(partial(self._store.jobs.get, job.id)) or job

    def condemn(self, job: Job, decision: Decision, failed_name: str, error_name: str) -> None:
        """Record that a job fails, and as what it is going to lie in the failed folder. Raises ClaimLost."""

        def condemn() -> None:
            with self._store.write():
                self._store.queue.condemn(job, decision, failed_name, error_name)

        self._machine.until_it_works(condemn)

    def record(self, endings: Sequence[Ending], *, claim: bool) -> tuple[Job | None, list[Ending]]:
        """Record these endings and claim the next job in the same transaction.

        Return that job, and which endings could not be recorded: the jobs are no longer this worker's.
        """
        return self._machine.until_it_works(partial(self._record, endings, claim=claim))

    def _claim(self, *, durable: bool) -> Job | None:
        with self._store.write(durable=durable):
            return self._store.queue.claim(self._worker_id, self._store.now())

    def _record(self, endings: Sequence[Ending], *, claim: bool) -> tuple[Job | None, list[Ending]]:
        now = self._store.now()
        is_held_up = any(isinstance(ending, PutOff) and ending.trouble for ending in endings)
        claim = claim and not is_held_up and not self._asked_to_stop() and not self._machine.is_replaced
        with self._store.write():  # all others wait meanwhile
            ended = [self._ended(ending, now) for ending in endings]
            self._store.totals.add(filter(None, ended), now.wall)
            following = self._store.queue.claim(self._worker_id, now) if claim else None
        return following, [ending for ending, recorded in zip(endings, ended, strict=True) if recorded is None]

    def _ended(self, ending: Ending, now: Moment) -> EndedAttempt | None:
        """Record an ending and return what is counted of it; None where the job is no longer this worker's."""
        job, details = ending.attempt.job, ending.attempt.details
        try:
            match ending:
                case Done(_, seconds):
                    self._store.queue.complete(job, details, now.wall)
                    return EndedAttempt(Outcome.DONE, True, details, seconds)
                case Failed(_, outcome, error, place, left_in_inbox):
                    self._store.queue.fail(job, outcome, error, place, details, now.wall, left_in_inbox=left_in_inbox)
                    if self._notes_failures and outcome is not Outcome.CANCELLED:
                        self._store.notices.note_failure(job.name, error, now.wall)
                    return EndedAttempt(outcome, True, details)
                case PutOff(_, outcome, decision):
                    self._store.queue.requeue(job, outcome, decision, now, details)
                    return EndedAttempt(outcome, False, details)
        except ClaimLost:
            return None
