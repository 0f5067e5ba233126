"""Jobs for packages that were found without one, and what a damaged database still tells of jobs."""

from contextlib import suppress

from jobrunner.domain.errors import StoreError
from jobrunner.domain.job import Adopted
from jobrunner.store import rows
from jobrunner.store.database import Database
from jobrunner.store.statements import statements


class Adoption:
    """Rows of the table of jobs; methods that change it are called within `Database.write`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("adoption")

    def adopt(self, found: Adopted) -> bool:
        """Record a job for a package that lies somewhere without one; False where its name or id is known."""
        place = rows.place(found.failed_name, found.error_name)
        parameters = {
            "id": found.id,
            "state": found.state.value,
            "attempt": found.attempt,
            "error": found.error,
            "verdict": found.verdict and found.verdict.value,
            "created_at": found.created_at,
            "finished_at": found.finished_at,
        }
        identity = rows.named(found.identity.package) | rows.identity(found.identity)
        return bool(self._database.execute(self._statements["adopt"], identity | parameters | place))

    def reserve_ids(self, last: int) -> None:
        """Give out no id up to `last`."""
        self._database.execute(self._statements["forget_ids"], {"last": last})
        self._database.execute(self._statements["reserve_ids"], {"last": last})

    def ended(self, job_id: int) -> Adopted | None:
        """Return what is known of a job that has ended, without a place in failed/."""
        row = self._database.row(self._statements["ended"], {"id": job_id})
        if row is None:
            return None
        with suppress(StoreError):  # an older version has no revisions
            row |= self._database.one(self._statements["identity"], {"id": job_id})
        return rows.ended_job(row)

    def last_id(self) -> int:
        """Return the highest id that is not given out any more; 0 where none was."""
        row = self._database.row(self._statements["last_id"])
        return int(row["seq"]) if row else 0
