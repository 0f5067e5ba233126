"""Is the database sound?"""

from jobrunner.domain.errors import DamagedDatabase
from jobrunner.store.database import Database


def fault(database: Database) -> str | None:
    """Return the first thing that SQLite finds wrong with an open database, None if it is sound."""
    try:
        found = str(database.one("PRAGMA integrity_check(1)")["integrity_check"])
        orphans = database.rows("PRAGMA foreign_key_check")
    except DamagedDatabase as error:
        return error.reason
    if found != "ok":
        return found.splitlines()[-1]
    return (
        f"a row of {orphans[0]['table']} refers to one of {orphans[0]['parent']} that is not there" if orphans else None
    )
