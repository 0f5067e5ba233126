"""Jobs change here. Each finish is fenced: ClaimLost where the worker no longer has the job."""

from collections.abc import Iterable, Sequence
from typing import Any

from jobrunner.domain.errors import ClaimLost
from jobrunner.domain.job import Details, Job, Outcome
from jobrunner.domain.moment import Moment
from jobrunner.domain.retry import Decision
from jobrunner.store import rows
from jobrunner.store.attempts import Attempts
from jobrunner.store.database import Database, Row
from jobrunner.store.statements import statements

#: While there are others to claim, a job whose wait is over may be seen so many seconds later.
_LOOK_SECONDS = 0.1
_NO_DETAILS = Details()


class Queue:
    """The table of jobs, for writing; all methods but `confirm` are called within `Database.write`."""

    def __init__(self, database: Database, attempts: Attempts, *, max_wait: float) -> None:
        """`max_wait` is the longest backoff in seconds."""
        self._database = database
        self._attempts = attempts
        self._max_wait = max_wait
        self._looked_at = 0.0
        self._statements = statements("jobs")

    def enqueue(self, names: Iterable[str], now: float) -> int:
        """Queue the names that are not known yet, in this order, and return how many were new."""
        sql = self._statements["enqueue"]
        return sum(self._database.execute(sql, rows.named(name) | {"now": now}) for name in names)

    def claim(self, worker_id: int, now: Moment) -> Job | None:
        """Give the first ready job to a worker, as a new attempt; none in a pause."""
        if now.steady - self._looked_at >= _LOOK_SECONDS:
            self._end_waits(now)
        claim = self._statements["claim"], {"worker_id": worker_id, "wall": now.wall}
        row = self._database.row(*claim)
        if row is None and self._end_waits(now):
            row = self._database.row(*claim)
        return self._started(row, now) if row else None

    def claim_cancelled(self, job: Job, worker_id: int, now: Moment) -> Job | None:
        """Give a queued job to a worker that will put it in the failed folder; None where it is not queued any more."""
        parameters = {"id": job.id, "worker_id": worker_id}
        row = self._database.row(self._statements["claim_cancelled"], parameters)
        return self._started(row, now) if row else None

    def cancel(self, job: Job) -> None:
        """Condemn a running job, whose worker is about to be ended. Raises ClaimLost."""
        self._fenced("cancel", job, {})

    def confirm(self, job: Job) -> None:
        """Raise ClaimLost where the worker that claimed a job no longer has it."""
        if self._database.row(self._statements["is_claimed"], _claim(job)) is None:
            raise ClaimLost(job.name)

    def complete(self, job: Job, details: Details, now: float) -> None:
        """Mark a claimed job done. Raises ClaimLost."""
        self._fenced("complete", job, {"now": now})
        self._attempts.end(job, Outcome.DONE, None, details, now)

    def condemn(self, job: Job, decision: Decision, failed_name: str, error_name: str) -> None:
        """Record that a claimed job fails, and as what it will lie in the failed folder. Raises ClaimLost."""
        self._fenced("condemn", job, rows.budgets(decision) | rows.place(failed_name, error_name))

    def fail(
        self,
        job: Job,
        outcome: Outcome,
        error: str,
        place: tuple[str, str] | None,
        details: Details,
        now: float,
        *,
        left_in_inbox: str | None = None,
    ) -> None:
        """Mark a claimed job failed, as its verdict says or, without one, as `outcome`. Raises ClaimLost.

        `place`: its folder in the failed folder and our file in it. `left_in_inbox`: what a package is recognised by
        that stayed in the inbox.
        """
        changes = {"now": now, "outcome": outcome.value, "error": error, "left_in_inbox": left_in_inbox}
        self._fenced("fail", job, changes | rows.place(*(place or (None, None))))
        self._attempts.end(job, outcome, error, details, now, is_final=True)

    def requeue(
        self, job: Job, outcome: Outcome, decision: Decision, now: Moment, details: Details = _NO_DETAILS
    ) -> None:
        """Queue a claimed job again, as decided. Raises ClaimLost."""
        wait = None if decision.delay is None else now.steady + decision.delay
        changes = {"not_before_at": wait, "to_back": decision.to_back, "now": now.wall}
        self._fenced("requeue", job, rows.budgets(decision) | changes)
        self._attempts.end(job, outcome, decision.reason, details, now.wall)

    def retry(self, job: Job, now: float) -> bool:
        """Queue a failed job again with new budgets; False where it is not failed any more."""
        return bool(self._database.execute(self._statements["retry"], {"id": job.id, "now": now}))

    def front(self, jobs: Sequence[Job]) -> list[bool]:
        """Have these jobs claimed next, in this order, and say of each whether it was queued."""
        place = (self._database.one(self._statements["foremost"])["position"] or 0) - len(jobs)
        return [
            bool(self._database.execute(self._statements["front"], {"id": job.id, "position": position}))
            for position, job in enumerate(jobs, start=place)
        ]

    def replace(self, job: Job, now: float) -> bool:
        """Queue the new delivery of a failed job; False where it is not failed any more."""
        return bool(self._database.execute(self._statements["replace"], {"id": job.id, "now": now}))

    def _started(self, row: Row, now: Moment) -> Job:
        self._attempts.start(row["id"], row["attempt"], row["worker_id"], now)
        return rows.job(row)

    def _end_waits(self, now: Moment) -> int:
        self._looked_at = now.steady
        return self._database.execute(self._statements["end_waits"], rows.waits(now, self._max_wait))

    def _fenced(self, statement: str, job: Job, changes: dict[str, Any]) -> None:
        if self._database.execute(self._statements[statement], changes | _claim(job)) == 0:
            raise ClaimLost(job.name)


def _claim(job: Job) -> dict[str, Any]:
    """Return what a change of a claimed job is fenced by."""
    return {"id": job.id, "attempt": job.attempt, "worker_id": job.worker_id}
