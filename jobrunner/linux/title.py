"""What ps shows as the command line of this process: the kernel reads it where it stood at the start (proc(5))."""

import ctypes
from functools import cache

from jobrunner.linux import proc


def show(title: str) -> None:
    """Show a title in place of the command line, as much of it as has room there.

    The environment, which stands behind it, stays as it is: others read it in /proc. A program that is started shows
    its own command line again, a fork the title that it had.
    """
    place, room = _place()
    if room:
        place.raw = title.encode("utf-8", "replace")[: room - 1].ljust(room, b"\0")


@cache
def _place() -> tuple[ctypes.Array[ctypes.c_char], int]:
    """Return the command line, in a fork its own, and its bytes: none where the kernel hides it."""
    start, end = proc.command_line_place()
    return (ctypes.c_char * (end - start)).from_address(start), end - start
