"""The attempts at jobs: who made them, how long their steps took, how they ended."""

from jobrunner.domain.job import Attempt, Details, Job, Outcome
from jobrunner.domain.moment import Moment
from jobrunner.store import rows
from jobrunner.store.database import Database
from jobrunner.store.statements import statements


class Attempts:
    """The table of attempts. `start` and `end` are called within `Database.write`, with the change of the job."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("attempts")

    def start(self, job_id: int, number: int, worker_id: int, now: Moment) -> None:
        """Record an attempt at a job that a worker is just claiming."""
        claim = {"job_id": job_id, "number": number, "worker_id": worker_id}
        self._database.execute(self._statements["start"], claim | {"now": now.wall, "steady": now.steady})

    def end(
        self, job: Job, outcome: Outcome, error: str | None, details: Details, now: float, *, is_final: bool = False
    ) -> None:
        """Record how the attempt of a claimed job has ended; `is_final`: the job has failed by it."""
        self._database.execute(
            self._statements["end"],
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
                "node": details.node,
            },
        )

    def of_job(self, job: Job) -> list[Attempt]:
        """Return the attempts at a job, the first one first."""
        return [rows.attempt(row) for row in self._database.rows(self._statements["of_job"], {"job_id": job.id})]

    def any_failed_under(self, supervisor: str) -> bool:
        """Say whether a worker of this supervisor ended a job as failed."""
        return bool(self._database.one(self._statements["failed_under"], {"supervisor": supervisor})["failed"])
