"""The schema, as numbered files in `sql/schema` that are applied once, in order."""

from collections.abc import Callable
from itertools import chain, count
from pathlib import Path

from jobrunner.domain.errors import StoreError
from jobrunner.store.database import Database
from jobrunner.store.database_file import APPLICATION_ID, not_ours
from jobrunner.store.statements import sql_folder


def migrations() -> dict[int, str]:
    """Return the SQL of each schema version, from 1 on without a gap."""
    files = sorted(sql_folder("schema").glob("*.sql"))
    return {int(file.name[:4]): file.read_text("utf-8") for file in files}


def migrate(database: Database, *, permit: Callable[[], object] = lambda: None) -> Path | None:
    """Bring the schema up to date, all of it or nothing, and return the backup that was made of an older one.

    `permit` is called before an older schema is changed, while no other process can write, and raises what forbids it.
    Raises StoreError, also on a database that is not ours to change.
    """
    known = migrations()
    newest = max(known)
    if _pragma(database, "application_id") == APPLICATION_ID and _pragma(database, "user_version") == newest:
        return None
    with database.turn():
        current = _pragma(database, "user_version")
        backup = None
        if database.rows("SELECT 1 FROM sqlite_schema"):
            if _pragma(database, "application_id") != APPLICATION_ID:
                raise not_ours(database.path)
            _refuse_newer(database, current, newest)
            if current == newest:  # another process was faster
                return None
            permit()
            backup = _free(database.path.with_name(f"{database.path.name}.before-schema-{newest}"))
        try:
            if backup:
                database.back_up(backup)
            with database.transaction():
                for version in range(current + 1, newest + 1):
                    database.rows(known[version])  # reads on to the last statement, whatever one of them returns
                    database.execute(f"PRAGMA user_version = {version}")
        except (StoreError, OSError) as error:
            if backup:
                backup.unlink(missing_ok=True)
            raise StoreError(f"{error}; the database stays at schema {current}, whole and as it was") from error
    return backup


def check(database: Database) -> None:
    """Raise StoreError where the schema is not the one that this program knows."""
    current, newest = _pragma(database, "user_version"), max(migrations())
    _refuse_newer(database, current, newest)
    if current < newest:
        raise StoreError(
            f"the database {database.path} was made by an older jobrunner (schema {current}, known here: {newest}): "
            "the next command of who may write it brings it up to date"
        )


def _refuse_newer(database: Database, current: int, newest: int) -> None:
    if current > newest:
        raise StoreError(
            f"the database {database.path} was made by a newer jobrunner (schema {current}, known here: "
            f"{newest}): upgrade jobrunner"
        )


def _free(path: Path) -> Path:
    """Return the path, or the first of its successors (`~1`, `~2`) that is free: no backup is ever overwritten."""
    candidates = chain([path], (path.with_name(f"{path.name}~{number}") for number in count(1)))
    return next(candidate for candidate in candidates if not candidate.exists())


def is_blank(database: Database) -> bool:
    """Say whether nothing has ever been recorded in this database."""
    return _pragma(database, "application_id") == 0 and not database.rows("SELECT 1 FROM sqlite_schema")


def _pragma(database: Database, name: str) -> int:
    return int(database.one(f"PRAGMA {name}")[name])
