"""The way from workers to the dispatcher, the one process of a supervisor that speaks to the cluster.

The supervisor makes the door before it forks, so no path leads to it and it outlives every dispatcher. A worker that
knocks hands in one end of a connection of its own; a dispatcher that has just started finds what was handed in before.
"""

import socket

from jobrunner.process.channel import Channel


class Door:
    """Made before the children are forked."""

    def __init__(self) -> None:
        self._outside, self._inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._outside.setblocking(False)
        self._inside.setblocking(False)

    def knock(self) -> Channel:
        """Return a new connection to the dispatcher. Raises OSError where too many wait for one already."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                socket.send_fds(self._outside, [b"-"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return Channel(ours.detach())

    def fileno(self) -> int:
        """Return what the dispatcher can read when a worker has knocked."""
        return self._inside.fileno()

    def answer(self) -> socket.socket | None:
        """Return the dispatcher's end of a connection that was handed in; None where there is none."""
        try:
            _, descriptors, _, _ = socket.recv_fds(self._inside, 1, 1)
        except BlockingIOError:
            return None
        return socket.socket(fileno=descriptors[0]) if descriptors else None
