"""Turns at writing, and transactions."""

import fcntl
from pathlib import Path

import apsw

from jobrunner.domain.errors import StoreError
from jobrunner.linux.locks import Waiting
from jobrunner.store import bell
from jobrunner.store.sqlite import in_our_words


class Turn:
    """The turnstile's locks, held: `following` by whoever is next, `writer` by whoever writes."""

    def __init__(self, following: int, writer: int, waiting: Waiting) -> None:
        self.writer = writer
        self._following = following
        self._waiting = waiting

    def __enter__(self) -> None:
        try:
            self._waiting.lock(self._following, self.writer)
        except InterruptedError as error:
            raise StoreError(error.strerror) from error
        fcntl.flock(self._following, fcntl.LOCK_UN)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self.writer, fcntl.LOCK_UN)


class Transaction:
    """A write transaction, committed at its end, or undone where that is an exception's."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._changes = 0

    @property
    def changes(self) -> int:
        """How many rows it has changed, those that were changed twice counted twice."""
        return self._connection.total_changes() - self._changes

    def __enter__(self) -> None:
        try:
            self._changes = self._connection.total_changes()
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            raise in_our_words(error, self._path) from error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            try:
                if kind is None:
                    self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:  # some errors have undone it already
                    self._connection.execute("ROLLBACK")
        except apsw.Error as error:
            raise in_our_words(error, self._path) from error


class Write:
    """A turn and a transaction in it, and then the bell, where that has changed something.

    A generator with two contexts would take longer, while all others wait.
    """

    def __init__(self, turn: Turn, transaction: Transaction) -> None:
        self._turn = turn
        self._transaction = transaction

    def __enter__(self) -> None:
        self._turn.__enter__()
        try:
            self._transaction.__enter__()
        except BaseException:
            self._turn.__exit__()
            raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._transaction.__exit__(kind)
        finally:
            self._turn.__exit__()
        if kind is None and self._transaction.changes:
            bell.ring(self._turn.writer)
