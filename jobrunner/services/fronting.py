"""Puts jobs in front of the queue."""

from collections.abc import Sequence

from jobrunner.domain.job import Job
from jobrunner.store.store import Store


class Fronting:
    """Has queued jobs claimed before all others."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def front(self, jobs: Sequence[Job]) -> list[bool]:
        """Have these jobs claimed next, in this order, and say of each whether it was queued. Raises StoreError."""
        with self._store.write():
            return self._store.queue.front(jobs)
