"""Intake: what has arrived in the inbox becomes jobs, each name once."""

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from jobrunner.domain.envelope import Emit
from jobrunner.domain.events import Awaited, PackagesFound
from jobrunner.domain.job import Identity, KnownJob, State
from jobrunner.domain.lack import Lack
from jobrunner.domain.status import Delivery, Survey, by_arrival
from jobrunner.files.failing import put_aside
from jobrunner.files.folders import Folders
from jobrunner.files.inbox import REFUSED, Inbox
from jobrunner.linux.waiting import BlockedSignals
from jobrunner.services.names import free_name
from jobrunner.store.store import Store

_BATCH = 500
#: A survey looks at so many deliveries, and says of how many more there are.
MOST_SURVEYED = 10_000
#: Seconds between two looks at the inbox, where the kernel does not tell what comes.
SCAN_INTERVAL = 1.0


class _Scan(NamedTuple):
    """What a scan found: how much it queued, the `names` of new packages, and of what is still `arriving`."""

    found: PackagesFound
    names: set[str]
    arriving: list[str]


class Intake:
    """Looks at the inbox. Several may scan it at once: the name's row is unique."""

    def __init__(self, store: Store, folders: Folders, inbox: Inbox, emit: Emit) -> None:
        self._store = store
        self._folders = folders
        self._inbox = inbox
        self._emit = emit

    def scan(self, *, only_once: bool = False) -> PackagesFound:
        """Queue every complete package of a new name, and every new delivery of a failed one.

        `only_once`: this process looks at no delivery again, so nothing is remembered of those whose zip is not there,
        which is faster. Raises OSError where the inbox cannot be read, StoreError.
        """
        return self._scan(thorough=False, only_once=only_once).found

    def queue(self, only: Iterable[str] | None = None) -> set[str]:
        """Do the same, perhaps `only` with what has these names, and return the names of what was new and complete.

        Raises OSError where the inbox cannot be read, StoreError.
        """
        return self._scan(thorough=False, only=only).names

    def lacked(self, name: str) -> bool:
        """Say whether what has this name was seen before, when it lacked something."""
        return self._inbox.lacked(name)

    def unsettled(self) -> set[str]:
        """Return the names of what may be complete in a moment, though nothing else comes into the inbox."""
        return self._inbox.unsettled()

    def wait_for_arrivals(self, stop: Iterable[signal.Signals]) -> signal.Signals | None:
        """Scan until a package is to be processed or none is on its way; or until a signal comes, which is returned.

        Raises OSError where the inbox cannot be read, StoreError.
        """
        stopping = BlockedSignals(stop)
        told: list[str] = []
        while True:
            arriving = self._scan(thorough=True).arriving
            if self._store.jobs.any_pending() or not arriving:
                return None
            if arriving != told:
                told = arriving
                self._emit(Awaited(len(arriving), arriving[0]))
            if caught := stopping.wait(SCAN_INTERVAL):
                return caught

    def survey(self, only: Iterable[str] | None = None) -> Survey:
        """Return what lies in the inbox, or `only` under these names, and is not simply queued; changes nothing.

        Of very many deliveries some are looked at. Raises OSError, StoreError.
        """
        unseen = 0
        if only is None:
            untried = self._store.jobs.untried_names()
            names = list(islice(self._inbox.names(besides=untried), MOST_SURVEYED))
            if len(names) == MOST_SURVEYED:
                unseen = max(self._inbox.count() - len(untried) - len(names), 0)
        else:
            names = self._inbox.among(only)
        known = self._store.jobs.known(names)
        taken = self._folders.taken_jobs() if known else set()
        duplicates = [name for name, job in known.items() if _is_taken(job, taken)]
        others = [name for name in names if name not in known or known[name].state is State.FAILED]
        refused = {name for name in others if name in known and self._is_refused(name, known[name])}
        deliveries = [
            delivery._replace(lacking=REFUSED, lack=Lack.REFUSED) if delivery.name in refused else delivery
            for delivery in by_arrival(self._inbox.look_at(others, time.time(), only_once=True))
        ]
        return Survey(
            new=[delivery for delivery in deliveries if delivery.lacking is None],
            duplicates=[Delivery(name, None) for name in sorted(duplicates)],
            incomplete=[delivery for delivery in deliveries if delivery.lacking is not None],
            unseen=unseen,
        )

    def delivery(self, name: str) -> Delivery | None:
        """Return what lies in the inbox under a name, None where nothing does. Raises OSError."""
        return next(iter(self._inbox.look_at(self._inbox.among([name]), time.time())), None)

    def has(self, name: str) -> bool:
        """Say whether something of this name lies in the inbox, as far as we may look into it."""
        with suppress(OSError, ValueError):  # a name with a NUL
            return "/" not in name and bool(self._inbox.among([name]))
        return False

    def with_contents(self, delivery: Delivery) -> Delivery:
        """Return a delivery with what it holds by now, as far as that can be seen."""
        return delivery._replace(contents=self._inbox.contents(delivery.name))

    def _scan(self, *, thorough: bool, only: Iterable[str] | None = None, only_once: bool = False) -> _Scan:
        """Scan; find out also, if it is to be `thorough`, what is still arriving, by the same look."""
        complete: list[Delivery] = []
        arriving: list[str] = []
        failed: dict[str, KnownJob] = {}
        for names, known in self._look(only, only_changed=not thorough):
            failed |= {name: job for name, job in known.items() if self._may_come_again(name, job)}
            wanted = (name for name in names if name not in known or name in failed)
            deliveries = self._inbox.look_at(wanted, time.time(), only_complete=not thorough, only_once=only_once)
            complete += (delivery for delivery in deliveries if delivery.lacking is None)
            arriving += (delivery.name for delivery in deliveries if delivery.is_arriving)
        ordered = [delivery.name for delivery in by_arrival(complete)]
        queued = self._enqueue([name for name in ordered if name not in failed])
        replaced = sum(self._replace(failed[name]) for name in ordered if name in failed)
        found = PackagesFound(queued, replaced)
        if queued or replaced:
            self._emit(found)
        return _Scan(found, set(ordered).difference(failed), sorted(arriving))

    def _look(
        self, only: Iterable[str] | None, *, only_changed: bool
    ) -> Iterator[tuple[list[str], dict[str, KnownJob]]]:
        """Yield names in the inbox, but for those that wait for their first attempt, and which of them are known."""
        if only is None:
            lying = self._inbox.batches(besides=self._store.jobs.untried_names(), only_changed=only_changed)
        else:
            lying = iter([[name for name in only if not self._inbox.ignores(name)]])
        for names in lying:
            yield names, self._store.jobs.known(names)

    def _enqueue(self, names: list[str]) -> int:
        """Queue new packages in this order, and return how many no other scanner had queued."""
        queued = 0
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            with self._store.write():
                others = self._store.revisions.other_packages(name for name in batch if "~" in name)
                if others:
                    queued += sum(self._enqueue_one(name, is_used=name in others) for name in batch)
                else:
                    queued += self._store.queue.enqueue(batch, time.time())
        return queued

    def _enqueue_one(self, package: str, *, is_used: bool) -> int:
        """Queue a new package; where its name is used by another one's job, under a name that is free."""
        if not is_used:
            return self._store.queue.enqueue([package], time.time())
        name, _ = free_name(self._store, self._folders, package)
        return self._store.revisions.enqueue(Identity(name, package), time.time())

    def _may_come_again(self, name: str, job: KnownJob) -> bool:
        return job.state is State.FAILED and not self._is_refused(name, job)

    def _is_refused(self, name: str, job: KnownJob) -> bool:
        return job.left_in_inbox is not None and self._inbox.is_refused(name, job.left_in_inbox)

    def _replace(self, job: KnownJob) -> bool:
        with self._store.write():
            current = self._store.jobs.get(job.id)
            if current is None or current.state is not State.FAILED:
                return False
            if current.failed_name is not None:
                put_aside(self._folders, current.failed_name)
            return self._store.queue.replace(current, time.time())


def _is_taken(job: KnownJob, taken: set[int]) -> bool:
    """Say whether the job has its package already, so that what lies in the inbox is another one."""
    return job.state is State.DONE or (job.state is not State.FAILED and (job.id in taken or job.lies_in_failed))
