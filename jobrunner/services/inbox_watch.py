"""Watches the inbox: it looks at once at what the kernel tells of, and now and then at all that lies there."""

import math
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import StoreError, in_words
from jobrunner.domain.events import InboxPolled, PackagesMissed
from jobrunner.files.arrivals import Arrivals
from jobrunner.linux.waiting import BlockedSignals
from jobrunner.services.intake import SCAN_INTERVAL, Intake
from jobrunner.services.machine import Tell
from jobrunner.services.serving import Serving
from jobrunner.store.store import Store

#: Seconds between two looks at the whole inbox, while the kernel tells what comes.
_RESCAN = 30.0
#: Seconds between two looks at whether the inbox is still the folder that is watched.
_TICK = 5.0
#: Seconds for which the kernel is not listened to after it told of nothing that was queued: doubled each time, up to
#: SCAN_INTERVAL. A sender that goes on changing something takes no more of us than that.
_SHORT_REST = 0.005


class InboxWatch:
    """One process's watch."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        arrivals: Arrivals,
        look: Callable[[], str | None],
        emit: Emit,
        token: str,
    ) -> None:
        """`look` says what is wrong with the folders. `token`: of the row in which is counted what was missed."""
        self._store = store
        self._intake = intake
        self._arrivals = arrivals
        self._look = look
        self._emit = emit
        self._token = token
        self._told: str | None = None
        self._deaf_because: str | None = None
        self._come: set[str] = set()
        self._rescan_at = 0.0
        self._look_again_at = math.inf
        self._rest = self._rest_until = 0.0

    def run(
        self,
        tell: Tell,
        stop: Iterable[signal.Signals],
        beside: Callable[[], bool] | None = None,
        serving: Serving | None = None,
    ) -> signal.Signals | None:
        """Queue what arrives until one of these signals comes (they must be blocked) and return it.

        `beside` is called every second, and may raise StoreError; if it returns True, None is returned.
        `serving` is told after each look. `tell` is called once with what keeps it from scanning, and with None when
        that is over.
        """

        def say(trouble: str | None) -> None:
            if trouble != self._told:
                self._told = trouble
                tell(trouble)

        self._store.database.waiting.tell = say
        is_over = False

        def step() -> None:
            nonlocal is_over
            self._scan()
            is_over = bool(beside and beside())

        stopping = BlockedSignals(stop)
        try:
            while True:
                say(self._try_to(step))
                if is_over:
                    return None
                seconds = self._seconds(SCAN_INTERVAL if beside or self._told else _TICK)
                if serving:
                    seconds = min(seconds, serving.look(None, lambda: self._told))
                if caught := stopping.wait(seconds, beside=self._descriptors()):
                    return caught
        finally:
            self._arrivals.close()

    def _try_to(self, step: Callable[[], None]) -> str | None:
        """Do it, twice where what was wrong may be over already; return what is wrong."""
        words, trouble = self._failure_of(step), None
        if words and not (trouble := self._look()):
            words = self._failure_of(step)
            trouble = words and self._look()
        if words:
            self._rescan_at = time.monotonic() + SCAN_INTERVAL
        return trouble or words

    def _failure_of(self, step: Callable[[], None]) -> str | None:
        try:
            self._store.open()
            step()
        except OSError as error:
            return f"the inbox cannot be scanned: {in_words(error)}"
        except StoreError as error:
            self._store.close()
            return str(error)
        return None

    def _descriptors(self) -> Sequence[int]:
        return () if self._told or time.monotonic() < self._rest_until else self._arrivals.descriptors

    def _seconds(self, most: float) -> float:
        now = time.monotonic()
        if self._come and not self._told:
            return 0.0
        ends = [self._rest_until] if now < self._rest_until else []
        return min(max(min(self._rescan_at, self._look_again_at, *ends) - now, 0.0), most)

    def _scan(self) -> None:
        come = self._arrivals.take()
        now = time.monotonic()
        self._come |= come or set()
        queued: set[str] = set()
        if come is None or now >= self._rescan_at or self._arrivals.is_elsewhere():
            queued = self._scan_all()
        elif names := self._come | (self._intake.unsettled() if now >= self._look_again_at else set()):
            queued = self._intake.queue(names)
            self._come = set()
        self._look_again_at = time.monotonic() + SCAN_INTERVAL if self._intake.unsettled() else math.inf
        if come or come is None:
            self._rest_after(was_in_vain=not queued)

    def _rest_after(self, *, was_in_vain: bool) -> None:
        """Rest after the kernel has told of something, the longer the more often that was in vain lately."""
        now = time.monotonic()
        before = 0.0 if now - self._rest_until > SCAN_INTERVAL else self._rest
        self._rest = min(max(2 * before, _SHORT_REST), SCAN_INTERVAL) if was_in_vain else 0.0
        self._rest_until = now + self._rest

    def _scan_all(self) -> set[str]:
        """Scan the whole inbox, and return what was new. What the kernel has not told of by then was missed."""
        was_watched = self._arrivals.watch()
        if self._arrivals.deaf_because != self._deaf_because:
            self._deaf_because = self._arrivals.deaf_because
            if self._deaf_because:
                self._emit(InboxPolled(self._deaf_because))
        told = self._come | self._intake.unsettled()
        queued = self._intake.queue()
        late = self._arrivals.take()
        self._come = late or set()
        self._rescan_at = time.monotonic() + (_RESCAN if self._arrivals.descriptors else SCAN_INTERVAL)
        missed = [name for name in queued - told - self._come if not self._intake.lacked(name)]
        if missed and was_watched and late is not None:
            self._emit(PackagesMissed(len(missed)))
            with suppress(StoreError), self._store.write():
                self._store.runners.note_missed(self._token, len(missed))
        return queued
