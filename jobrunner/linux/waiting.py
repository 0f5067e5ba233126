"""One wait for all that can happen: a signal, the end of a process, what comes through a pipe or socket, a deadline."""

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable

from jobrunner.linux.libc import checked, libc

_SIGSET_BYTES = 128
_SIGINFO_BYTES = 128  # struct signalfd_siginfo: one signal
_LONGEST = 86_400.0  # seconds: poll(2) counts milliseconds in a C int


def ready(descriptors: Iterable[int], seconds: float) -> set[int]:
    """Sleep until some of these descriptors can be read, or their other ends are closed, and return those.

    Return none when so many seconds are over. A process's handle (pidfd) can be "read" once it has ended.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + seconds
    while True:
        left = max(deadline - time.monotonic(), 0)
        found = poll.poll(min(left, _LONGEST) * 1000)
        if found or left <= _LONGEST:
            return {descriptor for descriptor, _ in found}


#: A wait as `ready` is one.
Ready = Callable[[Iterable[int], float], set[int]]


class OneOfMany:
    """Waits as `ready` does, and for what other processes wait for in the same way: each time, one of them wakes up."""

    def __init__(self, shared: Iterable[int]) -> None:
        """`shared`: descriptors that a common parent has opened. Raises OSError."""
        self._epoll = select.epoll()
        for descriptor in shared:
            self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLEXCLUSIVE)

    def ready(self, descriptors: Iterable[int], seconds: float) -> set[int]:
        """Sleep until some of these or of the shared ones can be read, and return those.

        Return none when so many seconds are over, or a day is.
        """
        added = list(descriptors)
        for descriptor in added:
            self._epoll.register(descriptor, select.EPOLLIN)
        try:
            return {descriptor for descriptor, _ in self._epoll.poll(min(seconds, _LONGEST))}
        finally:
            for descriptor in added:
                self._epoll.unregister(descriptor)


class BlockedSignals:
    """Signals that this process blocks, so that none interrupts it, and waits for: by a descriptor (signalfd(2)).

    A forked child may use it, too: it gets its own signals, not its parent's. Programs that are started do not have it.
    """

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        """Make the descriptor, for life. Raises OSError."""
        signals = ctypes.create_string_buffer(_SIGSET_BYTES)
        libc.sigemptyset(signals)
        for number in numbers:
            libc.sigaddset(signals, number)
        self._descriptor = checked(libc.signalfd(-1, signals, os.O_CLOEXEC | os.O_NONBLOCK))

    def wait(self, seconds: float, *, beside: Iterable[int] = (), ready: Ready = ready) -> signal.Signals | None:
        """Sleep until one of the signals comes; take it, of several the lowest, and return it.

        Return None when so many seconds are over, or one of the descriptors `beside` can be read first, or another that
        `ready` waits for.
        """
        if self._descriptor not in ready((self._descriptor, *beside), seconds):
            return None
        taken = os.read(self._descriptor, _SIGINFO_BYTES)
        return signal.Signals(int.from_bytes(taken[:4], sys.byteorder))
