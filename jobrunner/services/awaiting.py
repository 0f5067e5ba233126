"""Looks whether the packages that a command waits for have ended."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jobrunner.domain.filters import Filters, ListedJob, Standing
from jobrunner.domain.job import Job
from jobrunner.domain.pause import Pause
from jobrunner.store.store import Store

_OPEN = frozenset({Standing.QUEUED, Standing.WAITING, Standing.RUNNING})
_FAILED = frozenset({Standing.FAILED, Standing.CANCELLED})


class Look(NamedTuple):
    """What has `failed` since the look before, and how many are still `open`.

    `pause`: the one that there is; `is_held`: it has no end, and nothing that is open runs.
    """

    failed: Sequence[Job]
    open: int
    pause: Pause | None
    is_held: bool


class Named:
    """These packages, by their ids."""

    def __init__(self, store: Store, ids: Iterable[int]) -> None:
        self._store = store
        self._ids = list(ids)

    def look(self) -> Look:
        """Return what has become of them. Raises StoreError."""
        now = self._store.now()
        listed = list(self._store.listing.read(self._ids, now))
        left = [each for each in listed if each.standing in _OPEN]
        self._ids = [each.job.id for each in left]
        pause = self._store.pauses.in_force(now.wall)
        runs = any(each.standing is Standing.RUNNING for each in left)
        failed = [each.job for each in listed if each.standing in _FAILED]
        return Look(failed, len(left), pause, pause is not None and pause.until is None and not runs)

    def first(self, most: int) -> Sequence[ListedJob]:
        """Return up to so many of those that are still open. Raises StoreError."""
        return list(self._store.listing.read(self._ids[:most], self._store.now()))


class Everything:
    """All that is queued, waiting or running, and what comes meanwhile."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._had_failed = self._failed().keys()

    def look(self) -> Look:
        """Return how much is left; what has failed, once nothing is. Raises StoreError."""
        now = self._store.now()
        counts, pause = self._store.jobs.counts(now), self._store.pauses.in_force(now.wall)
        left = counts["queued"] + counts["waiting"] + counts["running"]
        is_held = pause is not None and pause.until is None and not counts["running"]
        failed = {} if left and not is_held else self._failed()
        return Look([failed[key] for key in failed.keys() - self._had_failed], left, pause, is_held)

    def first(self, most: int) -> Sequence[ListedJob]:
        """Return up to so many of those that are still open. Raises StoreError."""
        now = self._store.now()
        return list(self._store.listing.read(self._store.listing.select(Filters(_OPEN, limit=most), now), now))

    def _failed(self) -> dict[tuple[int, int], Job]:
        """Return what has failed, each attempt apart: no clock that is set makes an old failure a new one."""
        return {(job.id, job.attempt): job for job in self._store.jobs.failed()}
