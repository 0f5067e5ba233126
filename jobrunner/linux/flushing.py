"""What is in memory goes to the disk, by calls that Python lacks."""

import ctypes

from jobrunner.linux.libc import checked, libc

_SYNC_FILE_RANGE_WRITE = 2
_sync_file_range = libc.sync_file_range
_sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def flush_filesystem(descriptor: int, path: str) -> None:
    """Write all that the filesystem of an open folder has in memory to the disk (syncfs(2)).

    Raises OSError, with `path` in it.
    """
    checked(libc.syncfs(descriptor), path)


def begin_flush(file: int) -> None:
    """Have the disk begin to write what an open file has in memory (sync_file_range(2)), and do not wait for that.

    It promises nothing, so its errors are none: a later `flush_filesystem` reports those of the disk.
    """
    _sync_file_range(file, 0, 0, _SYNC_FILE_RANGE_WRITE)
