"""The SQLite database: how it is opened, and the one way to write to it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Any

import apsw
import peewee
from playhouse.apsw_ext import APSWDatabase

from jobrunner.domain.errors import DatabaseGone, StoreError, in_words
from jobrunner.domain.home_rights import LOCK_MODE, PRIVATE, Rights
from jobrunner.linux import modes
from jobrunner.linux.locks import Waiting
from jobrunner.store.bell import GATES, make_audible
from jobrunner.store.database_file import file_identity, flush, is_another_programs, not_ours
from jobrunner.store.snapshot import snapshot
from jobrunner.store.sqlite import BUSY_SECONDS, WORDS, WRITABLE, connected, driver, in_our_words, refuse_affected
from jobrunner.store.transactions import Transaction, Turn, Write

#: The suffix of SQLite's file that whoever may open it may lock: `snapshot` says why it is its owner's alone.
SHARED_MEMORY = "-shm"

Row = dict[str, Any]
_FIRST = itemgetter(0)


class Database:
    """One connection to one file. It does not survive a fork: `close` it before."""

    def __init__(
        self,
        path: Path,
        *,
        to_read: bool = False,
        rights: Rights = PRIVATE,
        waiting: Waiting | None = None,
    ) -> None:
        """`rights` are those of its files; `waiting` is how a turn at writing is waited for.

        `to_read`: for whoever may not write to the file; `row` and `rows` are all that can be used then, and show the
        database as it was when it was opened.
        """
        refuse_affected(apsw.sqlite_lib_version())
        self.path = path
        self.is_to_read = to_read
        self.waiting = waiting or Waiting(lambda _: None)
        self._rights = rights
        self._gates: list[int] = []
        self._sqlite: apsw.Connection | None = None
        self._columns: dict[str, list[str]] = {}
        self._identity: tuple[int, int] | None = None
        self._is_durable = True
        self._peewee = driver(path, {"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1})

    def at(self, path: Path) -> "Database":
        """Return a database in another place that is like this one otherwise."""
        return Database(path, rights=self._rights, waiting=self.waiting)

    def open(self) -> None:
        """Connect, unless connected, making the file where there has been none.

        Raises StoreError, also for another program's database, DatabaseGone.
        """
        if not self._peewee.is_closed():
            return
        self.hold_to_file()
        if is_another_programs(self.path):
            raise not_ours(self.path)
        if self.is_to_read:
            self._open_to_read()
        else:
            with modes.private_files():
                self._connect()
            self._share()
        self._is_durable = True
        self._identity = file_identity(self.path)

    def _open_to_read(self) -> None:
        try:
            with snapshot(self.path) as copy:
                # the copy has no name any more once it is open: nothing can be made beside it
                self._connect(driver(copy, {"locking_mode": "exclusive"}))
        except OSError as error:
            raise StoreError(
                f"the database {self.path} cannot be read: {in_words(error)}; its owner can let a group read it: "
                "database.group"
            ) from error

    def _connect(self, other: APSWDatabase | None = None) -> None:
        """Connect, or to another file than the one that is written to."""
        self._peewee = other or self._peewee
        try:
            self._sqlite = connected(self._peewee)
        except (peewee.PeeweeException, apsw.Error) as error:
            raise in_our_words(error, self.path) from error

    def _share(self) -> None:
        """Let the readers see what has just been made. The shared memory is none of it: see `snapshot`."""
        if self._rights.group is not None:
            with suppress(PermissionError):  # those who are not in that group, and are told so, cannot
                for suffix in ("", "-wal"):
                    modes.settle(f"{self.path}{suffix}", self._rights.file, self._rights.group)

    def refresh(self) -> None:
        """Have a reader see what has been committed meanwhile; everybody else does anyway. Raises StoreError."""
        if self.is_to_read:
            self.close()
            self.open()

    def version(self) -> object:
        """Return a value that is another one once something has been committed meanwhile. Raises StoreError."""
        if self.is_to_read:
            files = [f"{self.path}{suffix}" for suffix in ("", "-wal")]
            return [(os.stat(file).st_mtime_ns, os.stat(file).st_size) for file in files if os.path.exists(file)]
        return self.one("PRAGMA data_version")["data_version"]

    def close(self) -> None:
        """Let go of the file; `open` connects again."""
        self._sqlite = None
        self._peewee.close()
        while self._gates:
            os.close(self._gates.pop())

    def hold_to_file(self) -> None:
        """Raise DatabaseGone where the path does not lead any more to the file that was opened first."""
        if self._identity is not None and self._identity != file_identity(self.path):
            raise DatabaseGone(
                f"the database {self.path} has been removed or replaced while jobrunner ran: stop jobrunner and put it "
                "back, or make a new one from the folders with jobrunner check --rebuild"
            )

    @property
    def is_another_users(self) -> bool:
        """Say whether the file belongs to another user than ours."""
        return self.path.stat().st_uid != os.geteuid()

    def look(self) -> str | None:
        """Return what keeps from writing, in words; None if nothing does. Writes nothing, and passes by the gate."""
        try:
            if self.is_to_read or self._connection().readonly("main"):
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
        turnstile of two file locks: one writes, one is next, and whoever has just written cannot pass the next one.
        """
        following, writer = self._turnstile()
        return Turn(following, writer, self.waiting)

    def transaction(self, *, patience: float = BUSY_SECONDS, durable: bool = True) -> Transaction:
        """Commit what is executed within, or undo it all: for whoever has the turn. Raises StoreError, DatabaseGone."""
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
            with modes.private_files():
                self.execute("VACUUM INTO :file", {"file": str(aside)})
            modes.settle(str(aside), self._rights.file, self._rights.group)
            flush(aside)
            aside.rename(target)
            flush(target.parent)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def _turnstile(self) -> list[int]:
        try:
            for gate in GATES[len(self._gates) :]:
                self._gates.append(os.open(f"{self.path}-{gate}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, LOCK_MODE))
            make_audible(self._gates[-1])
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
                if names is None:
                    names = self._columns[sql] = [column[0] for column in cursor.getdescription()]
                found.append(dict(zip(names, values, strict=True)))
        except apsw.Error as error:
            raise in_our_words(error, self.path) from error
        return found

    def column(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Yield the values of a statement's first column, as they are read."""
        try:
            yield from map(_FIRST, self._connection().execute(sql, parameters))
        except apsw.Error as error:
            raise in_our_words(error, self.path) from error

    def row(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Row | None:
        """Return the only row of a statement, or None."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def one(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Row:
        """Return the row of a statement that always has exactly one."""
        (row,) = self.rows(sql, parameters)
        return row

    def _connection(self) -> apsw.Connection:
        """Return SQLite's own: peewee's cursors cost a quarter of a job (decision 1). Raises StoreError."""
        if self._sqlite is None:
            raise StoreError(f"the database {self.path} is not open")
        return self._sqlite
