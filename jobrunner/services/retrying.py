"""Queues failed jobs again."""

from collections.abc import Iterable, Iterator
from itertools import islice

from jobrunner.domain.change import Action
from jobrunner.domain.job import Job
from jobrunner.files.folders import Folders
from jobrunner.store.store import Store

#: Jobs in one transaction: the workers wait for its end.
_BATCH = 500


class Retrying:
    """Queues again what has failed, however many that are."""

    def __init__(self, store: Store, folders: Folders) -> None:
        self._store = store
        self._folders = folders

    def retry(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, bool]]:
        """Queue these jobs again, and yield each with whether it was: not where it is not failed. Raises StoreError."""
        remaining = iter(jobs)
        while batch := list(islice(remaining, _BATCH)):
            with self._store.write():
                queued = [(job, self._retry(job)) for job in batch]
                changed = [job for job, is_queued in queued if is_queued]
                self._store.changes.note(Action.RETRY, changed, self._store.now().wall)
            yield from queued

    def _retry(self, job: Job) -> bool:
        now = self._store.now().wall
        if self._folders.has_failed(job):
            return self._store.queue.retry(job, now)
        return self._store.queue.replace(job, now)  # what a worker will find in the inbox is another delivery
