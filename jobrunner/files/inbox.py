"""The inbox as it lies there: which deliveries are complete, and what the others lack."""

import os
import re
import stat
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from jobrunner.domain.package import MAX_NAME_BYTES
from jobrunner.domain.settings import IntakeSettings
from jobrunner.domain.status import Delivery

#: How a sender's folder begins once its copy in the work folder is whole; the job's id follows.
TAKEN_PREFIX = ".jobrunner-taken-"

_TAKEN = re.compile(re.escape(TAKEN_PREFIX) + "([0-9]{1,18})")  # the database has 63 bits for an id


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
        found = set(os.listdir(self._folder))
        found.difference_update(besides)
        names = [name for name in found if not name.startswith(".")]
        self._still = {name: self._still[name] for name in names if name in self._still}
        return names

    def look_at(self, names: Iterable[str], now: float) -> list[Delivery]:
        """Return the deliveries of these names, in order of arrival; what has gone meanwhile is left out."""
        deliveries = []
        for name in names:
            try:
                deliveries.append(self._delivery(name, now))
            except FileNotFoundError:
                continue
            except OSError as error:
                deliveries.append(Delivery(name, f"it cannot be read: {error.strerror}"))
        return sorted(deliveries, key=lambda delivery: (delivery.arrived_at, os.fsencode(delivery.name)))

    def _delivery(self, name: str, now: float) -> Delivery:
        folder = f"{self._folder}/{name}"
        mode = os.lstat(folder).st_mode
        if not stat.S_ISDIR(mode):
            return Delivery(name, "not a folder: a package is a folder NAME with NAME.zip in it")
        if name.endswith(self._settings.incomplete_suffix):
            return Delivery(name, "still being received")
        if len(os.fsencode(name)) > MAX_NAME_BYTES:
            return Delivery(name, f"its name has over {MAX_NAME_BYTES} bytes: no zip in it can be named like it")
        try:
            zip_status = os.lstat(f"{folder}/{name}.zip")
        except FileNotFoundError:
            os.lstat(folder)  # raises again where the whole folder has gone
            return Delivery(name, "its zip is not there: it must be named like the folder")
        if self._settings.settle:
            still = self._seconds_still(name, _newest_change(folder), now)
            if still < self._settings.settle:
                return Delivery(
                    name, f"changed {still:.0f} s ago: still for {self._settings.settle:g} s, it is complete"
                )
        return Delivery(name, None, zip_status.st_mtime)

    def _seconds_still(self, name: str, changed_at: float, now: float) -> float:
        """Return for how long a package has been still: at the first look by the clock, then by our own watching.

        So a clock that is set meanwhile neither hastens a package nor holds it.
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


def taken(folder: str) -> dict[int, str]:
    """Return by their job's id the folders in an inbox of which there is a whole copy, or was. Raises OSError."""
    matches = map(_TAKEN.fullmatch, os.listdir(folder))
    return {int(match[1]): os.path.join(folder, match[0]) for match in matches if match}


def _newest_change(folder: str) -> float:
    """Return when anything in the folder was last written, added or removed: ctime, which no sender can set back."""
    newest = os.lstat(folder).st_ctime
    folders = [folder]
    for inner in folders:  # grows while it is walked
        with os.scandir(inner) as entries:
            for entry in entries:
                newest = max(newest, entry.stat(follow_symlinks=False).st_ctime)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return newest
