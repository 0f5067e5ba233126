"""Why a program cannot be started, in words that say what to do: the system has only a number for it."""

import errno
import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from jobrunner.domain.errors import in_words
from jobrunner.domain.package import shown

#: What trying again does not mend. All else is the machine's: too many processes, no memory, a disk that fails.
_PERMANENT = {
    errno.E2BIG,
    errno.EACCES,
    errno.ELIBBAD,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOEXEC,
    errno.ENOTDIR,
}
_FIRST_LINE = 256  #: bytes of it that the kernel reads


class CannotStart(Exception):  # noqa: N818  (what happened, not an error)
    """The handler cannot be started, for this reason, and so it will be the next time."""


def obstacle(program: str, home: Path, environment: Mapping[str, str]) -> str | None:
    """Return why a program is certain not to start in this environment, None where nothing shows.

    Without a slash it is looked for in the folders of PATH, else from the home on.
    """
    if path := _path_of(program, home, environment):
        return _wrong_with(path, home)
    here = f": write ./{program} for the one in {shown(str(home))}" if (home / program).exists() else ""
    return f"the program {program} is not found in PATH{here}"


def refusal(error: OSError, program: str, home: Path, environment: Mapping[str, str]) -> CannotStart | None:
    """Return what it means for the user that the system refused to start a program; None if the machine is at fault."""
    if error.filename != program or error.errno not in _PERMANENT:  # of the home, or of none, it is another error
        return None
    path = _path_of(program, home, environment) or program
    return CannotStart(obstacle(program, home, environment) or _foreign(path, error.errno) or in_words(error))


def _path_of(program: str, home: Path, environment: Mapping[str, str]) -> str | None:
    if "/" in program:
        return os.path.join(home, program.removeprefix("./"))
    return shutil.which(program, path=os.pathsep.join(os.get_exec_path(environment)))


def _wrong_with(path: str, home: Path) -> str | None:
    if why := _unusable(path):
        return f"the program {why}"
    line = _beginning(path).partition(b"\n")[0]
    interpreter, *arguments = re.split(rb"[ \t]+", line[2:].strip(b" \t"), maxsplit=1)
    if not line.startswith(b"#!") or not interpreter:
        return None
    looked_for = [interpreter, *(arguments if os.path.basename(interpreter) == b"env" else [])]
    if looked_for[-1].endswith(b"\r"):
        return (
            f"the lines of {shown(path)} end as on Windows (CRLF), and so does its interpreter's name: "
            rf"sed -i 's/\r$//' {shown(path)}"
        )
    why = _unusable(os.path.join(home, os.fsdecode(interpreter)))
    return why and f"the interpreter that {shown(path)} names cannot be used: {why}"


def _unusable(path: str) -> str | None:
    """Return the path and why it is no program, None if it may be one."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return f"{shown(path)} is not there"
    except OSError as error:
        return f"{shown(path)} cannot be reached: {error.strerror}"
    if stat.S_ISDIR(mode):
        return f"{shown(path)} is a folder"
    if os.access(path, os.X_OK, effective_ids=True):
        return None
    if mode & 0o111 and os.statvfs(path).f_flag & os.ST_NOEXEC:
        return f"{shown(path)} is on a disk from which nothing may be started (noexec)"
    return f"{shown(path)} may not be executed: chmod +x {shown(path)}"


def _foreign(path: str, number: int) -> str | None:
    """Return why the kernel does not know a file as a program, where this error says that it does not."""
    if number not in {errno.ENOEXEC, errno.ELIBBAD, errno.ENOENT}:
        return None
    beginning = _beginning(path)
    if beginning.startswith(b"\x7fELF"):
        return f"the program {shown(path)} is made for another processor, or for a Linux with other libraries"
    if beginning.startswith(b"MZ"):
        return f"the program {shown(path)} is made for Windows"
    return f"{shown(path)} is no program, and its first line names no interpreter, as #!/bin/sh does"


def _beginning(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_FIRST_LINE)
    except OSError:  # some may be executed, but not read
        return b""
