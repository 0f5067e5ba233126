"""SQLite: which version we need, how it is connected to, and what it refuses, in our words."""

import time
from pathlib import Path

import apsw
import peewee
from playhouse.apsw_ext import APSWDatabase

from jobrunner.domain.errors import ConfigurationError, DamagedDatabase, StoreError

#: Writers of ours queue at the gate; so many seconds we wait for a foreign program that holds the database.
BUSY_SECONDS = 2.0
#: Seconds between two tries.
_TICK = 0.01
#: Before it, two connections that write and checkpoint at once can corrupt a database in WAL mode (the WAL-reset bug,
#: https://sqlite.org/wal.html).
MINIMUM_SQLITE = (3, 51, 3)
WRITABLE = "let jobrunner's user write to it and its folder"
#: What is wrong and what to do, by what SQLite says; the others come as SQLite's own words.
WORDS: dict[type, str] = {
    apsw.FullError: "cannot grow, because its disk is full: make room",
    apsw.BusyError: "is locked by another program: end that one",
    apsw.ReadOnlyError: f"cannot be written to: {WRITABLE}",
    apsw.CantOpenError: f"cannot be opened: {WRITABLE}",
    apsw.IOError: "cannot be read or written (disk I/O error): see the system's log for its disk",
}


def refuse_affected(version: str) -> None:
    """Raise ConfigurationError for a version of SQLite that can corrupt the database."""
    if tuple(int(part) for part in version.split(".")) < MINIMUM_SQLITE:
        wanted = ".".join(map(str, MINIMUM_SQLITE))
        raise ConfigurationError(
            f"SQLite {version} can corrupt the database (its WAL-reset bug): "
            f"install an apsw with SQLite {wanted} or newer, pip install --upgrade apsw"
        )


def driver(
    file: Path | str,
    pragmas: dict[str, object],
    *,
    flags: int = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE,
    patience: float = BUSY_SECONDS,
) -> APSWDatabase:
    """Return what connects to a file, with flags of SQLite's; a lock is waited for so many seconds."""
    return APSWDatabase(str(file), pragmas=pragmas, flags=flags, timeout=patience, autoconnect=False)


def connected(database: APSWDatabase) -> apsw.Connection:
    """Connect, and make all files that are still missing.

    SQLite does not wait for another process that is just making the file, so that is done here. Raises PeeweeException,
    apsw.Error.
    """
    give_up_at = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            database.connect()
            connection: apsw.Connection = database.connection()
            connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
        except (peewee.PeeweeException, apsw.Error) as error:
            if not isinstance(_original(error), apsw.BusyError) or time.monotonic() > give_up_at:
                raise
            database.close()
            time.sleep(_TICK)
        else:
            return connection


def in_our_words(error: Exception, path: Path) -> Exception:
    """Return what to raise instead of an error of SQLite's."""
    original = _original(error)
    if isinstance(original, apsw.ConstraintError):
        return error  # a wrong state that the schema refused: a bug of ours
    if isinstance(original, apsw.CorruptError | apsw.NotADBError):
        return DamagedDatabase(path, str(original))
    words = WORDS.get(type(original), f"cannot be used: {original}")
    return StoreError(f"the database {path} {words}")


def _original(error: BaseException) -> BaseException:
    while not isinstance(error, apsw.Error) and error.__context__:  # peewee raises its own instead
        error = error.__context__
    return error
