"""The ceiling: the same statements in the same transactions behind the same two locks, in a bare loop on raw apsw.

Only the look for waits that are over, ten times a second, is left out.
"""

import fcntl
import os
import sys
import time
from pathlib import Path

import apsw
import marks

from jobrunner.linux.processes import Process
from jobrunner.store.statements import statements
from peers import jobrunner_store

fill = jobrunner_store.fill


def main(folder: Path, workers: int) -> None:
    path = folder / "jobrunner.db"
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(30_000)
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = 1"):
        connection.execute(f"PRAGMA {pragma}")
    following, writer = (os.open(f"{path}-{name}", os.O_RDWR | os.O_CREAT) for name in ("next", "writer"))
    jobs, attempts = statements("jobs"), statements("attempts")
    execute, flock, exclusive, unlock = connection.execute, fcntl.flock, fcntl.LOCK_EX, fcntl.LOCK_UN
    details = {
        "extract_seconds": 0.001,
        "handle_seconds": 0.001,
        "archive_seconds": 0.001,
        "encoding": None,
        "node": None,
    }
    token = f"{folder.name}-{time.monotonic_ns()}"
    with connection:
        [[worker_id]] = execute(
            statements("workers")["register"],
            {"token": token, "supervisor": "bench", "now": time.time(), **Process.own()._asdict()},
        ).fetchall()
    marks.start_together(folder, workers)
    job: tuple[apsw.SQLiteValue, ...] | None = None
    longest, ended_at = 0.0, time.perf_counter()
    while True:
        flock(following, exclusive)
        flock(writer, exclusive)
        flock(following, unlock)
        execute("BEGIN IMMEDIATE")
        now = time.time()
        if job is not None:
            ending = {"now": now, "id": job[0], "attempt": job[4], "worker_id": worker_id}
            execute(jobs["complete"], ending)
            execute(
                attempts["end"],
                details | {"job_id": job[0], "number": job[4], "now": now}
                | {"outcome": "done", "error": None, "is_final": False},
            )  # fmt: skip
        claimed = execute(jobs["claim"], {"worker_id": worker_id, "wall": now}).fetchall()
        job = claimed[0] if claimed else None
        if job is not None:
            start = {"job_id": job[0], "number": job[4], "worker_id": worker_id, "now": now, "steady": now}
            execute(attempts["start"], start)
        execute("COMMIT")
        flock(writer, unlock)
        if job is None:
            break
        longest = max(longest, time.perf_counter() - ended_at)
        assert job[1] is not None
        marks.run(int(job[1]))
        ended_at = time.perf_counter()
    (folder / f"wait-{token}").write_text(str(longest))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
