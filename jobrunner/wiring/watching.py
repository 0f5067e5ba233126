"""The wait of a command that goes on showing how things stand."""

import signal
from collections.abc import Collection

from jobrunner.linux.waiting import BlockedSignals
from jobrunner.process import signals

#: Come where the terminal has got another size, and where it is wanted back for a while.
_OF_THE_TERMINAL = frozenset({signal.SIGWINCH, signal.SIGTSTP})


class Looks:
    """Waits between two looks, so that a signal ends the wait and interrupts nothing else."""

    def __init__(self) -> None:
        """Hold back the signals that are waited for; before anything else."""
        signals.block()
        signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_TERMINAL)
        self._signals = BlockedSignals(signals.stop_signals() | _OF_THE_TERMINAL)

    def wait(self, seconds: float, *, beside: Collection[int] = ()) -> signal.Signals | None:
        """Return a signal that asks to stop, or SIGTSTP; None when it is time to look again.

        That is after so many seconds, or once one of the descriptors beside can be read.
        """
        caught = self._signals.wait(seconds, beside=beside)
        return None if caught == signal.SIGWINCH else caught
