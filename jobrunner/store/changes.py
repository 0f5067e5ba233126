"""What people have changed, when and who: written in the transaction that changes it."""

import json
from collections.abc import Iterable

from jobrunner.domain.change import Action, Change
from jobrunner.domain.job import Job
from jobrunner.store.database import Database
from jobrunner.store.statements import statements

_MOST = 100


class Changes:
    """The tables of changes. `note` is called within `Database.write`."""

    def __init__(self, database: Database, who: str) -> None:
        """`who`: the user on whose behalf this process changes something."""
        self._database = database
        self._statements = statements("changes")
        self._who = who

    def note(self, action: Action, jobs: Iterable[Job], now: float) -> None:
        """Record that these jobs were changed now (seconds since 1970)."""
        parameters = {"now": now, "who": self._who, "action": action.value}
        change = self._database.one(self._statements["begin"], parameters)["id"]
        ids = json.dumps([job.id for job in jobs])
        self._database.execute(self._statements["of"], {"jobs": ids, "change": change})

    def of_job(self, job: Job) -> list[Change]:
        """Return what people have done to a job, the newest first, of very much the newest."""
        found = self._database.rows(self._statements["of_job"], {"job_id": job.id, "most": _MOST})
        return [Change(row["at"], row["who"], Action(row["action"])) for row in found]
