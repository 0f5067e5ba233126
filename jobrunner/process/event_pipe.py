"""What brings the events of a supervisor's children to it: whole lines of JSON, and no child waits to write one."""

import fcntl
import os
import select
from contextlib import suppress

from jobrunner.domain.envelope import Envelope, as_line, of_line
from jobrunner.domain.events import EventsLost

#: Bytes that a pipe may be asked to hold without privileges: some ten thousand events.
_PIPE = 2**20
_PIECE = 2**16


class EventPipe:
    """Made before the children are forked: all of them write, and their parent reads."""

    def __init__(self) -> None:
        """Raise OSError."""
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with suppress(OSError):  # this user's pipes hold too much already: then it holds less
            fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, _PIPE)
        self._rest = b""
        self._lost = 0

    def fileno(self) -> int:
        """Return the descriptor that can be read when there is something to receive."""
        return self._reader

    def send(self, envelope: Envelope) -> None:
        """Send an event; if the pipe is full it is lost, and how many were is told before the next one that is not."""
        if self._lost and self._try_to_send(envelope._replace(job_id=None, attempt=None, event=EventsLost(self._lost))):
            self._lost = 0
        if self._lost or not self._try_to_send(envelope):
            self._lost += 1

    def _try_to_send(self, envelope: Envelope) -> bool:
        try:
            os.write(self._writer, as_line(envelope, select.PIPE_BUF))  # so many bytes go in whole or not at all
        except BlockingIOError:
            return False
        return True

    def receive(self) -> list[Envelope]:
        """Return what has come, in order; what is no event of ours is left out."""
        received = []
        with suppress(BlockingIOError):
            while piece := os.read(self._reader, _PIECE):
                *lines, self._rest = (self._rest + piece).split(b"\n")
                received += [envelope for envelope in map(of_line, lines) if envelope]
        return received
