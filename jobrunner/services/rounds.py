"""When a supervisor looks how things stand: soon after something has changed, and now and then all the same."""

import time
from collections.abc import Iterable
from pathlib import Path

from jobrunner.linux.processes import Process
from jobrunner.process.lives import Lives
from jobrunner.store.bell import Bell

#: Seconds between two rounds while nothing happens that would wake us.
_IDLE = 3.0
#: The same while something does, or is to be seen to that wakes nobody.
_BUSY = 0.4
#: The same while a worker of ours is known to have died and its guard has not ended yet.
_URGENT = 0.02


class Rounds:
    """One supervisor's. Commits come in thousands, so after one of them the next are left to gather for a while."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._bell: Bell | None = None
        self._others = Lives()
        self._next_at = 0.0
        self._rest_until = 0.0

    @property
    def next_at(self) -> float:
        """When to be awake, whatever happens until then, by the monotonic clock."""
        return self._rest_until if time.monotonic() < self._rest_until < self._next_at else self._next_at

    @property
    def descriptors(self) -> list[int]:
        """What can be read once something has changed, to be waited for beside other things."""
        if self._bell is None or time.monotonic() < self._rest_until:
            return []
        return [*self._bell.descriptors, *self._others.descriptors]

    def is_due(self) -> bool:
        """Say whether it is time for a round."""
        now = time.monotonic()
        if now >= self._rest_until and ((self._bell and self._bell.has_rung()) or self._others.any_ended()):
            self._rest_until = now + _BUSY
            return True
        return now >= self._next_at

    def watch(self, others: Iterable[Process]) -> bool:
        """Be woken by commits, which there have been, and by the ends of these processes of others.

        Say whether that can be: else somebody has to look often.
        """
        self._bell = self._bell or Bell(self._database)
        return self._others.hold(others) and bool(self._bell.descriptors)

    def end(self, seconds: float, *, is_busy: bool, is_urgent: bool) -> None:
        """End a round; the next is in so many seconds at the latest."""
        longest = _URGENT if is_urgent else _BUSY if is_busy else _IDLE
        self._next_at = time.monotonic() + min(max(seconds, _URGENT), longest)
