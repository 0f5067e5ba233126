"""Signals are blocked and asked for: nothing is interrupted half-way, and whoever sleeps wakes up at once."""

import signal
from collections.abc import Iterable

from jobrunner.linux import locks
from jobrunner.linux.locks import reload_signals, stop_signals
from jobrunner.linux.waiting import BlockedSignals, Ready, ready

__all__ = ["CANCEL_SIGNAL", "DRAIN_SIGNAL", "StopRequest", "block", "reload_signals", "stop_signals", "unblock"]

#: What a worker dies of whose job is cancelled, so that its supervisor knows: it is deadly, as no worker catches it.
CANCEL_SIGNAL = signal.SIGUSR1
#: What asks a worker to end after its package: unlike SIGTERM, it cuts no wait short, so the package gets to its end.
DRAIN_SIGNAL = signal.SIGUSR2
_ALL = locks.STOP_SIGNALS | {signal.SIGCHLD, DRAIN_SIGNAL}


def block() -> None:
    """Hold back the signals that we wait for, in this process and those that it forks."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
    for needed in (
        signal.SIGCHLD,
        CANCEL_SIGNAL,
        DRAIN_SIGNAL,
    ):  # ignored at our start, they would hide how a child has ended
        signal.signal(needed, signal.SIG_DFL)


def unblock() -> None:
    """Let them through again: for a program of the user's."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)


class StopRequest:
    """Whether one of these blocked signals has come: asked for, and remembered.

    With `drains`, DRAIN_SIGNAL is a request, too, but none to stop `at_once`.
    """

    def __init__(self, numbers: Iterable[signal.Signals], *, drains: bool = False) -> None:
        self._numbers = frozenset(numbers)
        self._all = self._numbers | ({DRAIN_SIGNAL} if drains else frozenset())
        self._signals = BlockedSignals(self._numbers)
        self._all_signals = BlockedSignals(self._all)
        self._is_draining = False
        self.caught: signal.Signals | None = None

    def __call__(self, seconds: float = 0, *, beside: Iterable[int] = (), ready: Ready = ready) -> bool:
        """Say whether a signal has come; until then, sleep for so many seconds, or until one of these can be read.

        `ready` may wait for more.
        """
        if not self._has_come() and (seconds or not self._all.isdisjoint(signal.sigpending())):
            self._note(self._all_signals.wait(seconds, beside=beside, ready=ready))
        return self._has_come()

    def at_once(self, seconds: float = 0) -> bool:
        """Say whether a signal has come that asks to stop at once; until then, sleep for so many seconds."""
        if self.caught is None and (seconds or not self._numbers.isdisjoint(signal.sigpending())):
            self._note(self._signals.wait(seconds))
        return self.caught is not None

    def _has_come(self) -> bool:
        return self._is_draining or self.caught is not None

    def _note(self, number: signal.Signals | None) -> None:
        if number is DRAIN_SIGNAL:
            self._is_draining = True
        else:
            self.caught = number
