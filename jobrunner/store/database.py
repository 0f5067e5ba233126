"""The SQLite database: how it is opened, and the one way to write to it."""

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
import peewee
from playhouse.apsw_ext import APSWDatabase

from jobrunner.domain.errors import ConfigurationError, DatabaseGone, StoreError, in_words
from jobrunner.store.transactions import WORDS, WRITABLE, Transaction, Turn, Write, in_our_words

#: Before it, two connections that write and checkpoint at once can corrupt a database in WAL mode (the WAL-reset bug,
#: https://sqlite.org/wal.html).
MINIMUM_SQLITE = (3, 51, 3)
#: What `sql/schema/0001_initial.sql` marks our files with.
APPLICATION_ID = int.from_bytes(b"jobr", "big")
#: Writers of ours queue at the gate; so many seconds we wait for somebody else's program that holds the database.
BUSY_SECONDS = 2.0
#: The turnstile's files beside the database, FILE-GATE: see `Database.turn`.
GATES = ("next", "writer")
_READ_ONLY = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI

Row = dict[str, Any]


class Database:
    """One connection to one file. It does not survive a fork: `close` it before."""

    def __init__(self, path: Path, *, to_read: bool = False) -> None:
        """`to_read`: for who may not write to the file; `row` and `rows` are all that can be used then."""
        _refuse_affected_sqlite(apsw.sqlite_lib_version())
        self.path = path
        self._gates: list[int] = []
        self._sqlite: apsw.Connection | None = None
        self._columns: dict[str, list[str]] = {}
        self._identity: tuple[int, int] | None = None
        self._is_durable = True
        if to_read:  # without a WAL nobody has it open: there is no shared memory, and none can be made
            name, flags = _uri(path, "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"), _READ_ONLY
            pragmas: dict[str, object] = {}
        else:
            name, flags = str(path), apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
            pragmas = {"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1}
        self._peewee = APSWDatabase(name, pragmas=pragmas, flags=flags, timeout=BUSY_SECONDS, autoconnect=False)

    def open(self) -> None:
        """Connect, unless connected, making the file where there has been none.

        Raises StoreError, also for another program's database, DatabaseGone.
        """
        if not self._peewee.is_closed():
            return
        self.hold_to_file()
        if _is_another_programs(self.path):
            raise not_ours(self.path)
        try:
            self._peewee.connect()
        except (peewee.PeeweeException, apsw.Error) as error:
            raise in_our_words(error, self.path) from error
        self._sqlite = self._peewee.connection()
        self._is_durable = True
        self._identity = _identity(self.path)

    def close(self) -> None:
        """Let go of the file; `open` connects again."""
        self._sqlite = None
        self._peewee.close()
        while self._gates:
            os.close(self._gates.pop())

    def hold_to_file(self) -> None:
        """Raise DatabaseGone where the path does not lead any more to the file that was opened first."""
        if self._identity is not None and self._identity != _identity(self.path):
            raise DatabaseGone(
                f"the database {self.path} has been removed or replaced while jobrunner ran: stop jobrunner and put it "
                "back, or make a new one from the folders with jobrunner check --rebuild"
            )

    def look(self) -> str | None:
        """Return what keeps from writing, in words; None if nothing does. Writes nothing, and passes by the gate."""
        try:
            if self._connection().readonly("main"):
                return f"the database {self.path} {WORDS[apsw.ReadOnlyError]}"
            with self.transaction():  # ours let it in long before
                return None
        except StoreError as error:
            return str(error)

    def write(self, *, patience: float = BUSY_SECONDS, durable: bool = True) -> Write:
        """Hold the only write transaction: all that is executed within is committed together, or nothing.

        For a lock of another program's we wait `patience` seconds. What is not `durable` a power cut may undo, until
        the next durable commit, of whomever: that flushes all before it. Raises StoreError, DatabaseGone.
        """
        return Write(self.turn(), self.transaction(patience=patience, durable=durable))

    def turn(self) -> Turn:
        """Keep all other writers of ours out, without a transaction. Raises StoreError.

        SQLite's own waiting for the lock is unfair: one worker would get nearly all jobs. So writers queue at a
        turnstile of two file locks: one writes, one is next, and who has just written cannot pass the one that waits.
        """
        return Turn(*self._turnstile())

    def transaction(self, *, patience: float = BUSY_SECONDS, durable: bool = True) -> Transaction:
        """Commit what is executed within, or undo it all: for who has the turn. Raises StoreError, DatabaseGone."""
        self.hold_to_file()
        if durable is not self._is_durable:
            self.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._is_durable = durable
        connection = self._connection()
        connection.set_busy_timeout(int(patience * 1000))
        return Transaction(connection, self.path)

    def back_up(self, target: Path) -> None:
        """Copy the database, as it is between two transactions, to a new file, durably. Raises StoreError, OSError.

        SQLite copies it: had this process opened the file by other means, it would lose its locks on closing it.
        """
        aside = target.with_name(f"{target.name}.part")
        try:
            aside.unlink(missing_ok=True)
            self.execute("VACUUM INTO :file", {"file": str(aside)})
            _flush(aside)
            aside.rename(target)
            _flush(target.parent)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def _turnstile(self) -> list[int]:
        try:
            for gate in GATES[len(self._gates) :]:
                self._gates.append(os.open(f"{self.path}-{gate}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
        except OSError as error:
            raise StoreError(f"the database {self.path} cannot be written to ({error.strerror}): {WRITABLE}") from error
        return self._gates

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Execute a statement and return how many rows it changed."""
        connection = self._connection()
        try:
            connection.execute(sql, parameters)
            return connection.changes()
        except apsw.Error as error:
            raise in_our_words(error, self.path) from error

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Return all rows of a statement: a RETURNING must be read to its end before the commit."""
        found: list[Row] = []
        names = self._columns.get(sql)
        try:
            cursor = self._connection().execute(sql, parameters)
            for values in cursor:
                if names is None or len(names) < len(values):  # a migration adds some
                    names = self._columns[sql] = [column[0] for column in cursor.getdescription()]
                found.append(dict(zip(names, values, strict=True)))
        except apsw.Error as error:
            raise in_our_words(error, self.path) from error
        return found

    def column(self, sql: str) -> list[Any]:
        """Return the values of a statement's only column."""
        try:
            return [value for (value,) in self._connection().execute(sql)]
        except apsw.Error as error:
            raise in_our_words(error, self.path) from error

    def _connection(self) -> apsw.Connection:
        """Return SQLite's own: peewee's cursors cost a quarter of a job (decision 1). Raises StoreError."""
        if self._sqlite is None:
            raise StoreError(f"the database {self.path} is not open")
        return self._sqlite

    def row(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Row | None:
        """Return the only row of a statement, or None."""
        found = self.rows(sql, parameters)
        return found[0] if found else None


def not_ours(path: Path) -> StoreError:
    """Return the refusal of another program's database."""
    return StoreError(f"{path} is another program's database: set database.url to a file of its own")


def _is_another_programs(path: Path) -> bool:
    """Look at a file without changing it: a usual connection would, as it sets its mode and makes files beside it.

    What is only in its WAL is not seen, so that a database without a table here may still turn out to be theirs.
    """
    try:
        with closing(apsw.Connection(_uri(path, "immutable=1"), flags=_READ_ONLY)) as connection:
            if connection.pragma("application_id") == APPLICATION_ID:
                return False
            return bool(connection.execute("SELECT 1 FROM sqlite_schema").fetchall())
    except apsw.Error:  # there is none, it is being written just now, or is no database: the usual connection tells
        return False


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(os.fsencode(path))}?{mode}"


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"the database {path} cannot be reached: {in_words(error)}") from error
    return status.st_dev, status.st_ino


def _refuse_affected_sqlite(version: str) -> None:
    if tuple(int(part) for part in version.split(".")) < MINIMUM_SQLITE:
        wanted = ".".join(map(str, MINIMUM_SQLITE))
        raise ConfigurationError(
            f"SQLite {version} can corrupt the database (its WAL-reset bug): "
            f"install an apsw with SQLite {wanted} or newer, pip install --upgrade apsw"
        )
