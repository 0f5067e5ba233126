"""Jobs and their attempts in the database. Each finish is fenced: ClaimLost where the job is somebody else's by now."""

import json
import os
from collections.abc import Iterable
from itertools import islice
from operator import itemgetter
from typing import Any

from jobrunner.domain.errors import ClaimLost
from jobrunner.domain.job import CANCELLED, Adopted, Attempt, Details, Job, KnownJob, Outcome, State
from jobrunner.domain.moment import Moment
from jobrunner.domain.retry import Decision
from jobrunner.domain.status import RunningJob
from jobrunner.store.database import Database, Row
from jobrunner.store.statements import statements

_BATCH = 500
#: While there are others to claim, a job whose wait is over may be seen so many seconds later.
_LOOK_SECONDS = 0.1
_NO_DETAILS = Details()


class Jobs:
    """The table of jobs. Methods that change it are called within `Database.write`."""

    def __init__(self, database: Database, *, max_wait: float) -> None:
        """`max_wait` is the longest backoff in seconds: a longer wait means that the clock was set back at a boot."""
        self._database = database
        self._max_wait = max_wait
        self._looked_at = 0.0
        self._jobs = statements("jobs")
        self._attempts = statements("attempts")

    def enqueue(self, names: Iterable[str], now: float) -> int:
        """Queue the names that are not known yet, in this order, and return how many were new."""
        sql = self._jobs["enqueue"]
        return sum(self._database.execute(sql, {"name": os.fsencode(name), "now": now}) for name in names)

    def claim(self, worker_id: int, now: Moment) -> Job | None:
        """Give the oldest ready job to a worker, as a new attempt."""
        if now.steady - self._looked_at >= _LOOK_SECONDS:
            self._end_waits(now)
        claim = self._jobs["claim"], {"worker_id": worker_id}
        row = self._database.row(*claim)
        if row is None and self._end_waits(now):
            row = self._database.row(*claim)
        return self._started(_job(row), now) if row else None

    def claim_cancelled(self, job: Job, worker_id: int, now: Moment) -> Job | None:
        """Give a queued job to a worker that will put it in the failed folder; None where it is not queued any more."""
        parameters = {"id": job.id, "worker_id": worker_id, "error": CANCELLED}
        row = self._database.row(self._jobs["claim_cancelled"], parameters)
        return self._started(_job(row), now) if row else None

    def cancel(self, job: Job) -> None:
        """Condemn a running job, whose worker is about to be ended. Raises ClaimLost."""
        self._fenced("cancel", job, {"error": CANCELLED})

    def confirm(self, job: Job) -> None:
        """Raise ClaimLost where a claimed job is somebody else's by now."""
        if self._database.row(self._jobs["is_claimed"], _claim(job)) is None:
            raise ClaimLost(job.name)

    def complete(self, job: Job, details: Details, now: float) -> None:
        """Mark a claimed job done. Raises ClaimLost."""
        self._fenced("complete", job, {"now": now})
        self._end_attempt(job, Outcome.DONE, None, details, now)

    def condemn(self, job: Job, decision: Decision, failed_name: str, error_name: str) -> None:
        """Record that a claimed job fails, and as what it will lie in the failed folder. Raises ClaimLost."""
        self._fenced("condemn", job, _budgets(decision) | _place(failed_name, error_name))

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
        """Mark a claimed job failed; `place`: its folder in the failed folder and our file in it. Raises ClaimLost.

        `left_in_inbox`: what a package is recognised by that stayed in the inbox.
        """
        changes = {"now": now, "error": error, "left_in_inbox": left_in_inbox}
        self._fenced("fail", job, changes | _place(*(place or (None, None))))
        self._end_attempt(job, outcome, error, details, now, is_final=True)

    def requeue(
        self, job: Job, outcome: Outcome, decision: Decision, now: Moment, details: Details = _NO_DETAILS
    ) -> None:
        """Queue a claimed job again, as decided. Raises ClaimLost."""
        wait = None if decision.delay is None else now.steady + decision.delay
        changes = {"not_before_at": wait, "condemned": decision.condemned, "to_back": decision.to_back}
        self._fenced("requeue", job, _budgets(decision) | changes)
        self._end_attempt(job, outcome, decision.reason, details, now.wall)

    def retry(self, job: Job) -> bool:
        """Queue a failed job again with new budgets; False where it is not failed any more."""
        return bool(self._database.execute(self._jobs["retry"], {"id": job.id}))

    def replace(self, job: Job) -> bool:
        """Queue the new delivery of a failed job; False where it is not failed any more."""
        return bool(self._database.execute(self._jobs["replace"], {"id": job.id}))

    def adopt(self, found: Adopted) -> bool:
        """Record a job for a package that lies somewhere without one; False where its name or id is known."""
        place = _place(found.failed_name, found.error_name)
        parameters = {
            "id": found.id,
            "name": os.fsencode(found.name),
            "state": found.state.value,
            "attempt": found.attempt,
            "error": found.error,
            "created_at": found.created_at,
            "finished_at": found.finished_at,
        }
        return bool(self._database.execute(self._jobs["adopt"], parameters | place))

    def reserve_ids(self, last: int) -> None:
        """Give out no id up to `last`."""
        self._database.execute(self._jobs["forget_ids"], {"last": last})
        self._database.execute(self._jobs["reserve_ids"], {"last": last})

    def find(self, name: str) -> Job | None:
        """Return the job of a package name."""
        row = self._database.row(self._jobs["by_name"], {"name": os.fsencode(name)})
        return _job(row) if row else None

    def get(self, job_id: int) -> Job | None:
        """Return the job with this id."""
        row = self._database.row(self._jobs["by_id"], {"id": job_id})
        return _job(row) if row else None

    def untried_names(self) -> list[str]:
        """Return the names of the jobs that no attempt has been made at: their packages lie in the inbox."""
        row = self._database.row(self._jobs["untried_names"])
        return os.fsdecode(row["names"]).split("/") if row and row["names"] else []

    def known(self, names: Iterable[str]) -> dict[str, KnownJob]:
        """Return the jobs of those names that are known."""
        found: dict[str, KnownJob] = {}
        remaining = iter(names)
        while batch := list(islice(remaining, _BATCH)):
            encoded = json.dumps([os.fsencode(name).hex() for name in batch])
            for row in self._database.rows(self._jobs["known"], {"names": encoded}):
                found[os.fsdecode(row["name"])] = KnownJob(
                    row["id"], State(row["state"]), bool(row["lies_in_failed"]), row["left_in_inbox"]
                )
        return found

    def held_by(self, worker_id: int) -> list[Job]:
        """Return what a worker has claimed: one job, and those that are ready for the archive."""
        return [_job(row) for row in self._database.rows(self._jobs["held_by"], {"worker_id": worker_id})]

    def running(self, now: Moment) -> list[RunningJob]:
        """Return the running jobs, the longest running first."""
        rows = self._database.rows(self._jobs["running"])
        return [_running(row, now) for row in rows]

    def waiting(self, most: int) -> list[Job]:
        """Return up to `most` jobs that wait for their next try, the next one first."""
        return [_job(row) for row in self._database.rows(self._jobs["waiting"], {"most": most})]

    def failed(self, most: int = -1) -> list[Job]:
        """Return up to `most` failed jobs (all, if negative), the newest first."""
        return [_job(row) for row in self._database.rows(self._jobs["failed"], {"most": most})]

    def not_done(self) -> list[Job]:
        """Return all jobs that are queued, running or failed."""
        return [_job(row) for row in self._database.rows(self._jobs["not_done"])]

    def done_names(self) -> set[str]:
        """Return the names of all jobs that are done."""
        return set(map(os.fsdecode, self._database.column(self._jobs["done_names"])))

    def counts(self, now: Moment) -> dict[str, int]:
        """Return how many jobs are queued, waiting, running, done and failed: disjoint counts."""
        row = self._database.row(self._jobs["counts"], self._waits(now.steady))
        assert row is not None
        return row

    def done_within(self, seconds: float, now: Moment) -> int:
        """Return how many jobs were done in the last `seconds`."""
        row = self._database.row(self._jobs["done_between"], {"since": now.wall - seconds, "now": now.wall})
        assert row is not None
        return int(row["done"])

    def any_pending(self) -> bool:
        """Say whether a job is queued, waiting or running."""
        row = self._database.row(self._jobs["pending"])
        return bool(row and row["pending"])

    def any_ready(self, now: Moment) -> bool:
        """Say whether there is something to claim."""
        row = self._database.row(self._jobs["ready"], self._waits(now.steady))
        return bool(row and row["ready"])

    def attempts(self, job: Job) -> list[Attempt]:
        """Return the attempts at a job, the first one first."""
        rows = self._database.rows(self._attempts["of_job"], {"job_id": job.id})
        return [_attempt(row) for row in rows]

    def any_failed_under(self, supervisor: str) -> bool:
        """Say whether a worker of this supervisor ended a job as failed."""
        row = self._database.row(self._attempts["failed_under"], {"supervisor": supervisor})
        return bool(row and row["failed"])

    def _started(self, job: Job, now: Moment) -> Job:
        claim = {"job_id": job.id, "number": job.attempt, "worker_id": job.worker_id}
        self._database.execute(self._attempts["start"], claim | {"now": now.wall, "steady": now.steady})
        return job

    def _end_waits(self, now: Moment) -> int:
        self._looked_at = now.steady
        return self._database.execute(self._jobs["end_waits"], self._waits(now.steady))

    def _waits(self, now: float) -> dict[str, float]:
        return {"now": now, "horizon": now + self._max_wait}

    def _fenced(self, statement: str, job: Job, changes: dict[str, Any]) -> None:
        if self._database.execute(self._jobs[statement], changes | _claim(job)) == 0:
            raise ClaimLost(job.name)

    def _end_attempt(
        self, job: Job, outcome: Outcome, error: str | None, details: Details, now: float, *, is_final: bool = False
    ) -> None:
        self._database.execute(
            self._attempts["end"],
            {
                "job_id": job.id,
                "number": job.attempt,
                "now": now,
                "outcome": outcome.value,
                "error": error,
                "is_final": is_final,
                "extract_seconds": details.extract,
                "handle_seconds": details.handle,
                "archive_seconds": details.archive,
                "encoding": details.encoding,
            },
        )


def _claim(job: Job) -> dict[str, Any]:
    return {"id": job.id, "attempt": job.attempt, "worker_id": job.worker_id}


def _budgets(decision: Decision) -> dict[str, Any]:
    return {
        "error": decision.reason,
        "failures": decision.failures,
        "delays": decision.delays,
        "crashes": decision.crashes,
        "interruptions": decision.interruptions,
    }


def _place(failed_name: str | None, error_name: str | None) -> dict[str, Any]:
    return {"failed_name": failed_name and os.fsencode(failed_name), "error_name": error_name}


_of_job = itemgetter(*Job._fields)


def _job(row: Row) -> Job:
    failed_name = row["failed_name"]
    ours = {
        "name": os.fsdecode(row["name"]),
        "state": State(row["state"]),
        "condemned": bool(row["condemned"]),
        "failed_name": None if failed_name is None else os.fsdecode(failed_name),
    }
    return Job(*_of_job(row | ours))


def _running(row: Row, now: Moment) -> RunningJob:
    began = row["steady_started_at"] or now.steady  # none: begun by an older jobrunner
    return RunningJob(_job(row), row["worker_pid"], row["attempt_started_at"], max(now.steady - began, 0.0))


def _attempt(row: Row) -> Attempt:
    values = {name: row[name] for name in Attempt._fields}
    values["outcome"] = row["outcome"] and Outcome(row["outcome"])
    return Attempt(**values)
