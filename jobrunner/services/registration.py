"""The row of a process that goes on, by which others see that it works here and how its children fare."""

from contextlib import suppress

from jobrunner.domain.errors import StoreError
from jobrunner.domain.reload import Reloaded
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
        self._settings_state: str | None = None
        self._answer: tuple[int, str] | None = None
        self._is_noted = True
        self._is_recorded = False
        self._deaths: list[str] = []

    def begin(self, command: str, workers: int, settings_state: str | None) -> None:
        """Say what goes on: run, work or scan, with so many workers and with which file of settings."""
        self._command, self._workers, self._settings_state = command, workers, settings_state

    def note_settings(self, settings_state: str | None, workers: int) -> None:
        """Note which file of settings it goes on with, and with how many workers."""
        self._settings_state, self._workers, self._is_noted = settings_state, workers, False

    def asked_to_reload(self) -> int:
        """Return the number of a reload that is asked for and not answered, 0 if there is none. Raises StoreError."""
        reloads = self._store.runners.reloads(self._token)
        return reloads.asked if reloads and reloads.asked > reloads.done else 0

    def answer(self, asked: int, reloaded: Reloaded) -> None:
        """Note what has become of the reload of this number, and of those before it."""
        self._answer = asked, reloaded.as_text()

    def note_death(self, words: str) -> None:
        """Note that a child has died, in words."""
        self._deaths.append(words)

    def record(self) -> None:
        """Write down what is new. Raises StoreError."""
        if self._is_recorded and self._is_noted and not self._answer and not self._deaths:
            return
        with self._store.write():
            now = self._store.now().wall
            if not self._is_recorded:
                self._store.runners.begin(
                    self._token, self._command, self._workers, self._settings_state, Process.own(), now
                )
            if not self._is_noted:
                self._store.runners.note_settings(self._token, self._settings_state, self._workers)
            if self._answer:
                self._store.runners.answer(self._token, *self._answer)
            if self._deaths:
                self._store.runners.note_deaths(self._token, len(self._deaths), self._deaths[-1], now, apart=_APART)
        self._is_recorded = self._is_noted = True
        self._answer = None
        self._deaths.clear()

    def end(self) -> None:
        """Forget the row, if the database lets us: /proc says that we are dead, too."""
        if self._is_recorded:
            with suppress(StoreError), self._store.write():
                self._store.runners.end(self._token)
