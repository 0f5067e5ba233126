"""Which workers there are, by what they said when they started. Whether they live, the kernel knows."""

from typing import NamedTuple

from jobrunner.linux.processes import Process
from jobrunner.store.database import Database, Row
from jobrunner.store.statements import statements


class WorkerRecord(NamedTuple):
    """A worker that was started; `token` and `supervisor` name the lock files of it and of the one that started it.

    `trouble`: what is wrong with the machine, so that it waits.
    """

    id: int
    token: str
    supervisor: str
    process: Process
    trouble: str | None

    @property
    def pid(self) -> int:
        """The number of its process, which may be another one's by now."""
        return self.process.pid


class Workers:
    """The table of workers. Methods that change it are called within `Database.write`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("workers")

    def register(self, token: str, supervisor: str, process: Process, now: float) -> int:
        """Record a new worker and return its id. It holds its lock already, or it would be taken for dead."""
        row = self._database.one(
            self._statements["register"], {"token": token, "supervisor": supervisor, "now": now, **process._asdict()}
        )
        return int(row["id"])

    def note_trouble(self, token: str, trouble: str | None) -> None:
        """Record what keeps a worker from working; None: nothing any more."""
        self._database.execute(self._statements["note_trouble"], {"token": token, "trouble": trouble})

    def end(self, worker_id: int, now: float) -> bool:
        """Record that a worker is no more; False where that is known already."""
        return bool(self._database.execute(self._statements["end"], {"id": worker_id, "now": now}))

    def not_ended(self) -> list[WorkerRecord]:
        """Return the workers whose end is not recorded."""
        rows = self._database.rows(self._statements["not_ended"])
        return [_worker(row) for row in rows]

    def of_job(self, job_id: int) -> list[WorkerRecord]:
        """Return the workers that have had a job and whose end is not recorded."""
        return [_worker(row) for row in self._database.rows(self._statements["of_job"], {"job_id": job_id})]

    def get(self, worker_id: int) -> WorkerRecord:
        """Return a worker that was registered."""
        return _worker(self._database.one(self._statements["by_id"], {"id": worker_id}))


def _worker(row: Row) -> WorkerRecord:
    process = Process(row["pid"], row["process_start"], row["boot_id"])
    return WorkerRecord(row["id"], row["token"], row["supervisor"], process, row["trouble"])
