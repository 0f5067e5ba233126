"""Exit statuses: how a process ends, and for which error."""

from collections.abc import Callable
from typing import NamedTuple

from jobrunner.domain.errors import ConfigurationError, JobrunnerError, in_words
from jobrunner.domain.role import Role

FAILED = 1
USAGE = 2
BUG = 70  #: EX_SOFTWARE of sysexits.h
TIMED_OUT = 124  #: as timeout(1) has it
INTERRUPTED = 130  #: by Ctrl-C; of any signal it is 128 and its number


class Exit(NamedTuple):
    """The status that a process ends with, and the line that says why; empty where there is nothing to tell."""

    status: int
    words: str


#: Returns how the process ends for an error, of which it gets the role of the process, too.
ExitOf = Callable[[BaseException, Role], Exit]
#: Says why a process ends for an error, and returns its exit status.
GiveUp = Callable[[BaseException], int]


def expected(error: BaseException) -> Exit | None:
    """Return how a process ends for an error that a user can act on, or that asks it to end; None for a bug."""
    match error:
        case ConfigurationError():
            return Exit(USAGE, str(error))
        case JobrunnerError():
            return Exit(FAILED, str(error))
        case OSError() | MemoryError():
            return Exit(FAILED, in_words(error))
        case KeyboardInterrupt():
            return Exit(INTERRUPTED, "")
    return None
