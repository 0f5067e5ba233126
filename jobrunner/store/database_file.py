"""The file of a database, seen from outside: which one it is, and whose."""

import os
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import apsw

from jobrunner.domain.errors import StoreError, in_words

#: What `sql/schema/0001_initial.sql` marks our files with.
APPLICATION_ID = int.from_bytes(b"jobr", "big")


def not_ours(path: Path) -> StoreError:
    """Return the refusal of another program's database."""
    return StoreError(f"{path} is another program's database: set database.url to a file of its own")


def is_another_programs(path: Path) -> bool:
    """Look at a file without changing it: a usual connection would, as it sets its mode and makes files beside it.

    What is only in its WAL is not seen, so that a database without a table here may still turn out to be theirs.
    """
    uri = f"file:{quote(os.fsencode(path))}?immutable=1"
    try:
        with closing(apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)) as connection:
            if connection.pragma("application_id") == APPLICATION_ID:
                return False
            return bool(connection.execute("SELECT 1 FROM sqlite_schema").fetchall())
    except apsw.Error:  # there is none, it is being written just now, or is no database: the usual connection tells
        return False


def flush(path: Path) -> None:
    """Have the disk keep a file or folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file from any other in its place, None where there is none. Raises StoreError."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"the database {path} cannot be reached: {in_words(error)}") from error
    return status.st_dev, status.st_ino
