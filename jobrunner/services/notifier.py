"""The loop of the process that sends notices: those of the database in their order, those of troubles from memory."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import MachineError, StoreError
from jobrunner.domain.events import JobFailed, Mended, NoticeGivenUp, NoticesHeld, Paused, Trouble
from jobrunner.domain.notice import Kind, Notice, Origin
from jobrunner.domain.settings_telling import NotifySettings
from jobrunner.linux.waiting import BlockedSignals
from jobrunner.process.delivering import Channel, Delivering, Stopped
from jobrunner.process.event_pipe import EventPipe
from jobrunner.services.debouncing import Debouncing
from jobrunner.services.noticing import Noticing
from jobrunner.store.notices import is_due
from jobrunner.store.store import Store

#: Seconds between two looks at the database, where nothing is known to be in it.
_REST = 30.0
#: Seconds for which failures are gathered, from the first one on; between two notices of failures; and while a channel
#: fails, so that it will not have to send many.
_GATHER = 2.0
_APART = 300.0
_APART_WHILE_HELD = 3600.0
#: Seconds that a delivery may take, in the last round, too; and for which whoever delivers has a notice alone.
_DELIVERY = 30.0
_LAST_DELIVERY = 2.5
_CLAIM = 120.0
#: Seconds between two tries, doubled from the first to the longest; so many tries there are: in the database about a
#: day's, from memory some twenty minutes'.
_BACKOFF = 10.0
_LONGEST_BACKOFF = 600.0
_TRIES = 150
_TRIES_FROM_MEMORY = 7
_MOST_IN_MEMORY = 20


@dataclass
class _Unrecorded:
    """A notice that is only in memory. `due_at` in monotonic seconds."""

    channel: Channel
    kind: str
    document: str
    tries: int = 0
    due_at: float = 0.0


class Notifier:
    """Sends what is due by each channel. What one channel does not take holds up no other channel, and no worker."""

    def __init__(
        self,
        store: Store,
        noticing: Noticing,
        channels: Sequence[Channel],
        settings: NotifySettings,
        origin: Origin,
        emit: Emit,
        stop: BlockedSignals,
    ) -> None:
        """`stop`: the signals that end it. The store is to be closed."""
        self._store = store
        self._noticing = noticing
        self._channels = channels
        self._settings = settings
        self._origin = origin
        self._emit = emit
        self._stop = stop
        self._delivering = Delivering(stop)
        self._debouncing = Debouncing(origin.home)
        self._unrecorded: list[_Unrecorded] = []
        self._failing: set[str] = set()
        self._look_at = 0.0
        self._gather_at: float | None = None
        self._gathered_at = -math.inf
        self._delivery_seconds = _DELIVERY

    def run(self, heard: EventPipe) -> None:
        """Send notices until a signal comes. `heard` brings events that may be worth one."""
        with suppress(Stopped):
            while not (self._delivering.is_stopped or self._stop.wait(self._pause(), beside=(heard.fileno(),))):
                self._hear(heard)
                self._tell_troubles()
                self._send_unrecorded()
                if time.monotonic() >= self._look_at:
                    self._look_at = time.monotonic() + min(self._look(), _REST)

    def last_round(self, notice: Notice | None) -> None:
        """Send at once, and only once, a notice that is not recorded, and what the database has."""
        self._delivery_seconds = _LAST_DELIVERY
        if notice:
            self._put(notice)
        with suppress(Stopped):
            self._send_unrecorded()
            self._channels = [channel for channel in self._channels if channel.name not in self._failing]
            self._gather_at = 0.0
            self._look()

    def _pause(self) -> float:
        now = time.monotonic()
        due = min((each.due_at for each in self._unrecorded), default=math.inf)
        return max(min(self._look_at - now, self._debouncing.due_in(now), due - now), 0.0)

    def _hear(self, heard: EventPipe) -> None:
        now = time.monotonic()
        for envelope in heard.receive():
            match envelope.event:
                case Trouble(error):
                    self._debouncing.trouble(error, now)
                case Mended():
                    self._debouncing.mended(now)
                case Paused():
                    self._look_at = now
                case JobFailed() if self._gather_at is None:
                    self._look_at = now

    def _tell_troubles(self) -> None:
        notice = self._debouncing.notice(time.monotonic(), time.time())
        if notice and self._settings.wants(notice.kind):
            self._put(notice)

    def _put(self, notice: Notice) -> None:
        document = notice.document(self._origin)
        self._unrecorded += [_Unrecorded(channel, notice.kind.value, document) for channel in self._channels]
        del self._unrecorded[:-_MOST_IN_MEMORY]

    def _send_unrecorded(self) -> None:
        held: set[str] = set()
        for each in list(self._unrecorded):
            if self._delivering.is_stopped or each.due_at > time.monotonic() or each.channel.name in held:
                continue
            error = self._deliver(each.channel, each.document)
            each.tries += 1
            each.due_at = time.monotonic() + _backoff(each.tries)
            if error is None:
                self._unrecorded.remove(each)
                continue
            held.add(each.channel.name)
            if each.tries >= _TRIES_FROM_MEMORY:
                self._unrecorded.remove(each)
                self._emit(NoticeGivenUp(each.channel.name, each.kind, error))

    def _look(self) -> float:
        """Record and send what there is; return in how many seconds there may be more."""
        try:
            self._store.open_in_turn()
            self._noticing.tidy()
            if self._settings.wants(Kind.BACKLOG) and self._settings.backlog < math.inf:
                self._noticing.look_at_backlog(self._settings.backlog)
            return min([self._gather(), *map(self._send_recorded, self._channels)])
        except (StoreError, MachineError, OSError):  # what is wrong is said by others, and told from memory
            return _REST
        finally:
            self._store.close()

    def _gather(self) -> float:
        """Make a notice of the failures that there are, if it is time; return in how many seconds it will be."""
        last = self._store.notices.last_unnoticed()
        if last is None:
            self._gather_at = None
            return math.inf
        now = time.monotonic()
        if self._gather_at is None:
            apart = _APART_WHILE_HELD if self._failing else _APART
            self._gather_at = max(now + _GATHER, self._gathered_at + apart)
        if now < self._gather_at:
            return self._gather_at - now
        self._noticing.gather(last)
        self._gather_at, self._gathered_at = None, now
        return math.inf

    def _send_recorded(self, channel: Channel) -> float:
        """Send what is due by a channel, up to the first failure; return in how many seconds more is."""
        while not self._delivering.is_stopped and (notice := self._store.notices.first(channel.name)):
            now = self._store.now()
            if not is_due(notice, now):
                return notice.due_at - now.steady
            with self._store.write():
                claimed = self._store.notices.claim(notice, now, _CLAIM)
            if claimed is None:
                continue
            self._store.close()
            try:
                error = self._deliver(channel, claimed.document)
            except Stopped:
                self._store.open()
                with self._store.write():
                    self._store.notices.put_off(claimed, now, 0.0, None)
                raise
            self._store.open()
            now = self._store.now()
            with self._store.write():
                if error is None:
                    self._store.notices.delivered(claimed)
                elif claimed.tries >= _TRIES:
                    self._store.notices.give_up(claimed, now.wall, error)
                    self._emit(NoticeGivenUp(channel.name, claimed.kind, error))
                else:
                    self._store.notices.put_off(claimed, now, _backoff(claimed.tries), error)
                    return _backoff(claimed.tries)
        return math.inf

    def _deliver(self, channel: Channel, document: str) -> str | None:
        error = self._delivering.deliver(channel, document, self._delivery_seconds)
        if error is None:
            self._failing.discard(channel.name)
        elif channel.name not in self._failing:
            self._failing.add(channel.name)
            self._emit(NoticesHeld(channel.name, error))
        return error


def _backoff(tries: int) -> float:
    return min(_BACKOFF * 2.0 ** (tries - 1), _LONGEST_BACKOFF)
