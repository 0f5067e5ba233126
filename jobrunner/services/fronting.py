"""Puts jobs in front of the queue."""

from collections.abc import Sequence

from jobrunner.domain.change import Action
from jobrunner.domain.job import Job
from jobrunner.store.store import Store


class Fronting:
    """Has queued jobs claimed before all others."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def front(self, jobs: Sequence[Job]) -> list[bool]:
        """Have these jobs claimed next, in this order, and say of each whether it was queued. Raises StoreError."""
        with self._store.write():
            moved = self._store.queue.front(jobs)
            changed = [job for job, is_moved in zip(jobs, moved, strict=True) if is_moved]
            self._store.changes.note(Action.FRONT, changed, self._store.now().wall)
            return moved
