"""When a supervisor looks how things stand: soon after something has changed, and now and then all the same."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from jobrunner.linux.processes import Process
from jobrunner.process.lives import Lives
from jobrunner.store.bell import Bell

#: Takes a moment, while the store is open, and returns in how many seconds to call it again if nothing happens.
Look = Callable[[], float]

#: Seconds between two rounds while nothing happens that would wake us.
_IDLE = 3.0
#: The same while something does happen, or something is to be seen to that does not wake us.
_BUSY = 0.4
#: The same while a worker of ours is known to have died and its guard has not ended yet.
_URGENT = 0.02
#: Seconds from a commit to the round for it: until then, whoever works because of that needs the processors.
_LATER = 0.1


class Rounds:
    """One supervisor's. Commits come in thousands, so a round is for all of them that have come for a while."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._bell: Bell | None = None
        self._others = Lives()
        self._next_at = self._ended_at = 0.0
        self._has_heard = False

    @property
    def next_at(self) -> float:
        """When to be awake, whatever happens until then, by the monotonic clock."""
        return self._next_at

    @property
    def descriptors(self) -> list[int]:
        """What can be read once something has changed, to be waited for beside other things."""
        hears = self._bell is not None and not self._has_heard
        return [*self._others.descriptors, *(self._bell.descriptors if self._bell and hears else ())]

    def is_due(self) -> bool:
        """Say whether it is time for a round."""
        now = time.monotonic()
        if self._bell and not self._has_heard and self._bell.has_rung():
            self._has_heard = True
            self._next_at = min(self._next_at, max(now + _LATER, self._ended_at + _BUSY))
        return now >= self._next_at or self._others.any_ended()

    def watch(self, others: Iterable[Process]) -> bool:
        """Be woken by commits, which there have been, and by the ends of these processes of others.

        Say whether that can be: else the caller has to look often.
        """
        self._bell = self._bell or Bell(self._database)
        return self._others.hold(others) and bool(self._bell.descriptors)

    def end(self, seconds: float, *, is_busy: bool, is_urgent: bool) -> None:
        """End a round; the next is in so many seconds at the latest."""
        longest = _URGENT if is_urgent else _BUSY if is_busy else _IDLE
        self._ended_at = time.monotonic()
        self._next_at = self._ended_at + min(max(seconds, _URGENT), longest)
        self._has_heard = False
