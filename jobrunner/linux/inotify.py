"""What the kernel tells of changes to files and folders, as they happen (inotify(7))."""

import ctypes
import os
import struct
from contextlib import suppress
from typing import NamedTuple

from jobrunner.linux.libc import checked, libc

#: What may be watched for, and told.
ACCESS, ATTRIB, MOVED_TO, CREATE = 0x1, 0x4, 0x80, 0x100
DELETE_SELF, MOVE_SELF, UNMOUNTED, OVERFLOW, GONE = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_HEAD = struct.Struct("iIII")
_PIECE = 1 << 16  # bytes: some thousand events


class Change(NamedTuple):
    """What happened (`mask`) to what is watched, or to what is called `name` in it.

    OVERFLOW: more has happened than the kernel keeps. GONE: it is not watched any more.
    """

    mask: int
    name: str


class Inotify:
    """A queue of changes. It costs one of the few that a user may have (fs.inotify.max_user_instances)."""

    def __init__(self) -> None:
        """Raises OSError where the kernel gives no more of them."""
        self._descriptor = checked(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))

    def fileno(self) -> int:
        """Return the descriptor that can be read when there is something to take."""
        return self._descriptor

    def watch(self, path: str, mask: int) -> None:
        """Tell of these changes to a file or folder from now on; of one that is watched, of none twice.

        Raises OSError.
        """
        checked(libc.inotify_add_watch(self._descriptor, os.fsencode(path), ctypes.c_uint32(mask)), path)

    def take(self) -> list[Change]:
        """Return what has happened since the last call. Never waits."""
        changes = []
        with suppress(BlockingIOError):
            while piece := os.read(self._descriptor, _PIECE):
                offset = 0
                while offset < len(piece):
                    _, mask, _, length = _HEAD.unpack_from(piece, offset)
                    offset += _HEAD.size
                    name = piece[offset : offset + length].rstrip(b"\0")
                    offset += length
                    changes.append(Change(mask, os.fsdecode(name)))
        return changes

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._descriptor)
