"""Room on the disk of the work folder."""

import os

from jobrunner.domain.errors import MachineError

#: After so many bytes written, whoever writes looks again.
STRIDE = 16 * 2**20


def require(folder: str | int, needed: int, keep_free: int) -> None:
    """Raise MachineError unless the disk of a folder can take so many bytes more and have `keep_free` left."""
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    if free - needed < keep_free:
        raise MachineError(
            f"the disk of the work folder has {free:,} bytes free, but the package needs {needed:,} more and "
            f"extract.keep_free {keep_free:,}: make room"
        )
