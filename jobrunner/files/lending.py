"""The data folder of an attempt, lent to the user whom the handler runs as, and taken back when nothing of it lives.

Every step goes by descriptors from folder to folder, however deep, and follows no link: whoever lends is root.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from jobrunner.domain.package import shown

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Sets off no device and waits for nobody: what is no file is found out when it is open.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OURS_ALONE = 0o700
_PASSABLE = 0o710
_READABLE = 0o040
#: Neither setuid, setgid and sticky bits, nor the right to write but for the owner.
_KEPT = 0o755
_KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")


def lend(data: str, uid: int, gid: int) -> None:
    """Give the data folder, with all that it holds, to a user, who may pass through the folder above it.

    Raises OSError.
    """
    with _opened(os.path.dirname(data), _FOLDER) as above:
        os.fchmod(above, _OURS_ALONE)
        for folder, _, name in _walk(data, lambda folder: os.fchown(folder, uid, gid)):
            os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
        os.fchown(above, -1, gid)
        os.fchmod(above, _PASSABLE)


def take_back(data: str) -> str | None:
    """Make all that was lent ours again, with no rights for others but to read. Raises OSError.

    Return in words what the archive cannot take, the first that is found, if there is any: links, devices, FIFOs,
    sockets, files with a second name, and those that some process can still write to.
    """
    refused = None
    with _opened(os.path.dirname(data), _FOLDER) as above:
        os.fchmod(above, _OURS_ALONE)
        for folder, path, name in _walk(data, _take):
            what = _what_is_wrong(folder, name)
            if what and not refused:
                left = shown("/".join((*path, name)))
                refused = f"the handler left {what}, where process.user allows only files and folders: {left}"
        os.fchown(above, -1, os.getegid())
    return refused


def _walk(data: str, enter: Callable[[int], None]) -> Iterator[tuple[int, list[str], str]]:
    """Enter a folder and each one below it, and yield whatever else is there: in which folder, its path, its name.

    What a folder holds is looked at after it has been entered: a folder that is ours by then stays where it is, and
    leads back to the one above it.
    """
    folder = os.open(data, _FOLDER)
    path: list[str] = []
    below: list[list[str]] = []  # of each folder of the path, those that are still to be entered
    try:
        while True:
            enter(folder)
            with os.scandir(folder) as entries:
                names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
            yield from ((folder, path, name) for name, is_folder in names if not is_folder)
            below.append([name for name, is_folder in names if is_folder])
            while not below[-1]:
                below.pop()
                if not below:
                    return
                path.pop()
                folder = _moved(folder, "..")
            path.append(below[-1].pop())
            folder = _moved(folder, path[-1])
    finally:
        os.close(folder)


def _moved(folder: int, name: str) -> int:
    there = os.open(name, _FOLDER, dir_fd=folder)
    os.close(folder)
    return there


def _what_is_wrong(folder: int, name: str) -> str | None:
    """Take a file back, or return what keeps it from that."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
    with _opened(name, _FILE, folder) as file:
        if os.fstat(file).st_nlink != 1:  # the other name may be in a folder of somebody else's, and so the file
            return "a file with a second name (a hard link)"
        _take(file)
        return "a file that a process still writes to" if _can_be_written(file) else None


def _take(descriptor: int) -> None:
    os.fchown(descriptor, os.geteuid(), os.getegid())
    for name in _ACLS:
        with suppress(OSError):  # there is none
            os.removexattr(descriptor, name)
    os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & _KEPT)


def _can_be_written(file: int) -> bool:
    """Say whether a process has opened a file for that: then there is no lease to be had for reading (fcntl(2))."""
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:  # a filesystem without leases
        return False
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _let(descriptor: int, gid: int, rights: int) -> None:
    os.fchown(descriptor, -1, gid)
    os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) | rights & 0o070)


@contextmanager
def _opened(name: str, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
