"""What is asked of jobs, and changes none of them."""

import math
import os
from collections.abc import Iterable
from itertools import islice

from jobrunner.domain.job import Job, KnownJob
from jobrunner.domain.moment import Moment
from jobrunner.domain.naming import likeness
from jobrunner.domain.status import QueuedJob, RunningJob
from jobrunner.store import rows
from jobrunner.store.database import Database, Row
from jobrunner.store.statements import statements

_BATCH = 500
#: A process that goes on asking counts only once in so many seconds what was done more than a minute before that. An
#: end that is recorded later with an earlier time is missing until then: of a package that a repair adopts with its
#: folder's time, or where the clock was set back.
_COUNT_AGAIN = 300.0
_SETTLED = 60.0


class Jobs:
    """The table of jobs, for reading."""

    def __init__(self, database: Database, *, max_wait: float) -> None:
        """`max_wait` is the longest backoff in seconds."""
        self._database = database
        self._max_wait = max_wait
        self._statements = statements("jobs")
        self._counted_at, self._done_after, self._done_before = -math.inf, 0.0, 0

    def find(self, name: str) -> Job | None:
        """Return the job of a package of this name, or else the revision that is called so."""
        return _maybe(self._database.row(self._statements["by_name"], {"name": os.fsencode(name)}))

    def get(self, job_id: int) -> Job | None:
        """Return the job with this id."""
        return _maybe(self._database.row(self._statements["by_id"], {"id": job_id}))

    def untried_names(self) -> list[str]:
        """Return the packages that no attempt has been made at, and that lie in the inbox."""
        names = self._database.one(self._statements["untried_names"])["names"]
        return os.fsdecode(names).split("/") if names else []

    def known(self, names: Iterable[str]) -> dict[str, KnownJob]:
        """Return the jobs of those names that are known."""
        found: dict[str, KnownJob] = {}
        remaining = iter(names)
        while batch := list(islice(remaining, _BATCH)):
            for row in self._database.rows(self._statements["known"], rows.in_json(batch)):
                found[os.fsdecode(row["name"])] = rows.known_job(row)
        return found

    def held_by(self, worker_id: int) -> list[Job]:
        """Return what a worker has claimed: one job, and those that are ready for the archive."""
        return _all(self._database.rows(self._statements["held_by"], {"worker_id": worker_id}))

    def running(self, now: Moment) -> list[RunningJob]:
        """Return the running jobs, the longest running first."""
        return [rows.running_job(row, now) for row in self._database.rows(self._statements["running"])]

    def oldest(self) -> QueuedJob | None:
        """Return the job that has been ready to be claimed for the longest."""
        row = self._database.row(self._statements["oldest"])
        return QueuedJob(rows.job(row), row["since"]) if row else None

    def ahead_of(self, job: Job, now: Moment) -> int:
        """Return how many jobs are claimed before a queued one."""
        return int(self._database.one(self._statements["ahead"], {"id": job.id, "now": now.steady})["ahead"])

    def near(self, name: str, most: int) -> list[str]:
        """Return names that may be meant by an unknown one: alike, up to `most` on each side of it, and the newest."""
        parameters = {"name": os.fsencode(name), "likeness": os.fsencode(likeness(name)), "most": most}
        return list(map(os.fsdecode, self._database.column(self._statements["near"], parameters)))

    def lookalikes(self, since: float, most: int) -> list[tuple[str, str]]:
        """Return up to `most` names that came after `since`, each with an older one that a person may take it for."""
        found = self._database.rows(self._statements["lookalikes"], {"since": since, "most": most})
        return [(os.fsdecode(row["name"]), os.fsdecode(row["other"])) for row in found]

    def waiting(self, most: int) -> list[Job]:
        """Return up to `most` jobs that wait for their next try, the next one first."""
        return _all(self._database.rows(self._statements["waiting"], {"most": most}))

    def failed(self, most: int = -1) -> list[Job]:
        """Return up to `most` failed jobs (all, if negative), the newest first."""
        return _all(self._database.rows(self._statements["failed"], {"most": most}))

    def not_done(self) -> list[Job]:
        """Return all jobs that are queued, running or failed."""
        return _all(self._database.rows(self._statements["not_done"]))

    def done_names(self) -> set[str]:
        """Return the names of all jobs that are done."""
        return set(map(os.fsdecode, self._database.column(self._statements["done_names"])))

    def counts(self, now: Moment) -> dict[str, int]:
        """Return how many jobs are queued, waiting, running, done and failed: disjoint counts."""
        if not 0 <= now.steady - self._counted_at < _COUNT_AGAIN:
            self._done_after, self._counted_at = now.wall - _SETTLED, now.steady
            until = {"done_after": self._done_after}
            self._done_before = int(self._database.one(self._statements["done_until"], until)["done"])
        parameters = rows.waits(now, self._max_wait) | {"done_after": self._done_after}
        counts = self._database.one(self._statements["counts"], parameters)
        return counts | {"done": counts["done"] + self._done_before}

    def pending_counts(self, now: Moment) -> dict[str, int]:
        """Return the same without those that are done, which may be so many that it takes a while to count them."""
        return self._database.one(self._statements["pending_counts"], rows.waits(now, self._max_wait))

    def done_within(self, seconds: float, now: Moment) -> int:
        """Return how many jobs were done in the last `seconds`."""
        return int(self._database.one(self._statements["done_between"], _last(seconds, now))["done"])

    def failed_within(self, seconds: float, now: Moment) -> int:
        """Return how many jobs failed in the last `seconds`, and still are."""
        return int(self._database.one(self._statements["failed_between"], _last(seconds, now))["failed"])

    def any_pending(self) -> bool:
        """Say whether a job is running, or is queued or waiting and not held by a pause without an end."""
        return bool(self._database.one(self._statements["pending"])["pending"])

    def any_ready(self, now: Moment) -> bool:
        """Say whether there is something to claim."""
        parameters = rows.waits(now, self._max_wait) | {"wall": now.wall}
        return bool(self._database.one(self._statements["ready"], parameters)["ready"])

    def seconds_until_due(self, now: Moment) -> float:
        """Return in how many seconds a wait or a pause ends by itself; infinity where there is none."""
        row = self._database.one(self._statements["next_due"], {"wall": now.wall})
        if row["resumes_at"] is not None:
            return float(row["resumes_at"]) - now.wall
        return math.inf if row["due_at"] is None else float(row["due_at"]) - now.steady


def _last(seconds: float, now: Moment) -> dict[str, float]:
    return {"since": now.wall - seconds, "now": now.wall}


def _maybe(row: Row | None) -> Job | None:
    return rows.job(row) if row else None


def _all(found: Iterable[Row]) -> list[Job]:
    return [rows.job(row) for row in found]
