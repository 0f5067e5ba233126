"""The bell that is rung after each commit: whoever waits for one sleeps until then, in whichever process it is."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jobrunner.linux import inotify

#: The files of the writers' turnstile beside the database, FILE-GATE: see `Database.turn`. One is the bell, too.
WRITER = "writer"
GATES = ("next", WRITER)


def make_audible(gate: int) -> None:
    """Put a byte into the open file, if it has none. Raises OSError."""
    if not os.fstat(gate).st_size:
        os.pwrite(gate, b"\n", 0)


def ring(gate: int) -> None:
    """Wake everybody who waits: the kernel tells them of a byte that is read, and nothing has to be flushed for it."""
    with suppress(OSError):  # what is committed stays so: those who were not woken look later
        os.pread(gate, 1, 0)


class Bell:
    """Made once the database has been written to for the first time, by whoever waits, or by the parent of those."""

    #: Seconds that whoever hears the bell may sleep: a process may be killed between its commit and the bell.
    PATIENCE = 15.0
    #: The same where the kernel does not let us hear it.
    DEAF_PATIENCE = 0.3

    def __init__(self, database: Path) -> None:
        self._inotify: inotify.Inotify | None = None
        try:
            self._inotify = inotify.Inotify()
            self._inotify.watch(f"{database}-{WRITER}", inotify.ACCESS)
        except OSError:
            self.close()

    @property
    def patience(self) -> float:
        """Seconds after which to look without having been woken."""
        return self.PATIENCE if self._inotify else self.DEAF_PATIENCE

    @property
    def descriptors(self) -> Sequence[int]:
        """What can be read once the bell has been rung, to be waited for beside other things."""
        return (self._inotify.fileno(),) if self._inotify else ()

    def has_rung(self) -> bool:
        """Say whether there was a commit since the last call."""
        return bool(self._inotify and self._inotify.take())

    def close(self) -> None:
        """Hear nothing any more."""
        if self._inotify:
            self._inotify.close()
            self._inotify = None
