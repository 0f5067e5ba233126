"""Which database this is, wherever it lies and whatever it is called, and which work folder is its own."""

import os

from jobrunner.store.database import Database
from jobrunner.store.statements import statements


def identity(database: Database) -> str:
    """Return the id that the database got when it was made; a copy or a backup of it has the same."""
    return str(database.one(statements("identity")["id"])["id"])


def work_folder(database: Database) -> str | None:
    """Return where the work folder was seen last, None where it never was."""
    path = database.one(statements("identity")["work_folder"])["work"]
    return None if path is None else os.fsdecode(path)


def note_work_folder(database: Database, path: str) -> None:
    """Record where the work folder is; within `Database.write`."""
    database.execute(statements("identity")["note_work_folder"], {"work": os.fsencode(path)})
