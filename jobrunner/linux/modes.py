"""The modes of files, set so that they are never wider than wanted, not even for a moment."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager


def settle(path: str, mode: int, group: int | None = None) -> int | None:
    """Give a file or folder of ours exactly this mode, and this group where one is named.

    Return the mode that it had; None where nothing had to be changed, and where there is none or it is not ours.
    Raises OSError. The path is not opened: closing a file drops the locks that its process has on it.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    had = stat.S_IMODE(status.st_mode)
    regrouped = group is not None and group != status.st_gid
    if status.st_uid != os.geteuid() or (had == mode and not regrouped):
        return None
    if regrouped:
        os.chmod(path, had & mode & 0o700)
        os.chown(path, -1, group if group is not None else -1)
    os.chmod(path, mode)
    return had


@contextmanager
def private_files() -> Iterator[None]:
    """Let what is made within, by whatever library, be for our user alone. For a process with one thread."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
