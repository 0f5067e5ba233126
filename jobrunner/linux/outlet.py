"""Writes to a stream that others share, such as stderr, and never waits for whoever reads it."""

import errno
import os
import select
import stat
from contextlib import suppress

from jobrunner.linux.libc import checked, libc

_MSG_DONTWAIT = 0x40
_MSG_NOSIGNAL = 0x4000


class Outlet:
    """One end of a pipe, a terminal, a socket or a file.

    Its flags are left alone: O_NONBLOCK would hold for all who share it, the shell among them. A pipe or terminal is
    opened a second time instead; where that is another user's, who has lent it, it is asked before each write.
    """

    def __init__(self, descriptor: int) -> None:
        """Raise OSError where the descriptor is closed."""
        mode = os.fstat(descriptor).st_mode
        self._descriptor = descriptor
        self._is_socket = stat.S_ISSOCK(mode)
        self._may_wait = stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
        if self._may_wait:
            with suppress(OSError):
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
                self._descriptor = os.open(f"/proc/self/fd/{descriptor}", flags)
                self._may_wait = False

    def write(self, data: bytes) -> int:
        """Write some of the data, and return how many bytes. Raises BlockingIOError if none has room, OSError."""
        if self._is_socket:
            return checked(libc.send(self._descriptor, data, len(data), _MSG_DONTWAIT | _MSG_NOSIGNAL))
        if self._may_wait:
            if not self._has_room():
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            data = data[: select.PIPE_BUF]  # for so many there is room in a pipe
        return os.write(self._descriptor, data)

    def _has_room(self) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(0))
