"""Jobs that were done long ago: their attempts, and the record of their logs, are kept only for a time."""

import math
import os
from typing import NamedTuple

from jobrunner.domain.job import Job, PrunedAt
from jobrunner.store.database import Database
from jobrunner.store.statements import statements


class OldJob(NamedTuple):
    """A job that is done, how many old attempts it has, and whether it may have old logs: of its first `attempt`s."""

    id: int
    name: str
    attempt: int
    finished_at: float
    attempts: int
    may_have_logs: bool


class OldJobs:
    """The table of jobs, as far as they are done. Times are in seconds since 1970."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("old_jobs")

    def after(self, last: OldJob | None, most: int, *, attempts_before: float, logs_before: float) -> list[OldJob]:
        """Return up to `most` jobs that were done after the last one (None: from the first) and before these times."""
        place = {"finished_at": last.finished_at, "id": last.id} if last else {"finished_at": -math.inf, "id": 0}
        before = {"attempts_before": attempts_before, "logs_before": logs_before}
        found = self._database.rows(self._statements["after"], place | before | {"most": most})
        return [
            OldJob(**row | {"name": os.fsdecode(row["name"]), "may_have_logs": bool(row["may_have_logs"])})
            for row in found
        ]

    def prune(self, job: OldJob, now: float, *, logs: bool) -> bool:
        """Forget the attempts at a job and who changed it and, with `logs`, record that these go; in `Database.write`.

        False where it is not done any more, or was done again: then nothing of it changes.
        """
        mark = {"id": job.id, "finished_at": job.finished_at, "now": now, "attempts": job.attempts > 0, "logs": logs}
        if not self._database.execute(self._statements["mark"], mark):
            return False
        if job.attempts:
            self._database.execute(self._statements["forget_attempts"], {"id": job.id})
            self._database.execute(self._statements["forget_changes"], {"id": job.id})
        return True

    def pruned_at(self, job: Job) -> PrunedAt:
        """Return when the attempts at a job and its logs were removed."""
        return PrunedAt(**self._database.one(self._statements["pruned_at"], {"id": job.id}))
