"""What the kernel tells of the inbox: which names have come, or have changed, since the last look."""

import os
from collections.abc import Sequence
from contextlib import suppress

from jobrunner.domain.errors import in_words
from jobrunner.files.places import unsafe
from jobrunner.linux import at, inotify
from jobrunner.linux.mounts import mount_of_descriptor

#: A folder has come, by a rename or as it was made, or may be read by now.
_COMES = inotify.MOVED_TO | inotify.CREATE | inotify.ATTRIB
_LOST = inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.UNMOUNTED | inotify.OVERFLOW | inotify.GONE


class Arrivals:
    """Watches the folder that the inbox is. It tells of what has come; of what it does not tell may have come, too."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._inotify: inotify.Inotify | None = None
        self._watched: tuple[int, int] | None = None
        #: Why nothing is told, in words; None where it is.
        self.deaf_because: str | None = None

    @property
    def descriptors(self) -> Sequence[int]:
        """What can be read once something has come, to be waited for beside other things."""
        return (self._inotify.fileno(),) if self._inotify else ()

    def watch(self) -> bool:
        """Watch the folder that the inbox is now; say whether it is the one that has been watched until now.

        Raises OSError where there is no inbox.
        """
        with at.held(at.open_root(self._folder)) as opened:
            status = os.fstat(opened)
            if self._watched == (status.st_dev, status.st_ino):
                return True
            self.close()
            mount = mount_of_descriptor(opened)
            if mount and (kind := unsafe(mount.kind)):
                self.deaf_because = f"it is on {mount.kind}, {kind}, which does not tell what other machines do"
                return False
            try:
                self._inotify = inotify.Inotify()
                self._inotify.watch(f"/proc/self/fd/{opened}", _COMES | inotify.DELETE_SELF | inotify.MOVE_SELF)
            except OSError as error:
                self.close()
                self.deaf_because = f"the kernel gives no more watches to this user ({in_words(error)})"
                return False
            self._watched, self.deaf_because = (status.st_dev, status.st_ino), None
            return False

    def is_elsewhere(self) -> bool:
        """Say whether the inbox is another folder by now than the one that is watched, or none."""
        with suppress(OSError):
            status = os.stat(self._folder)
            return self._watched != (status.st_dev, status.st_ino)
        return True

    def take(self) -> set[str] | None:
        """Return the names of what has come since the last call; None where the inbox has to be listed to know that."""
        if not self._inotify:
            return set()
        changes = self._inotify.take()
        if any(change.mask & _LOST for change in changes):
            self.close()  # what has been moved away goes on to tell
            return None
        return {change.name for change in changes if change.name}

    def close(self) -> None:
        """Watch nothing any more."""
        if self._inotify:
            self._inotify.close()
        self._inotify = self._watched = None
