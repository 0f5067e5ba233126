"""Which database this is, wherever it lies and whatever it is called."""

from jobrunner.store.database import Database


def identity(database: Database) -> str:
    """Return the id that the database got when it was made; a copy or a backup of it has the same."""
    row = database.row("SELECT id FROM identity")
    assert row is not None
    return str(row["id"])
