"""Which database this is, wherever it lies and whatever it is called, and which work folder is its own."""

import os

from jobrunner.store.database import Database


def identity(database: Database) -> str:
    """Return the id that the database got when it was made; a copy or a backup of it has the same."""
    row = database.row("SELECT id FROM identity")
    assert row is not None
    return str(row["id"])


def work_folder(database: Database) -> str | None:
    """Return where the work folder was seen last, None where it never was."""
    row = database.row("SELECT work FROM identity")
    assert row is not None
    return None if row["work"] is None else os.fsdecode(row["work"])


def note_work_folder(database: Database, path: str) -> None:
    """Record where the work folder is; within `Database.write`."""
    database.execute("UPDATE identity SET work = :work", {"work": os.fsencode(path)})
