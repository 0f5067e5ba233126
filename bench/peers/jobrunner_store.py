"""jobrunner's own loop and store (services/worker.py, store/), with an attempt that only marks its job.

Run as a program, it is one worker; it writes the longest time from a job's end to the next job's start to a file.
"""

import signal
import sys
import time
from pathlib import Path

import marks

from jobrunner.domain.job import Details, Job
from jobrunner.domain.settings import FolderSettings
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import Workspace
from jobrunner.linux.proc import BOOT_ID
from jobrunner.process import signals
from jobrunner.process.signals import StopRequest
from jobrunner.services.attempt import CurrentAttempt, Done
from jobrunner.services.machine import Machine
from jobrunner.services.pipeline import Pipeline
from jobrunner.services.recording import Recording
from jobrunner.services.worker import Worker
from jobrunner.store.clock import Clock
from jobrunner.store.database import Database
from jobrunner.store.jobs import Jobs
from jobrunner.store.migrations import migrate
from jobrunner.store.workers import Workers

_DETAILS = Details(extract=0.001, handle=0.001, archive=0.001)


def fill(folder: Path, count: int) -> None:
    database, jobs = open_store(folder)
    with database.write():
        jobs.enqueue((str(number) for number in range(count)), time.time())
    database.close()


def open_store(folder: Path) -> tuple[Database, Jobs]:
    database = Database(folder / "jobrunner.db")
    database.open()
    migrate(database)
    return database, Jobs(database, max_wait=3600)


class NoOp(Pipeline):
    """An attempt that does nothing, in the place of one with a handler; each is recorded by itself."""

    def __init__(self, recording: Recording, work: str) -> None:  # it has nothing of the other's
        self._recording = recording
        self._work = work
        self.longest_wait = 0.0
        self._ended_at = time.perf_counter()

    def run(self, job: Job) -> Job | None:
        """Mark the job and record its end."""
        self.longest_wait = max(self.longest_wait, time.perf_counter() - self._ended_at)
        marks.run(int(job.name))
        self._ended_at = time.perf_counter()
        attempt = CurrentAttempt(job, Workspace.at(self._work, job.id, job.attempt), confirm=lambda: None)
        attempt.details = _DETAILS
        following, _lost = self._recording.record([Done(attempt, 0.001)], claim=True)
        return following

    def hold_to_life(self) -> None:
        """There is no guard."""


def main(folder: Path, count: int) -> None:
    signals.block()
    database, jobs = open_store(folder)
    marks.start_together(folder, count)
    token = f"{folder.name}-{time.monotonic_ns()}"
    clock, stop = Clock(database, BOOT_ID), StopRequest({signal.SIGTERM})
    clock.start()
    workers = Workers(database)
    folders = Folders(FolderSettings(folder, folder, folder, folder, folder))
    machine = Machine(folders, 0, database, workers, lambda _trouble: None, stop)
    recording = Recording(database, jobs, workers, machine, stop, clock)
    pipeline = NoOp(recording, folders.work)
    Worker(jobs, pipeline, recording, machine, stop, clock).run(token, "bench", drain=True)
    (folder / f"wait-{token}").write_text(str(pipeline.longest_wait))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
