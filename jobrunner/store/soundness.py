"""Is the database sound, and what of a damaged one can still be read?"""

from collections.abc import Iterator

from jobrunner.domain.errors import DamagedDatabase, StoreError
from jobrunner.domain.job import Job
from jobrunner.store.database import Database
from jobrunner.store.jobs import Jobs


def fault(database: Database) -> str | None:
    """Return the first thing that SQLite finds wrong with an open database, None if it is sound."""
    try:
        row = database.row("PRAGMA integrity_check(1)")
        orphans = database.rows("PRAGMA foreign_key_check")
    except DamagedDatabase as error:
        return error.reason
    assert row is not None
    if row["integrity_check"] != "ok":
        return str(row["integrity_check"]).splitlines()[-1]
    return (
        f"a row of {orphans[0]['table']} refers to one of {orphans[0]['parent']} that is not there" if orphans else None
    )


def readable_jobs(database: Database, jobs: Jobs) -> Iterator[Job]:
    """Yield the jobs of a damaged database that can still be read, each looked for by its id."""
    try:
        row = database.row("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'")
    except StoreError:
        return
    for job_id in range(1, (int(row["seq"]) if row else 0) + 1):
        try:
            job = jobs.get(job_id)
        except (StoreError, ValueError):  # a page of it is damaged, or what stands there is no job
            continue
        if job:
            yield job
