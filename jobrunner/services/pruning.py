"""Forgets the attempts of jobs that were done long ago, and their logs; never a name, and never a package."""

import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import in_words
from jobrunner.domain.events import Trouble
from jobrunner.domain.status import Pruned
from jobrunner.files import logs, moves
from jobrunner.files.folders import Folders
from jobrunner.store.old_jobs import OldJob
from jobrunner.store.store import Store

#: Jobs that are read at once, and that are pruned in one transaction: the workers wait for its end.
_BATCH = 500
_TOGETHER = 50
#: Seconds after which all is looked through again, once nothing old was left.
_REST = 600.0
#: Seconds between two looks while there is something old.
_PAUSE = 0.4


class Pruning:
    """Prunes what was done longer ago than an age: in seconds, infinity for what is kept for ever.

    The logs go first, then the record of them and of the attempts. Cut short at any point, it is repeated.
    """

    def __init__(self, store: Store, folders: Folders, *, attempts: float, logs: float) -> None:
        self._store = store
        self._folders = folders
        self._attempts = attempts
        self._logs = logs

    def run(self, *, dry: bool = False) -> Iterator[Pruned]:
        """Go through what is old, and yield every few jobs what has been pruned of them; if `dry`, what would be.

        Raises StoreError, and OSError where the folder of the logs cannot be used.
        """
        wall = self._store.now().wall
        before = {"attempts_before": wall - self._attempts, "logs_before": wall - self._logs}
        if not dry:
            self._forget_notices(wall - self._attempts)
        last: OldJob | None = None
        while found := self._store.old_jobs.after(last, _BATCH, **before):
            last = found[-1]
            old = (job for job in found if job.attempts or job.may_have_logs)
            while some := list(islice(old, _TOGETHER)):
                yield self._prune(some, dry=dry)
            yield Pruned()  # to look through many takes its time, too
        if not dry:
            yield from self._forget_changes(before["attempts_before"])

    def _forget_changes(self, before: float) -> Iterator[Pruned]:
        """Forget who paused and resumed the home, and who changed jobs whose attempts have been forgotten."""
        while found := self._store.changes.of_no_job(before, _BATCH):
            with self._store.write(durable=False):
                self._store.changes.forget(found)
            yield Pruned()

    def _forget_notices(self, before: float) -> None:
        if self._store.notices.is_any_old(before=before):
            with self._store.write(durable=False):
                self._store.notices.forget(before=before)

    def _prune(self, jobs: Sequence[OldJob], *, dry: bool) -> Pruned:
        found: list[tuple[OldJob, logs.Logs | None]] = []
        fault = None
        with moves.opened(self._folders.logs) as folder:
            for job in jobs:
                try:
                    theirs = logs.up_to(folder, job.name, job.attempt, remove=not dry) if job.may_have_logs else None
                except OSError as error:
                    fault = fault or f"logs/{job.name}: {in_words(error)}"
                else:
                    found += [(job, theirs)] * bool(job.attempts or theirs)
            pruned = found if dry else self._forget(folder, found)
        return Pruned(
            len(pruned),
            sum(job.attempts for job, _ in pruned),
            sum(theirs.number for _, theirs in pruned if theirs),
            sum(theirs.size for _, theirs in pruned if theirs),
            fault,
        )

    def _forget(
        self, folder: int, found: Sequence[tuple[OldJob, logs.Logs | None]]
    ) -> list[tuple[OldJob, logs.Logs | None]]:
        """Record what is gone, and return it. No attempt begins meanwhile, whose log would need the folder."""
        if not found:
            return []
        with self._store.write(durable=False):  # a power cut may undo it: then it is repeated
            now = self._store.now().wall
            forgotten = [each for each in found if self._store.old_jobs.prune(each[0], now, logs=each[1] is not None)]
            for job, theirs in forgotten:
                if theirs:
                    logs.remove_folder(folder, job.name)
        return forgotten


class Retention:
    """Prunes by itself, beside other work: few jobs at each look, and of those that go on failing it tells once."""

    def __init__(self, pruning: Pruning, emit: Emit) -> None:
        self._pruning = pruning
        self._emit = emit
        self._round: Iterator[Pruned] | None = None
        self._next_at = -math.inf
        self._told: str | None = None

    def look(self) -> float:
        """Prune a few jobs, if there are any, and return in how many seconds to look again.

        Raises StoreError, OSError: then it begins again from the first.
        """
        if (rest := self._next_at - time.monotonic()) > 0:
            return rest
        round_, self._round = self._round or self._pruning.run(), None
        pruned = next(round_, None)
        if pruned is None:
            self._next_at = time.monotonic() + _REST
            return _REST
        self._round = round_
        if pruned.fault and pruned.fault != self._told:
            self._told = pruned.fault
            self._emit(Trouble(f"an old log cannot be removed, and stays: {pruned.fault}"))
        return _PAUSE
