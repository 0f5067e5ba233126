"""Records what people are to be told, in the transaction that makes it true, and gathers failures into one notice."""

from collections.abc import Sequence

from jobrunner.domain.digest import Digest
from jobrunner.domain.notice import CHANNELS, Notice, Origin, of_backlog, of_pause
from jobrunner.domain.pause import Pause
from jobrunner.store.store import Store

#: A backlog is over once the oldest package has been in the queue for less than this part of the limit.
_OVER = 0.5
#: Seconds for which it is shown what was given up.
_GIVEN_UP = 7 * 86400.0


class Noticing:
    """What one home records for the channels that it has. All methods but `paused` write by themselves."""

    def __init__(self, store: Store, channels: Sequence[str], origin: Origin) -> None:
        self._store = store
        self._channels = channels
        self._origin = origin

    def paused(self, pause: Pause) -> None:
        """Record the notice of a pause, within `Store.write`."""
        self._add(of_pause(pause, self._origin.home))

    def gather(self, last: int) -> None:
        """Make one notice of the failures up to an id that no notice tells of yet. Raises StoreError."""
        digest = Digest()
        for failure in self._store.notices.unnoticed(last):
            digest.add(failure.name, failure.error, failure.failed_at, package=failure.package)
        with self._store.write():
            if self._store.notices.take_failures(last, digest.count):
                self._add(digest.notice(self._origin.home))

    def look_at_backlog(self, limit: float) -> None:
        """Record a notice once the oldest package has been in the queue for so many seconds. Raises StoreError."""
        notices, now = self._store.notices, self._store.now()
        oldest, is_told = self._store.jobs.oldest(), self._store.notices.is_in_backlog()
        seconds = now.wall - oldest.since if oldest else 0.0
        if oldest and not is_told and seconds >= limit:
            queued = self._store.jobs.counts(now)["queued"]
            with self._store.write():
                if notices.begin_backlog(now.wall):
                    self._add(of_backlog(oldest.job.name, oldest.since, queued, now.wall, self._origin.home))
        elif is_told and seconds < limit * _OVER:
            with self._store.write():
                notices.end_backlog()

    def tidy(self) -> None:
        """Give up what is for a channel no longer set, and forget what was given up long ago. Raises StoreError."""
        notices, now = self._store.notices, self._store.now().wall
        for channel in CHANNELS:
            if channel not in self._channels and notices.first(channel):
                with self._store.write():
                    notices.give_up_channel(channel, now, f"notify.{channel} is not set any more")
        if notices.is_any_old(given_up_before=now - _GIVEN_UP):
            with self._store.write():
                notices.forget(given_up_before=now - _GIVEN_UP)

    def _add(self, notice: Notice) -> None:
        document = notice.document(self._origin)
        for channel in self._channels:
            self._store.notices.add(notice.kind, channel, document, self._store.now().wall)
