"""What passes between a worker, its guard and the host of a callable: one JSON value a message, whoever wrote it."""

import json
import os
from typing import Any

from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult

#: Bytes of a message, at most: what a socket of the default size takes whole.
LONGEST = 200_000
#: Characters of the reason that a result has.
_LONGEST_ERROR = 10_000


class Garbage(Exception):  # noqa: N818  (what came, not what went wrong)
    """What came is no message of ours: another process has written into the connection."""


class Channel:
    """One end of a connection. Names that are not UTF-8 pass as they are (surrogateescape)."""

    def __init__(self, descriptor: int) -> None:
        """`descriptor`: of a socket that keeps messages apart (SOCK_SEQPACKET)."""
        self._descriptor = descriptor
        self._buffer = bytearray(LONGEST)

    @classmethod
    def pair(cls) -> "tuple[Channel, Channel]":
        """Return the two ends of a new connection."""
        import socket  # noqa: PLC0415  (the host of a callable starts without it)

        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ends[0].detach()), cls(ends[1].detach())

    def fileno(self) -> int:
        """Return the descriptor: readable when a message has come, or the other end is closed."""
        return self._descriptor

    def send(self, message: object) -> None:
        """Send what JSON can hold. Raises OSError where the other end is closed."""
        os.write(self._descriptor, json.dumps(message).encode("ascii"))

    def send_result(self, result: HandlerResult) -> None:
        """Send how a handler ended, for `result_of`."""
        self.send([result.outcome, result.error[:_LONGEST_ERROR], result.is_bare])

    def receive(self) -> Any:
        """Wait for a message and return it. Raises EOFError where the other end is closed, Garbage, OSError."""
        size = os.readv(self._descriptor, [self._buffer])
        if size == 0:
            raise EOFError
        try:
            return json.loads(self._buffer[:size])
        except (ValueError, RecursionError):
            raise Garbage from None

    def end(self) -> None:
        """Send nothing more: whoever waits for a message at the other end hears so."""
        import socket  # noqa: PLC0415  (as above)

        with socket.socket(fileno=os.dup(self._descriptor)) as same:
            same.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close this end."""
        os.close(self._descriptor)


def result_of(message: object) -> HandlerResult:
    """Return the result that a message is. Raises Garbage where it is none."""
    match message:
        case [str(outcome), str(error), bool(is_bare)] if outcome in set(Outcome):
            return HandlerResult(Outcome(outcome), error, is_bare)
    raise Garbage
