"""Reports of bugs in jobrunner: what they say, and where they lie, each in a file that only its owner may read."""

import os
import platform
import shlex
import sys
import time
import traceback
import zlib
from importlib.metadata import PackageNotFoundError, version

from jobrunner.domain.package import printable
from jobrunner.domain.role import Role
from jobrunner.linux import at

#: So many reports are kept. They are never removed: a bug has one, however often it is met.
_MOST = 20
_PREFIX = "jobrunner-bug-"
#: Characters of what led to an error.
_LONGEST = 60_000

_HEADING = """\
This is a bug in jobrunner. Please send this file to those who maintain jobrunner, and say what you did before. It has
names of yours in it, of packages and folders: look through it first.
"""


try:
    _VERSION = version("jobrunner")  # read at once: root, who becomes a home's user, can read it now
except PackageNotFoundError:
    _VERSION = "unknown"


class NoReport(Exception):  # noqa: N818  (what happened, not an error)
    """A report was not written, for this reason."""


def text(error: BaseException, role: Role) -> str:
    """Return what to tell of a bug: printable characters only, no value of the environment or of a variable."""
    facts = {
        "time": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "jobrunner": _VERSION,
        "Python": sys.version,
        "platform": platform.platform(),
        "process": f"{role} {os.getpid()}",
        "command line": shlex.join(sys.argv),
    }
    lines = "".join(f"{name}: {printable(value)}\n" for name, value in facts.items())
    trace = printable("".join(traceback.format_exception(error)), keep="\n")
    if len(trace) > _LONGEST:
        half = _LONGEST // 2
        trace = f"{trace[:half]}\n[… {len(trace) - 2 * half:,} characters are left out …]\n{trace[-half:]}"
    return f"{_HEADING}\n{lines}\n{trace}"


def write(home: str, error: BaseException, report: str) -> str:
    """Write a report in the home, unless this bug has one, and return its path. Raises NoReport, OSError.

    Whoever could change the way to the home must be trusted.
    """
    name = f"{_PREFIX}{_identity(error)}.txt"
    path = os.path.join(home, name)
    with at.held(os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as folder:
        if os.fstat(folder).st_uid != os.geteuid():
            raise NoReport("the home is another user's")
        reports = [entry for entry in os.listdir(folder) if entry.startswith(_PREFIX)]
        if name in reports:
            return path
        if len(reports) >= _MOST:
            raise NoReport(f"there are {_MOST} already: send these, and remove them")
        file = at.new_file(folder, name)
        try:
            with open(file, "w", encoding="utf-8") as opened:
                opened.write(report)
        except OSError:
            os.unlink(name, dir_fd=folder)
            raise
    return path


def _identity(error: BaseException) -> str:
    """Return what tells one bug from another: the version, the kind of error and the lines that led to it."""
    frames = [(os.path.basename(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    return f"{zlib.crc32(repr((_VERSION, type(error).__name__, frames)).encode()):08x}"
