"""Who is alive: a file lock that is held for life. The kernel lets go of it, and of nothing else, at death."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jobrunner.domain.errors import MachineError
from jobrunner.domain.home_rights import LOCK_MODE, PRIVATE_FOLDER_MODE
from jobrunner.domain.package import shown

#: What the tokens of processes begin with that do not clear up after the dead: those that only scan, and tries.
SCANNER, TRY = "scanner-", "try-"


class Presence:
    """Lock files named by token, in one folder. A pid may be used again and a zombie has one: a lock tells the truth.

    A forked child shares the lock of its parent, so a worker counts as alive until its guard has ended, too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def appear(self, *, kind: str = "") -> "Present":
        """Take a lock under a new token, for as long as this process (or a fork that keeps it) lives.

        `kind`: what the token begins with, such as SCANNER or TRY.
        """
        self._folder.mkdir(PRIVATE_FOLDER_MODE, exist_ok=True)
        while True:
            token = kind + os.urandom(8).hex()
            path = self._path(token)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, LOCK_MODE)
            if _locks(descriptor) and path.exists():
                return Present(token, descriptor, path)
            os.close(descriptor)  # another process has found it unlocked, and takes it for a dead one's
            self.forget(token)

    def tokens(self) -> set[str]:
        """Return the tokens of all lock files."""
        return set(os.listdir(self._folder)) if self._folder.exists() else set()

    def anybody(self) -> bool:
        """Say whether a supervisor, a worker, a scanner or a try lives."""
        return any(map(self.is_alive, self.tokens()))

    def anybody_recovers(self) -> bool:
        """Say whether a process lives that clears up after the dead, or is about to: no scanner, and no try."""
        return any(self.is_alive(token) for token in self.tokens() if not token.startswith((SCANNER, TRY)))

    def is_alive(self, token: str) -> bool:
        """Say whether a process holds this token's lock."""
        with self.of_the_dead(token) as dead:
            return not dead

    @contextmanager
    def of_the_dead(self, token: str) -> Iterator[bool]:
        """Hold the lock of a dead process, so that only one clears up after it; yields False if it lives."""
        try:
            descriptor = os.open(self._path(token), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # another process has cleared up already
            yield True
            return
        try:
            yield _locks(descriptor)
        finally:
            os.close(descriptor)

    def noted(self, token: str) -> str:
        """Return the last note of a process, empty if there is none. Raises OSError where it is not ours to read."""
        with suppress(FileNotFoundError):
            return self._path(token).read_text("ascii").strip()
        return ""

    def forget(self, token: str) -> None:
        """Remove the lock file of a process whose end is recorded."""
        with suppress(FileNotFoundError):
            self._path(token).unlink()

    def _path(self, token: str) -> Path:
        return self._folder / token


class Present:
    """A lock that this process holds. `release` closes it here; a fork of this process may still hold it."""

    def __init__(self, token: str, descriptor: int, path: Path) -> None:
        self.token = token
        self._descriptor = descriptor
        self._path = path

    def hold_to_folder(self) -> None:
        """Raise MachineError where the folder of all locks is not there any more: who lives would be taken for dead."""
        if self._path.exists():
            return
        work = self._path.parent.parent
        if work.is_dir():
            raise MachineError(f"the work folder {shown(str(work))} is not the one it was: put that one back")
        raise MachineError(f"the work folder {shown(str(work))} is not there: put it back, or mount its disk")

    def note(self, text: str) -> None:
        """Leave a note for whoever clears up after us: ASCII, at most 100 characters. It replaces the last note."""
        with suppress(OSError):  # the disk is full
            os.pwrite(self._descriptor, text.ljust(100).encode("ascii"), 0)

    def release(self) -> None:
        """Close the lock in this process."""
        os.close(self._descriptor)

    def leave(self) -> None:
        """End the presence: remove the file, then close it."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        self.release()


def _locks(descriptor: int) -> bool:
    """Lock a file if no other process has; say whether that was so. Never waits."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
