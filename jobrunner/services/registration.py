"""The row of a process that goes on, by which others see that it works here and how its children fare."""

from contextlib import suppress

from jobrunner.domain.errors import StoreError
from jobrunner.linux.processes import Process
from jobrunner.store.store import Store

#: Seconds between two deaths that belong together: a child that keeps dying is started again more often than that.
_APART = 120.0


class Registration:
    """One process's. What is to be recorded waits until the database can be written to."""

    def __init__(self, store: Store, token: str) -> None:
        """`token`: of its lock file."""
        self._store = store
        self._token = token
        self._command = ""
        self._workers = 0
        self._is_recorded = False
        self._deaths: list[str] = []

    def begin(self, command: str, workers: int) -> None:
        """Say what goes on: run, work or scan, with so many workers."""
        self._command, self._workers = command, workers

    def note_death(self, words: str) -> None:
        """Note that a child has died, in words."""
        self._deaths.append(words)

    def record(self) -> None:
        """Write down what is new. Raises StoreError."""
        if self._is_recorded and not self._deaths:
            return
        with self._store.write():
            now = self._store.now().wall
            if not self._is_recorded:
                self._store.runners.begin(self._token, self._command, self._workers, Process.own(), now)
            if self._deaths:
                self._store.runners.note_deaths(self._token, len(self._deaths), self._deaths[-1], now, apart=_APART)
        self._is_recorded = True
        self._deaths.clear()

    def end(self) -> None:
        """Forget the row, if the database lets us: /proc says that we are dead, too."""
        if self._is_recorded:
            with suppress(StoreError), self._store.write():
                self._store.runners.end(self._token)
