"""Room on the disk of the work folder."""

import os

from jobrunner.domain.errors import NoRoom

#: After so many bytes written, whoever writes looks again.
STRIDE = 16 * 2**20


def require(folder: str | int, needed: int, keep_free: int) -> None:
    """Raise NoRoom unless the disk of a folder can take so many bytes more and have `keep_free` left."""
    there = free(folder)
    if there - needed < keep_free:
        raise NoRoom(
            f"the disk of the work folder has {there:,} bytes free, but the package needs {needed:,} more and "
            f"extract.keep_free {keep_free:,}: make room",
            needed + keep_free,
        )


def free(folder: str | int) -> int:
    """Return how many bytes the disk of a folder can still take. Raises OSError."""
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize
