"""Signals are blocked and asked for: nothing is interrupted half-way, and whoever sleeps wakes up at once."""

import signal
from collections.abc import Iterable

from jobrunner.linux import locks
from jobrunner.linux.locks import stop_signals
from jobrunner.linux.waiting import BlockedSignals

__all__ = ["CANCEL_SIGNAL", "StopRequest", "block", "stop_signals", "unblock"]

#: What a worker dies of whose job is cancelled, so that its supervisor knows: it is deadly, as nobody catches it.
CANCEL_SIGNAL = signal.SIGUSR1
_ALL = locks.STOP_SIGNALS | {signal.SIGCHLD}


def block() -> None:
    """Hold back the signals that we wait for, in this process and those that it forks."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
    for needed in (signal.SIGCHLD, CANCEL_SIGNAL):  # ignored at our start, they would hide how a child has ended
        signal.signal(needed, signal.SIG_DFL)


def unblock() -> None:
    """Let them through again: for a program of the user's."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)


class StopRequest:
    """Whether one of these blocked signals has come: asked for, and remembered."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._numbers = frozenset(numbers)
        self._signals = BlockedSignals(self._numbers)
        self.caught: signal.Signals | None = None

    def __call__(self, seconds: float = 0) -> bool:
        """Say whether a signal has come; until then, sleep for so many seconds."""
        if self.caught is None and (seconds or not self._numbers.isdisjoint(signal.sigpending())):
            self.caught = self._signals.wait(seconds)
        return self.caught is not None
