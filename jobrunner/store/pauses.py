"""Whether the home is paused. The statements that claim look at the same row: see `jobs.sql`."""

from jobrunner.domain.pause import Pause
from jobrunner.store.database import Database
from jobrunner.store.statements import statements


class Pauses:
    """The table with the one pause. Methods that change it are called within `Database.write`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("pauses")

    def begin(self, now: float, until: float | None, reason: str | None) -> None:
        """Pause; where that is so already, it goes on with this end and for this reason."""
        self._database.execute(self._statements["begin"], {"wall": now, "ends_at": until, "reason": reason})

    def end(self) -> None:
        """Resume."""
        self._database.execute(self._statements["end"])

    def in_force(self, now: float) -> Pause | None:
        """Return the pause that there is; None where there is none, or where its time is over."""
        row = self._database.row(self._statements["in_force"], {"wall": now})
        return Pause(**row) if row else None
