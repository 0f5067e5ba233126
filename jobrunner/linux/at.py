"""Calls below a folder that is held open: nothing that others swap meanwhile can lead out of it, or make us wait.

A name here is one entry of the folder, never a path. Symbolic links are not followed and mount points not crossed
(openat2(2)), and nothing is opened that could block: a FIFO, a file with another program's lease.
"""

import ctypes
import errno
import fcntl
import os
import re
import signal
import stat
import struct
from itertools import islice
from typing import NamedTuple

from jobrunner.linux.libc import checked, libc

_OPENAT2 = 437  # on every architecture
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS = 0x01, 0x02, 0x04
#: In place of an open folder: paths are paths then, from the current folder on.
HERE = -100
_RENAME_NOREPLACE = 1
_FICLONE = 0x40049409
_STATX_BTIME = 0x800
_STX_BTIME = 80  # its offset in struct statx
_AT_EMPTY_PATH = 0x1000

_renameat2 = libc.renameat2
_renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
_statx = libc.statx
_statx.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_char_p)
_syscall = libc.syscall  # without argtypes: int and bytes are passed as they are, in half the time
_HOW_BYTES = 24
_getdents64 = libc.getdents64
#: What the kernel lists a folder into; no thread of ours looks through a folder beside another.
_ENTRIES_BYTES = 1 << 15
_ENTRIES = ctypes.create_string_buffer(_ENTRIES_BYTES)


def _how(flags: int, resolve: int) -> bytes:
    """Return a struct open_how: flags, mode and resolve."""
    return struct.pack("QQQ", flags, 0, resolve)


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BELOW = _NO_XDEV | _NO_MAGICLINKS | _NO_SYMLINKS
_OPEN_FOLDER, _OPEN_FILE = _how(_FOLDER, _BELOW), _how(_FILE, _BELOW)
_OPEN_PLACE = _how(os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, _BELOW)
_OPEN_ROOT = _how(_FOLDER, _NO_SYMLINKS)


class Identity(NamedTuple):
    """Which file or folder it is, whatever it is called: an inode's number alone is given again at once."""

    device: int
    inode: int
    born_at: int  #: nanoseconds since 1970, 0 where the filesystem does not say


class held:  # noqa: N801  (reads as a verb: with held(descriptor))
    """Close a descriptor at the end of a block; yields it. A generator would take longer than what it holds."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def replaced(descriptor: int, following: int) -> int:
    """Close a descriptor, and return the one that takes its place."""
    os.close(descriptor)
    return following


def open_root(path: str) -> int:
    """Open a folder by an absolute path in which nothing is a symbolic link. Raises OSError."""
    return _openat2(HERE, path, _OPEN_ROOT)


def open_ours(path: str) -> int:
    """Open a folder by a path that leads through folders of our own, which may be links; it is none itself.

    Raises OSError.
    """
    return os.open(path, _FOLDER)


def open_folder(folder: int, name: str) -> int:
    """Open a folder in an open folder, on the same mount. Raises OSError (ELOOP, ENOTDIR, EXDEV among them)."""
    return _openat2(folder, name, _OPEN_FOLDER)


def open_our_folder(folder: int, name: str) -> int:
    """As `open_folder`; one of our user's gets the rights for it that it lacks."""
    return _open_ours(folder, name, _OPEN_FOLDER, stat.S_IRWXU)


def open_above(folder: int) -> int:
    """Open the folder in which an open one lies now: in a tree that others may change, look which one it is."""
    return os.open("..", _FOLDER, dir_fd=folder)


def open_our_file(folder: int, name: str) -> int:
    """As `open_file`; one of our user's gets the rights for it that it lacks."""
    return _open_ours(folder, name, _OPEN_FILE, stat.S_IRUSR | stat.S_IWUSR)


def open_file(folder: int, name: str) -> int:
    """Open what lies in an open folder, for reading; a device is opened, too: look at it by fstat. Raises OSError."""
    return _openat2(folder, name, _OPEN_FILE)


def status(folder: int, name: str) -> os.stat_result:
    """Return what an entry of an open folder is, a link itself included. Raises OSError."""
    with held(_openat2(folder, name, _OPEN_PLACE)) as place:
        return os.fstat(place)


def names(folder: int, *, most: int) -> list[str]:
    """Return the names of the entries of an open folder, of more than so many the first. Raises OSError."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in islice(entries, most)]


def lacks(folder: int, pattern: "re.Pattern[bytes]") -> bool:
    """Say whether a folder that has just been opened has few entries, and a pattern is found in the name of none.

    That takes half the time of `names`, which lists all of it where the answer is no. Raises OSError.
    """
    length = _getdents64(folder, _ENTRIES, _ENTRIES_BYTES)
    if length >= 0 and not pattern.search(_ENTRIES, 0, length):
        length = _getdents64(folder, _ENTRIES, _ENTRIES_BYTES)
        if length == 0:
            return True
    checked(length)
    os.lseek(folder, 0, os.SEEK_SET)
    return False


def count(folder: int) -> int:
    """Return how many entries an open folder has. Raises OSError."""
    with os.scandir(folder) as entries:
        return sum(1 for _ in entries)


def new_file(folder: int, name: str) -> int:
    """Make a file, for its owner alone until it gets other rights. Raises FileExistsError, OSError."""
    return os.open(name, _NEW_FILE, 0o600, dir_fd=folder)


def rename_new(source: int, name: str, target: int, new_name: str) -> None:
    """Rename, atomically and only where the target does not exist. Raises FileExistsError, OSError.

    os.rename would replace an empty folder (renameat2(2), RENAME_NOREPLACE).
    """
    if _renameat2(source, _encoded(name), target, _encoded(new_name), _RENAME_NOREPLACE) != 0:
        checked(-1, new_name)


def identity(descriptor: int) -> Identity:
    """Return which file or folder an open one is. Raises OSError."""
    buffer = ctypes.create_string_buffer(256)
    checked(_statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer))
    seconds, nanoseconds = struct.unpack_from("qI", buffer, _STX_BTIME)
    status = os.fstat(descriptor)
    return Identity(status.st_dev, status.st_ino, seconds * 10**9 + nanoseconds)


def is_being_written(file: int) -> bool:
    """Say whether any process has an open file open for writing, as far as the kernel tells (fcntl(2), F_SETLEASE).

    Its owner is asked: a read lease, which is given back at once, is only to be had where no process writes.
    """
    try:
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)  # whoever opens it in between has that sent, and it is ignored
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


def clone(source: int, target: int) -> bool:
    """Have one file share the blocks of another (ioctl_ficlone(2)); False where the filesystem cannot."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.EPERM, errno.ENOSYS}:
            return False
        raise
    return True


def _open_ours(folder: int, name: str, how: bytes, needed: int) -> int:
    try:
        return _openat2(folder, name, how)
    except PermissionError:
        with held(_openat2(folder, name, _OPEN_PLACE)) as place:
            found = os.fstat(place)
            if found.st_uid != os.geteuid():
                raise
            os.chmod(f"/proc/self/fd/{place}", stat.S_IMODE(found.st_mode) | needed)
        return _openat2(folder, name, how)


def _openat2(folder: int, name: str, how: bytes) -> int:
    opened: int = _syscall(_OPENAT2, folder, _encoded(name), how, _HOW_BYTES)
    return opened if opened >= 0 else checked(opened, name)


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")  # as os.fsencode, in half the time
