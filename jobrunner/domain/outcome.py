"""What a handler's end means."""

import os
import signal
from typing import NamedTuple

from jobrunner.domain.job import Outcome


class HandlerResult(NamedTuple):
    """How a handler ended: the outcome, and the reason in words unless it is `done`."""

    outcome: Outcome
    error: str = ""


def result_of_exit(code: int) -> HandlerResult:
    """Return what an exit status means; a negative one is the signal that ended the program.

    75 and 65 are EX_TEMPFAIL and EX_DATAERR of BSD's sysexits.h.
    """
    if code == 0:
        return HandlerResult(Outcome.DONE)
    if code == os.EX_TEMPFAIL:
        return HandlerResult(Outcome.LATER, "the handler asked to be run later (exit status 75)")
    if code == os.EX_DATAERR:
        return HandlerResult(Outcome.REJECTED, "the handler rejected the data (exit status 65)")
    if code < 0:
        return HandlerResult(Outcome.FAILED, f"the handler was killed by signal {-code} ({signal.strsignal(-code)})")
    return HandlerResult(Outcome.FAILED, f"the handler ended with exit status {code}")


def timed_out(seconds: float) -> HandlerResult:
    """Return the result of a handler that was ended after `seconds`."""
    return HandlerResult(Outcome.FAILED, f"the handler was ended after its timeout of {seconds:g} s")
