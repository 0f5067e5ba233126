"""Jobs that are not called as their packages are: later revisions, and packages whose names revisions have."""

import os
from collections.abc import Iterable

from jobrunner.domain.job import Identity, Job
from jobrunner.store import rows
from jobrunner.store.database import Database
from jobrunner.store.statements import statements


class Revisions:
    """Rows of the table of jobs; methods that change it are called within `Database.write`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("revisions")

    def find(self, package: str, revision: int) -> Job | None:
        """Return one revision, from 2 on, of a package."""
        parameters = {"package": os.fsencode(package), "revision": revision}
        row = self._database.row(self._statements["one"], parameters)
        return rows.job(row) if row else None

    def of(self, package: str) -> list[Job]:
        """Return the revisions of a package, from 2 on, the oldest first."""
        return [
            rows.job(row)
            for row in self._database.rows(self._statements["of_package"], {"package": os.fsencode(package)})
        ]

    def is_used(self, name: str) -> bool:
        """Say whether a job has this name, or a package is called so."""
        return bool(self._database.one(self._statements["is_used"], {"name": os.fsencode(name)})["is_used"])

    def other_packages(self, names: Iterable[str]) -> set[str]:
        """Return those of these names that have jobs of packages which are called otherwise."""
        return set(map(os.fsdecode, self._database.column(self._statements["other_packages"], rows.in_json(names))))

    def enqueue(self, identity: Identity, now: float) -> int:
        """Queue a package that is not known yet, whose name another one's job has; return how many were new."""
        parameters = rows.named(identity.package) | rows.identity(identity)
        return self._database.execute(self._statements["enqueue"], parameters | {"now": now})

    def revise(self, identity: Identity, now: float) -> Job:
        """Queue a package that is done as another revision."""
        return rows.job(self._database.one(self._statements["revise"], rows.identity(identity) | {"now": now}))
