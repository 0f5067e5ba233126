"""The SQLite database: how it is opened, and the one way to write to it."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import peewee
from playhouse.apsw_ext import APSWDatabase

from jobrunner.domain.errors import ConfigurationError, StoreError

#: Before it, two connections that write and checkpoint at once can corrupt a database in WAL mode (the WAL-reset bug,
#: https://sqlite.org/wal.html).
MINIMUM_SQLITE = (3, 51, 3)
#: Writers of ours queue at the gate; this long we wait for somebody else's program that holds the database.
BUSY_SECONDS = 30

Row = dict[str, Any]


class Database:
    """One connection to one file. It does not survive a fork: `close` it before."""

    def __init__(self, path: Path) -> None:
        _refuse_affected_sqlite(apsw.sqlite_lib_version())
        self.path = path
        self._gates: list[int] = []
        self._peewee = APSWDatabase(
            str(path),
            pragmas={"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1},
            timeout=BUSY_SECONDS,
            autoconnect=False,
        )

    def open(self) -> None:
        """Connect, making the file where there is none. Raises StoreError."""
        with _store_errors(self.path):
            self._peewee.connect()
        try:
            for name in ("next", "writer"):
                self._gates.append(os.open(f"{self.path}-{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
        except OSError as error:
            self.close()
            raise StoreError(f"the database {self.path} cannot be used: {error}") from error

    def close(self) -> None:
        """Let go of the file; `open` connects again."""
        self._peewee.close()
        while self._gates:
            os.close(self._gates.pop())

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold the only write transaction: all that is executed within is committed together, or nothing.

        SQLite's own waiting for the lock is unfair: one worker would get nearly all jobs. So writers queue at a
        turnstile of two file locks: one writes, one is next, and who has just written cannot pass the one that waits.
        """
        following, writer = self._gates
        fcntl.flock(following, fcntl.LOCK_EX)
        fcntl.flock(writer, fcntl.LOCK_EX)
        fcntl.flock(following, fcntl.LOCK_UN)
        try:
            with _store_errors(self.path), self._peewee.transaction("IMMEDIATE"):
                yield
        finally:
            fcntl.flock(writer, fcntl.LOCK_UN)

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Execute a statement and return how many rows it changed."""
        with _store_errors(self.path):
            cursor = self._peewee.execute_sql(sql, parameters or {})
            return int(self._peewee.rows_affected(cursor))

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Return all rows of a statement: a RETURNING must be read to its end before the commit."""
        with _store_errors(self.path):
            cursor = self._peewee.execute_sql(sql, parameters or {})
            names: list[str] = []
            found = []
            for values in cursor:
                names = names or [column[0] for column in cursor.getdescription()]
                found.append(dict(zip(names, values, strict=True)))
            return found

    def row(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Row | None:
        """Return the only row of a statement, or None."""
        found = self.rows(sql, parameters)
        return found[0] if found else None


@contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except peewee.IntegrityError:
        raise  # a wrong state that the schema refused: a bug of ours
    except (peewee.PeeweeException, apsw.Error) as error:
        raise StoreError(f"the database {path} cannot be used: {error}") from error


def _refuse_affected_sqlite(version: str) -> None:
    if tuple(int(part) for part in version.split(".")) < MINIMUM_SQLITE:
        wanted = ".".join(map(str, MINIMUM_SQLITE))
        raise ConfigurationError(
            f"SQLite {version} can corrupt the database (its WAL-reset bug): "
            f"install an apsw with SQLite {wanted} or newer, pip install --upgrade apsw"
        )
