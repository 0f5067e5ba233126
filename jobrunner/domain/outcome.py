"""What a handler's end means."""

import os
import signal
from typing import NamedTuple

from jobrunner.domain.job import Outcome


class HandlerResult(NamedTuple):
    """How a handler ended: the outcome, and the reason in words unless it is `done`.

    `is_bare`: the reason is only how its process ended. What it printed last may say more.
    """

    outcome: Outcome
    error: str = ""
    is_bare: bool = False

    def explained(self, words: str) -> "HandlerResult":
        """Return the result with what the handler printed last as its reason; `words` may be empty."""
        return HandlerResult(self.outcome, f"{self.error}: {words}" if words else self.error)


def result_of_exit(code: int) -> HandlerResult:
    """Return what an exit status means; a negative one is the signal that ended the program.

    75 and 65 are EX_TEMPFAIL and EX_DATAERR of BSD's sysexits.h.
    """
    if code == 0:
        return HandlerResult(Outcome.DONE)
    if code == os.EX_TEMPFAIL:
        return bare(Outcome.LATER, "the handler asked to be run later (exit status 75)")
    if code == os.EX_DATAERR:
        return bare(Outcome.REJECTED, "the handler rejected the data (exit status 65)")
    if code < 0:
        return bare(Outcome.FAILED, f"the handler was killed by signal {-code} ({signal.strsignal(-code)})")
    return bare(Outcome.FAILED, f"exit status {code}")


def timed_out(seconds: float) -> HandlerResult:
    """Return the result of a handler that was ended after `seconds`."""
    return bare(Outcome.FAILED, f"the handler was ended after its timeout of {seconds:g} s")


def bare(outcome: Outcome, error: str) -> HandlerResult:
    """Return a result whose reason is only how the handler's process ended."""
    return HandlerResult(outcome, error, is_bare=True)
