"""jobrunner's own loop and store (services/worker.py, store/), with an attempt that only marks its job.

Run as a program, it is one worker; it writes the longest time from a job's end to the next job's start to a file.
"""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import marks

from jobrunner.domain.job import Details, Job
from jobrunner.domain.settings import FolderSettings
from jobrunner.files.folders import Folders
from jobrunner.process import signals
from jobrunner.process.signals import StopRequest
from jobrunner.services.attempt import AttemptRunner, Ready
from jobrunner.services.ending import Done, Ending
from jobrunner.services.machine import Machine
from jobrunner.services.worker import Worker
from jobrunner.store.database import Database
from jobrunner.store.migrations import migrate
from jobrunner.store.store import Store

_DETAILS = Details(extract=0.001, handle=0.001, archive=0.001)


def fill(folder: Path, count: int) -> None:
    store = open_store(folder)
    with store.write():
        store.queue.enqueue((str(number) for number in range(count)), time.time())
    store.close()


def open_store(folder: Path) -> Store:
    store = Store(Database(folder / "jobrunner.db"), max_wait=3600)
    store.open()
    migrate(store.database)
    return store


class NoOp(AttemptRunner):
    """An attempt that does nothing, in the place of one with a handler."""

    def __init__(self) -> None:  # it has nothing of the other's
        self.longest_wait = 0.0
        self._ended_at = time.perf_counter()

    def archive(self, ready: Sequence[Ready]) -> list[Ending]:
        """Nothing is ever ready."""
        return []

    def run(self, job: Job, before_long: Callable[[], None] = lambda: None) -> Done:
        """Each is recorded by itself, as after a handler."""
        before_long()
        self.longest_wait = max(self.longest_wait, time.perf_counter() - self._ended_at)
        marks.run(int(job.name))
        self._ended_at = time.perf_counter()
        return Done(job, _DETAILS, 0.001)

    def hold_to_guard(self) -> None:
        """There is no guard."""

    def clear(self, job: Job) -> None:
        """There is no work folder."""


def main(folder: Path, count: int) -> None:
    signals.block()
    store = open_store(folder)
    marks.start_together(folder, count)
    attempt = NoOp()
    token = f"{folder.name}-{time.monotonic_ns()}"
    stop = StopRequest({signal.SIGTERM})
    store.now.start()
    folders = Folders(FolderSettings(folder, folder, folder, folder, folder))
    machine = Machine(folders, 0, store, lambda _trouble: None, stop)
    worker = Worker(store, attempt, machine, stop, lambda _event: None)
    worker.run(token, "bench", drain=True)
    (folder / f"wait-{token}").write_text(str(attempt.longest_wait))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
