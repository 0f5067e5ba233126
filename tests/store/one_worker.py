"""A store that tests work on: one worker has registered there."""

from typing import Any

from jobrunner.domain.job import Details, Job, Outcome
from jobrunner.domain.moment import Moment
from jobrunner.domain.retry import Decision
from jobrunner.linux.processes import Process
from jobrunner.store.database import Database
from jobrunner.store.store import Store

MAX_WAIT = 3600.0
NOW = 1_000_000.0
TIMINGS = Details(1.0, 2.0, 3.0)
AGAIN = Decision(failures=1, delays=2, crashes=0, interruptions=0, reason="why")


def at(seconds: float) -> Moment:
    """Both clocks at one."""
    return Moment(seconds, seconds)


class OneWorkerStore(Store):
    """Jobs with one worker (of supervisor `boss`), each change in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, max_wait=MAX_WAIT)
        self.worker = self.register("w1")

    def register(self, token: str, supervisor: str = "boss") -> int:
        with self.write():
            return self.workers.register(token, supervisor, Process(11, 1, "a-boot"), NOW)

    def enqueue(self, *names: str) -> int:
        with self.write():
            return self.queue.enqueue(names, NOW)

    def claim(self, now: float = NOW, worker: int | None = None) -> Job | None:
        with self.write():
            return self.queue.claim(worker or self.worker, at(now))

    def claimed(self, name: str = "p", now: float = NOW) -> Job:
        self.enqueue(name)
        job = self.claim(now)
        assert job is not None
        assert job.name == name
        return job

    def requeue(self, job: Job, decision: Decision = AGAIN, now: float = NOW) -> Job:
        with self.write():
            self.queue.requeue(job, Outcome.FAILED, decision, at(now))
        return self.get(job)

    def fail(self, job: Job, place: tuple[str, str] | None = ("p", "error.txt"), now: float = NOW) -> Job:
        with self.write():
            self.queue.fail(job, Outcome.REJECTED, "bad", place, TIMINGS, now)
        return self.get(job)

    def complete(self, job: Job, now: float = NOW) -> Job:
        with self.write():
            self.queue.complete(job, TIMINGS, now)
        return self.get(job)

    def get(self, job: Job) -> Job:
        found = self.jobs.get(job.id)
        assert found is not None
        return found

    def claim_order(self) -> list[str]:
        order = []
        while job := self.claim():
            order.append(job.name)
        return order

    def content(self) -> list[dict[str, Any]]:
        return self.database.rows("SELECT * FROM jobs ORDER BY id") + self.database.rows(
            "SELECT * FROM attempts ORDER BY job_id, number"
        )
