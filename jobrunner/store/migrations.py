"""The schema, as numbered files in `sql/schema` that are applied once, in order."""

from importlib import resources

from jobrunner.domain.errors import StoreError
from jobrunner.store.database import Database


def migrations() -> dict[int, str]:
    """Return the SQL of each schema version, from 1 on without a gap."""
    files = sorted(resources.files("jobrunner.sql").joinpath("schema").iterdir(), key=lambda file: file.name)
    return {int(file.name[:4]): file.read_text("utf-8") for file in files if file.name.endswith(".sql")}


def migrate(database: Database) -> None:
    """Bring the schema up to date, all of it or nothing. Raises StoreError on a database that is not ours to change."""
    known = migrations()
    if _version(database) == max(known):
        return
    with database.write():
        current = _version(database)
        if current > max(known):
            raise StoreError(
                f"the database {database.path} was made by a newer jobrunner (schema {current}, known here: "
                f"{max(known)}): upgrade jobrunner"
            )
        if current == 0 and database.rows("SELECT 1 FROM sqlite_schema"):
            raise StoreError(f"{database.path} is another program's database: set database.url to a file of its own")
        for version in range(current + 1, max(known) + 1):
            database.execute(known[version])
            database.execute(f"PRAGMA user_version = {version}")


def _version(database: Database) -> int:
    row = database.row("PRAGMA user_version")
    assert row is not None
    return int(row["user_version"])
