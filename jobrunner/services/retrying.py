"""Queues failed jobs again."""

from collections.abc import Sequence

from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.job import Job, Outcome, State
from jobrunner.domain.package import shown
from jobrunner.files.folders import Folders
from jobrunner.store.store import Store


class Retrying:
    """Queues all that is asked for, or nothing."""

    def __init__(self, store: Store, folders: Folders) -> None:
        self._store = store
        self._folders = folders

    def retry(self, jobs: Sequence[Job]) -> None:
        """Queue these jobs again. Raises JobrunnerError where one has not failed."""
        with self._store.write():
            for job in jobs:
                if not self._retry(job):
                    current = self._store.jobs.get(job.id)
                    state = current.state if current else State.FAILED
                    raise JobrunnerError(f"{shown(job.name)} is {state}, not failed: nothing was queued again")

    def retry_all(self) -> int:
        """Queue all jobs again that failed by themselves, the first that failed first, and return how many.

        What somebody cancelled is asked for by its name.
        """
        with self._store.write():
            failed = reversed(self._store.jobs.failed())
            return sum(self._retry(job) for job in failed if job.verdict is not Outcome.CANCELLED)

    def _retry(self, job: Job) -> bool:
        if self._folders.has_failed(job):
            return self._store.queue.retry(job)
        return self._store.queue.replace(job)  # what a worker will find in the inbox is another delivery
