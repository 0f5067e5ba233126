"""The inbox as it lies there: which deliveries are complete, and what the others lack."""

import errno
import os
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from jobrunner.domain.package import MAX_NAME_BYTES
from jobrunner.domain.settings import IntakeSettings
from jobrunner.domain.status import Delivery
from jobrunner.files import delivery
from jobrunner.files.trees import Kind, Walk
from jobrunner.linux import at

#: What lies there was refused, and is as it was then.
REFUSED = "it was refused as it is: jobrunner show says why; change it, or raise the limit and retry it"


class _Stillness(NamedTuple):
    """When a package changed last by the filesystem's clock, and since when it has been still by the monotonic one."""

    changed_at: float
    since: float
    looked_at: float


class Inbox:
    """The folder into which senders deliver. Only read here."""

    def __init__(self, folder: str, settings: IntakeSettings, *, ticks: Callable[[], float] = time.monotonic) -> None:
        """`ticks` counts seconds and cannot be set."""
        self._folder = folder
        self._settings = settings
        self._ticks = ticks
        self._still: dict[str, _Stillness] = {}

    def names(self, besides: Iterable[str] = ()) -> list[str]:
        """Return what lies in the inbox `besides` these names, hidden ones left out. Raises OSError."""
        with at.held(at.open_root(self._folder)) as inbox:
            found = set(os.listdir(inbox))
        found.difference_update(besides)
        names = [name for name in found if not name.startswith(".")]
        self._still = {name: self._still[name] for name in names if name in self._still}
        return names

    def look_at(self, names: Iterable[str], now: float) -> list[Delivery]:
        """Return the deliveries of these names, in order of arrival; what has gone meanwhile is left out.

        Raises OSError where the inbox cannot be read.
        """
        deliveries = []
        with at.held(at.open_root(self._folder)) as inbox:
            for name in names:
                try:
                    deliveries.append(self._delivery(inbox, name, now))
                except FileNotFoundError:
                    continue
                except PermissionError:
                    deliveries.append(Delivery(name, delivery.locked(inbox, name)))
                except OSError as error:
                    deliveries.append(Delivery(name, f"it cannot be read: {error.strerror}"))
        return sorted(deliveries, key=lambda delivery: (delivery.arrived_at, os.fsencode(delivery.name)))

    def is_refused(self, name: str, fingerprint: str) -> bool:
        """Say whether a delivery is still as it was when it was refused. Raises OSError."""
        with at.held(at.open_root(self._folder)) as inbox:
            return delivery.fingerprint(inbox, name) == fingerprint

    def _delivery(self, inbox: int, name: str, now: float) -> Delivery:
        try:
            folder = at.open_folder(inbox, name)
        except OSError as error:
            if error.errno in {errno.ENOTDIR, errno.ELOOP}:
                return Delivery(name, "not a folder: a package is a folder NAME with NAME.zip in it")
            raise
        with at.held(folder):
            return self._in_folder(inbox, folder, name, now)

    def _in_folder(self, inbox: int, folder: int, name: str, now: float) -> Delivery:
        if name.endswith(self._settings.incomplete_suffix):
            return Delivery(name, "still being received")
        if len(os.fsencode(name)) > MAX_NAME_BYTES:
            return Delivery(name, f"its name has over {MAX_NAME_BYTES} bytes: no zip in it can be named like it")
        try:
            zip_status = at.status(folder, f"{name}.zip")
        except FileNotFoundError:
            at.status(inbox, name)  # raises again where the whole folder has gone
            return Delivery(name, "its zip is not there: it must be named like the folder")
        if lacking := delivery.obstacle(inbox, folder, name):
            return Delivery(name, lacking)
        if self._settings.settle:
            still = self._seconds_still(name, _newest_change(folder), now)
            if still < self._settings.settle:
                return Delivery(name, f"settling: unchanged for {still:.0f} of {self._settings.settle:g} s")
        return Delivery(name, None, zip_status.st_mtime)

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


def _newest_change(folder: int) -> float:
    """Return when anything in an open folder was last written, added or removed; ctime cannot be set back."""
    newest = 0.0
    for kind, inner, name in Walk(folder):
        if kind is not Kind.LEAVE:
            status = os.fstat(inner) if kind is Kind.ENTER else at.status(inner, name)
            newest = max(newest, status.st_ctime)
    return newest
