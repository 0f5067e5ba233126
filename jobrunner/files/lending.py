"""The data folder of an attempt, lent to the user whom the handler runs as, and taken back when nothing of it lives.

Every step goes by descriptors from folder to folder, however deep, and follows no link: whoever lends is root.
"""

import os
import stat
from contextlib import suppress

from jobrunner.domain.package import shown
from jobrunner.files.trees import Kind, Walk
from jobrunner.linux import at

_OURS_ALONE = 0o700
_PASSABLE = 0o710
#: Neither setuid, setgid and sticky bits, nor the right to write but for the owner.
_KEPT = 0o755
_KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")


def lend(data: str, uid: int, gid: int) -> None:
    """Give the data folder, with all that it holds, to a user, who may pass through the folder above it.

    Raises OSError.
    """
    with _folder_above(data) as above, at.held(at.open_folder(above, os.path.basename(data))) as root:
        os.fchmod(above, _OURS_ALONE)
        for kind, folder, name in Walk(root):
            if kind is Kind.ENTER:
                os.fchown(folder, uid, gid)
            elif kind is not Kind.LEAVE:
                os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
        os.fchown(above, -1, gid)
        os.fchmod(above, _PASSABLE)


def make_for(path: str, uid: int, gid: int) -> None:
    """Make an empty file for a user who may make none in its folder. Raises OSError."""
    with _folder_above(path) as above, at.held(at.new_file(above, os.path.basename(path))) as file:
        os.fchown(file, uid, gid)


def take_back(data: str) -> str | None:
    """Make all that was lent ours again, with no rights for others but to read. Raises OSError.

    Return in words what the archive cannot take, the first that is found, if there is any: links, devices, FIFOs,
    sockets, files with a second name, and those that some process can still write to.
    """
    refused = None
    with _folder_above(data) as above, at.held(at.open_folder(above, os.path.basename(data))) as root:
        os.fchmod(above, _OURS_ALONE)
        for kind, folder, name in (walk := Walk(root)):
            if kind is Kind.ENTER:
                _take(folder)  # before what is in it is looked at: from here on it stays where it is
            elif kind is not Kind.LEAVE and (what := _what_is_wrong(folder, name)) and not refused:
                left = shown(walk.path(name))
                refused = f"the handler left {what}, where process.user allows only files and folders: {left}"
        os.fchown(above, -1, os.getegid())
    return refused


def _what_is_wrong(folder: int, name: str) -> str | None:
    """Take a file back, or return what keeps it from that."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
    with at.held(at.open_file(folder, name)) as file:
        if os.fstat(file).st_nlink != 1:  # the other name may be in another user's folder, and so the file
            return "a file with a second name (a hard link)"
        _take(file)
        return "a file that a process still writes to" if at.is_being_written(file) else None


def _take(descriptor: int) -> None:
    os.fchown(descriptor, os.geteuid(), os.getegid())
    for name in _ACLS:
        with suppress(OSError):  # there is none
            os.removexattr(descriptor, name)
    os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & _KEPT)


def _folder_above(path: str) -> at.held:
    return at.held(os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))
