"""What the service manager is told: ready, how things stand, and, as long as the processes here are alive, that.

A watchdog ends what a restart mends: a supervisor that makes no rounds, a worker or scanner that is stopped (SIGSTOP, a
debugger) or that is dead and not replaced. It does not end what waits: for a disk (state D), for another's lock on the
database, for a fault of the machine to be mended, for a handler that cannot be ended, for its turn to be started again.
There a restart mends nothing, and interrupts all that runs.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from jobrunner.domain.errors import StoreError
from jobrunner.domain.package import printable
from jobrunner.linux.service_manager import ServiceManager
from jobrunner.services.slots import Slots

#: Seconds between two lines of status, at least.
_STATUS = 3.0
#: Seconds until we look again whether we are ready.
_SOON = 0.1
#: Seconds until we look again at what was not alive, or try again to tell what could not be told.
_AGAIN = 1.0
#: Characters of a line of status: the manager reads 4 KiB, and shows it on one line.
_LONGEST = 600
#: Seconds that we ask for while we stop, of the watchdog, too, and after which we do so again. What follows the grace
#: takes less: the end of killed workers' guards, and the recovery of what they left.
_STOPS_WITHIN = 30.0
_ASKS = 5.0


class Serving:
    """One process's. Only the process that the service manager has started may use it, and its forks do not."""

    def __init__(self, manager: ServiceManager, counts: Callable[[], str]) -> None:
        """`counts` says how many packages there are, and may raise StoreError."""
        self._manager = manager
        self._counts = counts
        self._is_ready = False
        self._is_stopping = False
        self._status = ""
        self._status_at = self._ask_at = 0.0
        self._ping_at = 0.0 if manager.watchdog < math.inf else math.inf
        self._slots: Slots | None = None
        self._trouble: Callable[[], str | None] = lambda: None

    def look(self, slots: Slots | None, trouble: Callable[[], str | None]) -> float:
        """Tell what is new, and return in how many seconds to look again at the latest.

        `slots`: whose processes are to be alive; None where it is only this process. `trouble` says what is wrong; if
        nothing is, the store is open.
        """
        self._slots, self._trouble = slots, trouble
        if not self._manager.is_there:
            return math.inf
        if not self._is_ready and (slots is None or slots.are_begun):
            self._is_ready = self._manager.tell("READY=1")
        if trouble() is None and time.monotonic() >= self._status_at:
            with suppress(StoreError):
                self._tell_status(self._counts())
        return min(self.pulse(), _STATUS if self._is_ready else _SOON)

    def pulse(self, *, waits: bool = False) -> float:
        """Ping if it is time and all are alive, and return in how many seconds to do so again. Needs no database.

        `waits`: we wait for a lock ourselves, so we cannot replace what dies.
        """
        if trouble := self._trouble():
            self._tell_status(f"trouble: {trouble}")
        now = time.monotonic()
        are_alive = now >= self._ping_at and (self._slots is None or self._slots.are_alive(and_replaced=not waits))
        if are_alive and self._manager.tell("WATCHDOG=1"):
            self._ping_at = now + self._manager.watchdog / 2
        return self._ping_at - now if now < self._ping_at else min(_AGAIN, self._manager.watchdog / 4)

    def stop(self, seconds: float) -> None:
        """Tell that we stop, and that it takes up to so many seconds; to be called often meanwhile."""
        now = time.monotonic()
        if not self._is_stopping:
            words = f"stopping: what runs has {seconds:.0f} s to end"
            self._is_stopping = self._manager.tell("STOPPING=1", f"STATUS={words}")
        if now >= self._ask_at and self._manager.tell(f"EXTEND_TIMEOUT_USEC={_STOPS_WITHIN * 1e6:.0f}"):
            self._ask_at = now + _ASKS

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell that settings are being taken over, and at the end that we are ready again."""
        if not self._is_ready:
            yield
            return
        self._manager.tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
        try:
            yield
        finally:
            self._is_ready = self._manager.tell("READY=1")

    def _tell_status(self, words: str) -> None:
        now, line = time.monotonic(), printable(words)[:_LONGEST]
        if line != self._status and now >= self._status_at and self._manager.tell(f"STATUS={line}"):
            self._status, self._status_at = line, now + _STATUS
