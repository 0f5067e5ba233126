"""What ps shows as the command line of this process: the kernel reads it where it stood at the start (proc(5))."""

import ctypes
from functools import cache

from jobrunner.linux import proc


def show(title: str) -> None:
    """Show a title in place of the command line, as much of it as has room there.

    The environment, which stands behind it, stays as it is: others read it in /proc. A program that is started shows
    its own command line again, a fork the title that it had.
    """
    start, room = _place()
    if room:
        shown = title.encode("utf-8", "replace")[: room - 1]
        ctypes.memmove(start, shown.ljust(room, b"\0"), room)


@cache
def _place() -> tuple[int, int]:
    """Return the address of the command line, in a fork the same, and its bytes: none where the kernel hides it."""
    start, end = proc.command_line_place()
    return start, end - start
