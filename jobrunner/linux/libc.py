"""The C library, bound once: what Python has no call for."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, path: str | None = None) -> int:
    """Return what a call of the C library returned; raise OSError, with the path in it, where that is -1."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result
