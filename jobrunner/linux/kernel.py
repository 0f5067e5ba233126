"""What a process has the kernel do for it (prctl(2))."""

import ctypes
import os
import signal

from jobrunner.linux.libc import checked, libc

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends. `parent` is the pid that it was forked by."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends: none can get out of sight."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_name(name: str) -> None:
    """Set what ps and top show as this process's command name, at most 15 bytes."""
    _prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode("ascii")))


def renounce_privileges() -> None:
    """Gain no rights from now on by starting a program, whoever it belongs to: setuid bits mean nothing."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, argument: object) -> None:
    checked(libc.prctl(option, argument, 0, 0, 0))
