"""The inbox as it lies there: which deliveries are complete, and what the others lack."""

import os
import stat
from collections.abc import Iterable

from jobrunner.domain.package import MAX_NAME_BYTES
from jobrunner.domain.settings import IntakeSettings
from jobrunner.domain.status import Delivery


class Inbox:
    """The folder into which senders deliver. Only read here."""

    def __init__(self, folder: str, settings: IntakeSettings) -> None:
        self._folder = folder
        self._settings = settings

    def names(self) -> list[str]:
        """Return what lies in the inbox, hidden names left out. Raises OSError."""
        return [name for name in os.listdir(self._folder) if not name.startswith(".")]

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
        folder = os.path.join(self._folder, name)
        mode = os.lstat(folder).st_mode
        if not stat.S_ISDIR(mode):
            return Delivery(name, "not a folder: a package is a folder NAME with NAME.zip in it")
        if name.endswith(self._settings.incomplete_suffix):
            return Delivery(name, "still being received")
        if len(os.fsencode(name)) > MAX_NAME_BYTES:
            return Delivery(name, f"its name has over {MAX_NAME_BYTES} bytes: no zip in it can be named like it")
        try:
            zip_status = os.lstat(os.path.join(folder, f"{name}.zip"))
        except FileNotFoundError:
            os.lstat(folder)  # raises again where the whole folder has gone
            return Delivery(name, "its zip is not there: it must be named like the folder")
        if self._settings.settle:
            still = now - _newest_change(folder)
            if still < self._settings.settle:
                seconds = f"{max(still, 0):.0f} s"
                return Delivery(name, f"changed {seconds} ago: still for {self._settings.settle:g} s, it is complete")
        return Delivery(name, None, zip_status.st_mtime)


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
