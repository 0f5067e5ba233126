"""The inbox as it lies there: which deliveries are complete, and what the others lack."""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from jobrunner.domain.errors import Incomplete
from jobrunner.domain.lack import Lack
from jobrunner.domain.naming import JUNK, Patterns, zip_among
from jobrunner.domain.package import MAX_NAME_BYTES, shown
from jobrunner.domain.settings import IntakeSettings
from jobrunner.domain.status import Delivery
from jobrunner.files import delivery
from jobrunner.files.folders import MOST_NAMES
from jobrunner.files.trees import Kind, Walk
from jobrunner.linux import at

#: What lies there was refused, and is as it was then.
REFUSED = "it was refused as it is: jobrunner show says why; change it, or raise the limit and retry it"

_MOST_ASKED = 1_000
#: Seconds for which what has been seen incomplete must be still: a zip may have its end before its middle, and senders
#: set the times of what they have written.
_BETWEEN_WRITES = 1.0


class _Stillness(NamedTuple):
    """When a package changed last by the filesystem's clock, and since when it has been still by the monotonic one."""

    changed_at: float
    since: float
    looked_at: float


#: Says of an open file of so many bytes why it may be a zip that is not all there yet, None if it has its end.
Unfinished = Callable[[int, int], str | None]


class Inbox:
    """The folder into which senders deliver. Only read here."""

    def __init__(
        self,
        folder: str,
        settings: IntakeSettings,
        unfinished: Unfinished,
        *,
        takes: bool = True,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ticks` counts seconds and cannot be set.

        `takes`: it is our user who takes the packages; of another one's rights we know nothing.
        """
        self.folder = folder
        self._settings = settings
        self._partial = Patterns.of_ends(settings.incomplete_suffix)
        self._ignored = Patterns((*JUNK, *settings.ignore))
        self._marker = Patterns([settings.marker]) if settings.marker else None
        self._unfinished = unfinished
        self._takes = takes
        self._ticks = ticks
        self._still: dict[str, _Stillness] = {}

    def names(self, besides: Iterable[str] = ()) -> list[str]:
        """Return what lies in the inbox `besides` these names; hidden and ignored ones are left out. Raises OSError."""
        with at.held(at.open_root(self.folder)) as inbox:
            found = set(os.listdir(inbox))
        found.difference_update(besides)
        names = [name for name in found if not name.startswith(".") and not self._ignored.match(name)]
        self._still = {name: self._still[name] for name in names if name in self._still}
        return names

    def among(self, names: Iterable[str]) -> list[str]:
        """Return those of these names that lie in the inbox, hidden and ignored ones included. Raises OSError."""
        with at.held(at.open_root(self.folder)) as inbox:
            return [name for name in names if _lies_in(inbox, name)]

    def first(self, most: int) -> list[str]:
        """Return up to so many names of what lies in the inbox. Raises OSError."""
        with at.held(at.open_root(self.folder)) as inbox:
            return at.names(inbox, most=most)

    def ignores(self, name: str) -> bool:
        """Say whether what has this name is no delivery, whatever it is: a hidden name, or one that is set to be so."""
        return name.startswith(".") or self._ignored.match(name)

    def changed_at(self, name: str, now: float) -> float:
        """Return when a delivery changed last, in seconds since 1970. Raises OSError."""
        with at.held(at.open_root(self.folder)) as inbox, at.held(at.open_folder(inbox, name)) as folder:
            return _newest_change(folder, now, _MOST_ASKED)

    def look_at(self, names: Iterable[str], now: float) -> list[Delivery]:
        """Return the deliveries of these names, in order of arrival; what has gone meanwhile is left out.

        Raises OSError where the inbox cannot be read.
        """
        deliveries = []
        with at.held(at.open_root(self.folder)) as inbox:
            for name in names:
                try:
                    deliveries.append(self._delivery(inbox, name, now))
                except FileNotFoundError:
                    continue
                except PermissionError:
                    deliveries.append(self._locked(inbox, name))
                except OSError as error:
                    lacking = f"it cannot be read: {error.strerror}"
                    deliveries.append(Delivery(name, lacking, lack=Lack.UNREADABLE))
        return sorted(deliveries, key=lambda delivery: (delivery.arrived_at, os.fsencode(delivery.name)))

    def is_refused(self, name: str, fingerprint: str) -> bool:
        """Say whether a delivery is still as it was when it was refused. Raises OSError."""
        with at.held(at.open_root(self.folder)) as inbox:
            return delivery.fingerprint(inbox, name) == fingerprint

    def _delivery(self, inbox: int, name: str, now: float) -> Delivery:
        try:
            folder = at.open_folder(inbox, name)
        except OSError as error:
            if error.errno in {errno.ENOTDIR, errno.ELOOP}:
                lacking = "not a folder: a package is a folder NAME with NAME.zip in it"
                return Delivery(name, lacking, lack=Lack.NO_FOLDER)
            raise
        with at.held(folder):
            if self._partial.match(name):
                return Delivery(name, "still being received", lack=Lack.RECEIVING)
            if len(os.fsencode(name)) > MAX_NAME_BYTES:
                lacking = f"its name has over {MAX_NAME_BYTES} bytes: no zip in it can be named like it"
                return Delivery(name, lacking, lack=Lack.LONG_NAME)
            return self._in_folder(inbox, folder, name, now)

    def _in_folder(self, inbox: int, folder: int, name: str, now: float) -> Delivery:
        entries = at.names(folder, most=MOST_NAMES)
        try:
            self._require_all(entries)
            zip_name = zip_among(entries, name, any_name=self._settings.any_zip)
        except Incomplete as error:
            at.status(inbox, name)  # raises again where the whole folder has gone
            still = self._seconds_still(name, _newest_change(folder, now, _MOST_ASKED), now)
            is_arriving = still < self._settings.broken_after
            return Delivery(name, str(error), is_arriving=is_arriving, lack=error.lack, found=error.found)
        if self._takes and (lacking := delivery.obstacle(inbox, folder, name)):
            return Delivery(name, lacking, lack=Lack.NOT_OURS)
        zip_status, unfinished = self._look_at_zip(folder, zip_name)
        wanted = self._settings.stillness
        if name in self._still:  # it has been seen without something: it is written where it lies
            wanted = max(wanted, _BETWEEN_WRITES)
        if unfinished:
            wanted = max(wanted, self._settings.broken_after)
        if wanted:
            still = self._seconds_still(name, _newest_change(folder, now), now)
            if still < wanted:
                why = f"{unfinished}; its rest may come" if unfinished else "settling"
                return Delivery(
                    name,
                    f"{why}: unchanged for {still:.0f} of {wanted:g} s",
                    is_arriving=True,
                    lack=Lack.UNFINISHED_ZIP if unfinished else Lack.SETTLING,
                    unchanged=(still, wanted),
                )
        return Delivery(name, None, zip_status.st_mtime)

    def _locked(self, inbox: int, name: str) -> Delivery:
        if self._takes:
            return Delivery(name, delivery.locked(inbox, name), lack=Lack.NOT_OURS)
        return Delivery(name, "only jobrunner's user may look into it", lack=Lack.UNREADABLE)

    def _require_all(self, entries: Sequence[str]) -> None:
        """Raise Incomplete where what a delivery holds shows by its names that it is not complete."""
        if partial := next(filter(self._partial.match, entries), None):
            raise Incomplete(Lack.RECEIVING, f"still being received: {shown(partial)} is in it", [partial])
        if self._marker and not any(map(self._marker.match, entries)):
            raise Incomplete(Lack.NO_MARKER, f"its marker is not there yet: {self._settings.marker}")

    def _look_at_zip(self, folder: int, name: str) -> tuple[os.stat_result, str | None]:
        """Return a zip's status, and why it may not be all there yet. What cannot be read is for the attempt to say."""
        try:
            opened = at.open_file(folder, name)
        except OSError:
            return at.status(folder, name), None
        with at.held(opened):
            status = os.fstat(opened)
            is_file = stat.S_ISREG(status.st_mode)
            return status, self._unfinished(opened, status.st_size) if is_file else None

    def _seconds_still(self, name: str, changed_at: float, now: float) -> float:
        """Return for how long a package has been still: at the first look by the clock, then by our own watching.

        So a clock that is set meanwhile makes a package neither earlier nor later.
        """
        ticks = self._ticks()
        seen = self._still.get(name)
        if seen is None or seen.changed_at != changed_at:
            age = max(now - changed_at, 0)
            since = ticks - (age if seen is None else min(age, ticks - seen.looked_at))
        else:
            since = seen.since
        self._still[name] = _Stillness(changed_at, since, looked_at=ticks)
        return ticks - since


def _lies_in(inbox: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=inbox, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _newest_change(folder: int, now: float, most: int | None = None) -> float:
    """Return when anything in an open folder was last written, added or removed; ctime cannot be set back.

    That is `now` where something has gone meanwhile; what may not be read does not count. `most`: of so many files and
    folders, about.
    """
    newest = 0.0
    try:
        for kind, inner, name in islice(Walk(folder, opening=_opened_if_permitted), most):
            if kind is not Kind.LEAVE:
                status = os.fstat(inner) if kind is Kind.ENTER else at.status(inner, name)
                newest = max(newest, status.st_ctime)
    except FileNotFoundError:
        return now
    return newest


def _opened_if_permitted(folder: int, name: str) -> int | None:
    try:
        return at.open_folder(folder, name)
    except PermissionError:
        return None
