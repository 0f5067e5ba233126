"""Turns among the forks of one process: so many hold one at a time, and the kernel takes back those of the dead."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Made before the forks. A lock of a process (fcntl(2)) on a byte of a file without a name is a turn."""

    def __init__(self, number: int) -> None:
        """`number`: how many may hold a turn at the same time. Raises OSError."""
        self._file = os.memfd_create("jobrunner-turns", os.MFD_CLOEXEC)
        self._number = number

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a turn; wait for one if need be."""
        turn = next(filter(self._takes, range(self._number)), None)
        if turn is None:
            turn = os.getpid() % self._number
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, turn)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, turn)

    def _takes(self, turn: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, turn)
        except BlockingIOError:
            return False
        return True
