"""Builds the ways that lines take to stderr and into a log file."""

import math
import stat
import sys
import time
from pathlib import Path

from jobrunner.domain.errors import ConfigurationError, in_words
from jobrunner.domain.outgoing import Outgoing
from jobrunner.domain.package import shown
from jobrunner.domain.settings import Settings
from jobrunner.files import places
from jobrunner.files.log_file import LogFile
from jobrunner.files.trust import Trust
from jobrunner.linux.outlet import Outlet
from jobrunner.linux.waiting import BlockedSignals
from jobrunner.process import signals
from jobrunner.wiring import safety

#: Seconds between two looks whether a reader has made room, and what it gets at the end where a stop is asked for.
_TICK = 0.05
_LAST = 1.0


def to_stderr() -> Outgoing:
    """Return the way to stderr. Raises OSError."""
    return Outgoing(Outlet(sys.stderr.fileno()).write)


def to_file(settings: Settings, path: Path, by: str) -> Outgoing:
    """Return the way into a log file of this home, which is named `by` an option or a key.

    Raises ConfigurationError where it cannot be one, or where others could put another file in its place.
    """
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise ConfigurationError(f"{by}: {shown(str(path))} is no file to append to: name one, or leave it out")
        places.check_log(settings, by, path)
        Trust(settings.folders.trusted_groups).check(by, str(path))
        return Outgoing(LogFile(str(path), safety.rights_of(settings)).write)
    except OSError as error:
        raise ConfigurationError(f"{by}: the log cannot be opened: {in_words(error)}") from error


def let_be_read(outgoing: Outgoing, *, is_stopped: bool) -> None:
    """Write what is kept, as its reader makes room: until a stop is asked for, and then for a second.

    What cannot be written for another reason is not waited for.
    """
    stop = BlockedSignals(signals.stop_signals())
    deadline = time.monotonic() + _LAST if is_stopped else math.inf
    outgoing.flush()
    while outgoing.is_behind and outgoing.fault is None and time.monotonic() < deadline:
        if stop.wait(_TICK):
            deadline = min(deadline, time.monotonic() + _LAST)
        outgoing.flush()
