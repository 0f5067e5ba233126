"""Which process is which, whoever asks: /proc shows it to everybody, so no lock is needed to see whether one lives."""

import os
from typing import NamedTuple

from jobrunner.linux import proc

_DEAD = {"Z", "X"}


class Process(NamedTuple):
    """A process, told apart from all others: a pid is used again, but not in the same boot with the same start.

    `start` is in clock ticks after the boot, as /proc/PID/stat has it (field 22).
    """

    pid: int
    start: int
    boot_id: str

    @classmethod
    def own(cls) -> "Process":
        """Return the process that calls this."""
        return cls(os.getpid(), proc.stat(os.getpid()).start, proc.BOOT_ID)

    def lives(self) -> bool:
        """Say whether it lives; a zombie does not."""
        if self.boot_id != proc.BOOT_ID:
            return False
        try:
            found = proc.stat(self.pid)
        except OSError:
            return False
        return found.start == self.start and found.state not in _DEAD


def program_of(pid: int) -> str:
    """Return the name of a process's program, in printable characters. Raises OSError where it is gone."""
    return "".join(character if character.isprintable() else "?" for character in proc.stat(pid).name)
