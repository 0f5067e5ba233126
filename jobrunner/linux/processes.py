"""Which process is which, whoever asks: /proc shows it to everybody, so no lock is needed to see whether one lives."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from jobrunner.linux import proc, waiting

_DEAD = {"Z", "X"}
_STOPPED = {"T", "t"}


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


def is_stopped(pid: int) -> bool:
    """Say whether a process is stopped, by a signal or by whoever traces it; one that has ended is not."""
    with suppress(OSError):
        return proc.stat(pid).state in _STOPPED
    return False


@contextmanager
def handle_of(pid: int) -> Iterator[int]:
    """Hold a process by a descriptor (pidfd_open(2)), so that its pid cannot become another one's. Raises OSError."""
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def has_ended(handle: int, within: float = 0) -> bool:
    """Say whether a process has ended, all of its threads; wait for that up to `within` seconds."""
    return bool(waiting.ready((handle,), within))


def ended_child() -> tuple[int, int] | None:
    """Return the pid and exit code (negative for a signal) of a child that has ended, if there is one."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, os.waitstatus_to_exitcode(status)) if pid else None


def program_of(pid: int) -> str:
    """Return the name of a process's program, in printable characters. Raises OSError where it is gone."""
    return "".join(character if character.isprintable() else "?" for character in proc.stat(pid).name)
