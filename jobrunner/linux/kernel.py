"""What Linux offers and Python has no call for, or not a sound one."""

import ctypes
import errno
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from jobrunner.linux.libc import checked, libc

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

_SIGSET_BYTES = 128


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends. `parent` is the pid that it was forked by."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends: none can get out of sight."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_name(name: str) -> None:
    """Set what ps and top show as this process's command name, at most 15 bytes."""
    _prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode("ascii")))


def renounce_privileges() -> None:
    """Gain no rights from now on by starting a program, whoever it belongs to: setuid bits mean nothing."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def wait_for_signal(numbers: Iterable[int], seconds: float) -> int | None:
    """Return the first of these blocked signals that comes within `seconds`, None if none does (sigtimedwait(2)).

    Python's own signal.sigtimedwait returns garbage when the process was stopped and goes on after its time.
    """
    signals = ctypes.create_string_buffer(_SIGSET_BYTES)
    libc.sigemptyset(signals)
    for number in numbers:
        libc.sigaddset(signals, number)
    deadline = time.monotonic() + seconds
    while True:
        whole, part = divmod(max(deadline - time.monotonic(), 0), 1)
        caught: int = libc.sigtimedwait(signals, None, ctypes.byref(_Timespec(int(whole), int(part * 1e9))))
        if caught > 0:
            return caught
        if ctypes.get_errno() != errno.EINTR:
            return None


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
    return is_readable(handle, within)


def is_readable(descriptor: int, within: float = 0) -> bool:
    """Say whether a descriptor can be read without waiting; wait for that up to `within` seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(within, 0) * 1000))


def _prctl(option: int, argument: object) -> None:
    checked(libc.prctl(option, argument, 0, 0, 0))
