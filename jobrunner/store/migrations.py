"""The schema, as numbered files in `sql/schema` that are applied once, in order."""

from importlib import resources

from jobrunner.domain.errors import StoreError
from jobrunner.store.database import Database

#: What `sql/schema/0001_initial.sql` marks our files with.
APPLICATION_ID = int.from_bytes(b"jobr", "big")


def migrations() -> dict[int, str]:
    """Return the SQL of each schema version, from 1 on without a gap."""
    files = sorted(resources.files("jobrunner.sql").joinpath("schema").iterdir(), key=lambda file: file.name)
    return {int(file.name[:4]): file.read_text("utf-8") for file in files if file.name.endswith(".sql")}


def migrate(database: Database) -> None:
    """Bring the schema up to date, all of it or nothing. Raises StoreError on a database that is not ours to change."""
    known = migrations()
    if _pragma(database, "application_id") == APPLICATION_ID and _pragma(database, "user_version") == max(known):
        return
    with database.write():
        current = _pragma(database, "user_version")
        is_empty = not database.rows("SELECT 1 FROM sqlite_schema")
        if _pragma(database, "application_id") != APPLICATION_ID and not is_empty:
            raise StoreError(f"{database.path} is another program's database: set database.url to a file of its own")
        if current > max(known):
            raise StoreError(
                f"the database {database.path} was made by a newer jobrunner (schema {current}, known here: "
                f"{max(known)}): upgrade jobrunner"
            )
        for version in range(current + 1, max(known) + 1):
            database.execute(known[version])
            database.execute(f"PRAGMA user_version = {version}")


def _pragma(database: Database, name: str) -> int:
    row = database.row(f"PRAGMA {name}")
    assert row is not None
    return int(row[name])
