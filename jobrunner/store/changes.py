"""What people have changed, when and who: written in the transaction that changes it."""

import json
from collections.abc import Iterable, Sequence

from jobrunner.domain.change import Action, Change
from jobrunner.domain.job import Job
from jobrunner.store.database import Database
from jobrunner.store.statements import statements

_MOST = 100


class Changes:
    """The tables of changes. `note`, `note_of_home` and `forget` are called within `Database.write`."""

    def __init__(self, database: Database, who: str) -> None:
        """`who`: the user on whose behalf this process changes something."""
        self._database = database
        self._statements = statements("changes")
        self._who = who

    def note(self, action: Action, jobs: Iterable[Job], now: float) -> None:
        """Record that these jobs were changed now (seconds since 1970); of none, nothing."""
        if ids := [job.id for job in jobs]:
            change = self._begin(action, now)
            self._database.execute(self._statements["of"], {"jobs": json.dumps(ids), "change": change})

    def note_of_home(self, action: Action, now: float) -> None:
        """Record that the home itself was changed now (seconds since 1970)."""
        self._begin(action, now)

    def _begin(self, action: Action, now: float) -> int:
        parameters = {"now": now, "who": self._who, "action": action.value}
        return int(self._database.one(self._statements["begin"], parameters)["id"])

    def of_no_job(self, before: float, most: int) -> Sequence[int]:
        """Return the ids of up to so many changes before a time (seconds since 1970) that no job has in its history."""
        found = self._database.rows(self._statements["of_no_job"], {"before": before, "most": most})
        return [int(row["id"]) for row in found]

    def forget(self, ids: Sequence[int]) -> None:
        """Forget changes that no job has in its history."""
        self._database.execute(self._statements["forget"], {"ids": json.dumps(ids)})

    def of_job(self, job: Job) -> list[Change]:
        """Return what people have done to a job, the newest first, of very much the newest."""
        found = self._database.rows(self._statements["of_job"], {"job_id": job.id, "most": _MOST})
        return [Change(row["at"], row["who"], Action(row["action"])) for row in found]
