"""jobrunner's own loop and store (services/worker.py, store/), with an attempt that only marks its job.

Run as a program, it is one worker; it writes the longest time from a job's end to the next job's start to a file.
"""

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import marks

from jobrunner.domain.job import Details, Job
from jobrunner.domain.settings import FolderSettings
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import Workspace
from jobrunner.process import signals
from jobrunner.process.signals import StopRequest
from jobrunner.process.title import Title
from jobrunner.services.attempt import CurrentAttempt, Done
from jobrunner.services.machine import Machine
from jobrunner.services.pipeline import Pipeline
from jobrunner.services.recording import Recording
from jobrunner.services.worker import Worker
from jobrunner.store.bell import Bell
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


def _confirm() -> None:
    """Nobody takes the job over."""


class NoOp(Pipeline):
    """An attempt that does nothing, in the place of one with a handler; each is recorded by itself."""

    def __init__(self, recording: Recording, work: str) -> None:  # it has nothing of the other's
        self._recording = recording
        self._workspace = Workspace.at(work, 0, 0)  # no job has one
        self.longest_wait = 0.0
        self._ended_at = time.perf_counter()

    def run(self, job: Job) -> Job | None:
        """Mark the job and record its end."""
        self.longest_wait = max(self.longest_wait, time.perf_counter() - self._ended_at)
        marks.run(int(job.name))
        self._ended_at = time.perf_counter()
        attempt = CurrentAttempt(job, self._workspace, confirm=_confirm, details=_DETAILS)
        following, _lost = self._recording.record([Done(attempt, 0.001)], claim=True)
        return following

    def hold_to_life(self) -> None:
        """There is no guard."""

    @property
    def descriptors(self) -> Sequence[int]:
        """Nothing can end."""
        return ()


def main(folder: Path, count: int) -> None:
    signals.block()
    store = open_store(folder)
    marks.start_together(folder, count)
    token = f"{folder.name}-{time.monotonic_ns()}"
    stop = StopRequest({signal.SIGTERM})
    store.now.start()
    folders = Folders(FolderSettings(folder, folder, folder, folder, folder))
    machine = Machine(folders, 0, store, lambda _trouble: None, stop)
    recording = Recording(store, machine, stop)
    pipeline = NoOp(recording, folders.work)
    bell = Bell(store.database.path)
    Worker(store, pipeline, recording, machine, stop).run(token, "bench", Title("worker"), bell, drain=True)
    (folder / f"wait-{token}").write_text(str(pipeline.longest_wait))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
