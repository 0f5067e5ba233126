"""When troubles and their ends become notices: each is told, but what comes and goes at most twice in five minutes."""

import math

from jobrunner.domain.notice import Notice, of_mended, of_troubles

#: Seconds for which more troubles are left to come, once one has; and for which there are none before that is told.
_GATHER = 2.0
_CALM = 10.0
#: Seconds between two notices of troubles, and between two of their ends.
_APART = 300.0
_MOST = 20


class Debouncing:
    """Hears troubles and their ends, and says when a notice is due. Ticks are seconds of a clock that cannot be set."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._present: set[str] = set()
        self._untold: list[str] = []
        self._times = 0
        self._is_told = False
        self._told_at = self._mended_at = -math.inf
        self._trouble_due = self._mended_due = math.inf

    def trouble(self, words: str, ticks: float) -> None:
        """Hear what is wrong with the machine."""
        self._times += not self._present
        self._mended_due = math.inf
        if words in self._present:
            return
        self._present.add(words)
        if words not in self._untold and len(self._untold) < _MOST:
            self._untold.append(words)
        if self._trouble_due == math.inf:
            self._trouble_due = max(ticks + _GATHER, self._told_at + _APART)

    def mended(self, ticks: float) -> None:
        """Hear that nothing is wrong any more."""
        self._present.clear()
        if self._is_told or self._untold:
            self._mended_due = max(ticks + _CALM, self._mended_at + _APART)

    def due_in(self, ticks: float) -> float:
        """Return in how many seconds a notice is due, infinity for none."""
        return max((self._trouble_due if self._untold else self._mended_due) - ticks, 0.0)

    def notice(self, ticks: float, now: float) -> Notice | None:
        """Return a notice that is due, if one is, and take it for told. `now` is in seconds since 1970."""
        if self.due_in(ticks):
            return None
        if self._untold:
            told, times = self._untold, self._times
            self._untold, self._times, self._trouble_due = [], 0, math.inf
            self._is_told, self._told_at = True, ticks
            return of_troubles(told, times, now, self._home)
        self._is_told, self._mended_at, self._mended_due = False, ticks, math.inf
        return of_mended(now, self._home)
