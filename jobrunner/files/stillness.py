"""Since when deliveries have been still, and which of them may be complete in a moment."""

import math
from collections.abc import Callable
from typing import NamedTuple

#: Seconds for which a folder whose content has changed may get what it lacks in a moment, and how many are so at most.
_FRESH = 60.0
_MOST_FRESH = 10_000
#: Seconds for which a delivery goes on to be looked at when it has been still for long enough.
_AFTERWARDS = 1.0


class _Seen(NamedTuple):
    """When a package changed last by the filesystem's clock, and since when it has been still by the monotonic one."""

    changed_at: float
    since: float
    looked_at: float


class Stillness:
    """What has been seen of deliveries that are waited for, by their names. A clock that is set changes none of it."""

    def __init__(self, longest_wait: float, ticks: Callable[[], float]) -> None:
        """`ticks` counts seconds and cannot be set. Nothing is waited for longer than `longest_wait` seconds."""
        self._longest_wait = longest_wait
        self._ticks = ticks
        self._seen: dict[str, _Seen] = {}
        self._lacked_at: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._seen or name in self._lacked_at

    def names(self) -> set[str]:
        """Return all names that are known here."""
        return self._seen.keys() | self._lacked_at.keys()

    def unsettled(self) -> set[str]:
        """Return the names of what may be complete in a moment."""
        oldest = self._ticks() - self._longest_wait - _AFTERWARDS
        return {name for name, seen in self._seen.items() if seen.since > oldest} | self._lacked_at.keys()

    def note_lack(self, name: str, age: float) -> None:
        """Note that a delivery lacks something, whose folder changed so many seconds ago."""
        if abs(age) < _FRESH and (len(self._lacked_at) < _MOST_FRESH or name in self._lacked_at):
            self._lacked_at[name] = self._ticks()
        else:
            self._lacked_at.pop(name, None)

    def forget(self, name: str) -> None:
        """Forget a delivery that has gone."""
        self._seen.pop(name, None)
        self._lacked_at.pop(name, None)

    def seconds(self, name: str, changed_at: float, now: float, looked_at: float | None) -> float:
        """Return for how long a package has been still: at the first look by the clock, then by our own watching.

        `looked_at`: when it was looked at last, by the ticks, as far as that is known elsewhere.
        """
        ticks = self._ticks()
        seen = self._seen.get(name)
        if seen is None or seen.changed_at != changed_at:
            last = seen.looked_at if seen else self._lacked_at.get(name, -math.inf if looked_at is None else looked_at)
            since = ticks - min(max(now - changed_at, 0), ticks - last)
        else:
            since = seen.since
        if seen is not None or ticks - since < self._longest_wait:  # else nothing waits for it
            self._seen[name] = _Seen(changed_at, since, looked_at=ticks)
        self._lacked_at.pop(name, None)
        return ticks - since
