"""Pauses and resumes a home, and notices it when others do."""

import math
from collections.abc import Callable

from jobrunner.domain.change import Action
from jobrunner.domain.envelope import Emit
from jobrunner.domain.events import Paused, Resumed
from jobrunner.domain.pause import Pause
from jobrunner.store.store import Store


class Pausing:
    """Keeps all workers from claiming. A claim is one commit before that of the pause, or none."""

    def __init__(self, store: Store, notice: Callable[[Pause], None] | None = None) -> None:
        """`notice` records, within `Store.write`, the notice of a pause that is to be sent."""
        self._store = store
        self._notice = notice

    def pause(self, until: float | None, reason: str | None) -> Pause:
        """Pause, or change the pause that there is, and return it. `until` is wall time. Raises StoreError."""
        with self._store.write():
            now = self._store.now().wall
            before = self._store.pauses.in_force(now)
            self._store.pauses.begin(now, until, reason)
            self._store.changes.note_of_home(Action.PAUSE, now)
            pause = self._store.pauses.in_force(now) or Pause(now, until, reason)
            if self._notice and pause != before:
                self._notice(pause)
            return pause

    def resume(self) -> Pause | None:
        """End the pause, and return it; None where there is none. Raises StoreError."""
        with self._store.write():
            ended = self._store.pauses.in_force(self._store.now().wall)
            self._store.pauses.end()
            if ended:
                self._store.changes.note_of_home(Action.RESUME, self._store.now().wall)
            return ended

    def held(self) -> tuple[Pause, int] | None:
        """Return a pause that does not end by itself, and how many jobs it holds; None where it holds none."""
        now = self._store.now()
        pause, counts = self._store.pauses.in_force(now.wall), self._store.jobs.counts(now)
        count = counts["queued"] + counts["waiting"]
        return (pause, count) if pause and pause.until is None and count else None


class PauseWatch:
    """Tells once of each pause, and of its end."""

    def __init__(self, store: Store, emit: Emit) -> None:
        self._store = store
        self._emit = emit
        self._seen: Pause | None = None

    def look(self) -> float:
        """Tell what has changed since the last look, and return in how many seconds it will by itself.

        Raises StoreError.
        """
        now = self._store.now().wall
        pause = self._store.pauses.in_force(now)
        if pause != self._seen:
            self._emit(Paused(*pause) if pause else Resumed())
        self._seen = pause
        return math.inf if pause is None or pause.until is None else pause.until - now
