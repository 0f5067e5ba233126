"""Intake: what has arrived in the inbox becomes jobs, each name once."""

import signal
import time
from collections.abc import Iterable, Sequence

from jobrunner.domain.errors import in_words
from jobrunner.domain.events import Emit, PackagesFound, Trouble
from jobrunner.domain.job import Job, State
from jobrunner.domain.status import Survey
from jobrunner.files.folders import Folders
from jobrunner.files.inbox import Inbox
from jobrunner.process import signals
from jobrunner.store.database import Database
from jobrunner.store.jobs import Jobs

_BATCH = 500
#: Seconds between two looks at the inbox.
SCAN_INTERVAL = 1.0


class Intake:
    """Looks at the inbox. Several may scan it at once: the name's row is unique."""

    def __init__(self, database: Database, jobs: Jobs, folders: Folders, inbox: Inbox, emit: Emit) -> None:
        self._database = database
        self._jobs = jobs
        self._folders = folders
        self._inbox = inbox
        self._emit = emit

    def scan(self) -> PackagesFound:
        """Queue every complete package of a new name, and every new delivery of a failed one.

        Raises OSError where the inbox cannot be read, StoreError.
        """
        now = time.time()
        names = self._inbox.names()
        known = self._jobs.known(names)
        new = self._complete([name for name in names if name not in known], now)
        queued = 0
        for start in range(0, len(new), _BATCH):
            with self._database.write():
                queued += self._jobs.enqueue(new[start : start + _BATCH], now)
        failed = [name for name, job in known.items() if job.state is State.FAILED]
        replaced = sum(self._replace(known[name]) for name in self._complete(failed, now))
        found = PackagesFound(queued, replaced)
        if queued or replaced:
            self._emit(found)
        return found

    def watch(self, stop: Iterable[signal.Signals] = signals.STOP_SIGNALS) -> signal.Signals:
        """Scan until one of these signals comes (they must be blocked) and return it. Raises StoreError."""
        trouble = None
        while True:
            try:
                self.scan()
                trouble = None
            except OSError as error:
                if in_words(error) != trouble:  # said once, not every second
                    trouble = in_words(error)
                    self._emit(Trouble(f"the inbox cannot be scanned: {trouble}"))
            caught = signals.wait(stop, SCAN_INTERVAL)
            if caught:
                return caught

    def survey(self) -> Survey:
        """Return what lies in the inbox and is not simply queued; changes nothing. Raises OSError, StoreError."""
        names = self._inbox.names()
        known = self._jobs.known(names)
        taken = self._folders.taken_jobs()
        duplicates = [name for name, job in known.items() if _is_taken(job, taken)]
        others = [name for name in names if name not in known or known[name].state is State.FAILED]
        deliveries = self._inbox.look_at(others, time.time())
        return Survey(
            new=[delivery.name for delivery in deliveries if delivery.lacking is None],
            duplicates=sorted(duplicates),
            incomplete=[delivery for delivery in deliveries if delivery.lacking is not None],
        )

    def _complete(self, names: Sequence[str], now: float) -> list[str]:
        return [delivery.name for delivery in self._inbox.look_at(names, now) if delivery.lacking is None]

    def _replace(self, job: Job) -> bool:
        with self._database.write():
            current = self._jobs.get(job.id)
            if current is None or current.state is not State.FAILED:
                return False
            if current.failed_name is not None:
                self._folders.put_aside(current.failed_name)
            return self._jobs.replace(current)


def _is_taken(job: Job, taken: set[int]) -> bool:
    """Say whether the job has its package already, so that what lies in the inbox is another one."""
    return job.state is State.DONE or (
        job.state is not State.FAILED and (job.id in taken or job.failed_name is not None)
    )
