"""Measures a home for its monitoring. Changes nothing."""

from collections import Counter

from jobrunner.domain.cluster import Node
from jobrunner.domain.measures import Measures
from jobrunner.files.folders import Folders
from jobrunner.files.usage import free_space
from jobrunner.services.report import Report
from jobrunner.store.store import Store

_MOST_SIZED = 1000


class Measuring:
    """Reads the totals, and how things stand, without a look at the inbox or at single packages."""

    def __init__(self, store: Store, folders: Folders, report: Report) -> None:
        self._store = store
        self._folders = folders
        self._report = report

    def measure(self) -> Measures:
        """Return what monitoring is told. Raises StoreError."""
        now = self._store.now()
        workers = self._store.workers.not_ended()
        oldest = self._store.jobs.oldest()
        return Measures(
            counts=self._store.jobs.counts(now),
            is_paused=self._store.pauses.in_force(now.wall) is not None,
            oldest_seconds=max(now.wall - oldest.since, 0.0) if oldest else 0.0,
            ended=self._store.totals.ended(),
            durations=self._store.totals.durations(),
            runners=self._report.runners([worker for worker in workers if worker.process.lives()], now),
            has_trouble=bool(self._report.troubles(workers)),
            notices=self._store.notices.undelivered(),
            used=self._used(),
            free=free_space(str(self._store.database.path), self._folders),
            nodes=self._nodes(),
        )

    def _nodes(self) -> dict[Node, int]:
        """Return the nodes of the cluster, and how many handlers run on each."""
        nodes = self._store.nodes.all()
        running = Counter(each.node for each in self._report.running()) if nodes else Counter[str | None]()
        return {node: running[node.name] for node in nodes}

    def _used(self) -> dict[str, int]:
        parts = self._report.disk_use(_MOST_SIZED)._asdict().items()
        return {part: taken.size for part, taken in parts if taken and taken.is_all}
