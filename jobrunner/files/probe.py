"""Whether the folders of a home can be worked with: in one plain line what is wrong, where, and what to do."""

import errno
import os
import tempfile
from collections.abc import Callable

from jobrunner.domain.errors import in_words
from jobrunner.domain.package import shown
from jobrunner.domain.values import in_bytes
from jobrunner.files import moves
from jobrunner.files.folders import Folders

_WHAT_TO_DO = {
    errno.ENOENT: "put it back, or mount its disk",
    errno.ENOTDIR: "put the folder back",
    errno.EACCES: "let jobrunner's user read and write it",
    errno.EPERM: "let jobrunner's user read and write it",
    errno.EROFS: "mount it writable",
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room, or raise the quota",
}
_SEE_TO_THE_DISK = "see the system's log for its disk"
_PIECE = bytes(4096)


def look(folders: Folders, keep_free: int) -> str | None:
    """Return what is wrong, as far as it shows without writing anything; None if nothing is.

    `keep_free`: bytes that must be free on the disk of the work folder.
    """
    return _first_trouble(folders, keep_free, write=False)


def probe(folders: Folders, keep_free: int) -> str | None:
    """As `look`, and write a little, which leaves nothing behind: only that shows what a disk really does."""
    return _first_trouble(folders, keep_free, write=True)


def _first_trouble(folders: Folders, keep_free: int, *, write: bool) -> str | None:
    try:
        return _checked(folders, keep_free, write=write)
    except OSError as error:  # it came between two looks
        return in_words(error)


def _checked(folders: Folders, keep_free: int, *, write: bool) -> str | None:
    inbox = {"the inbox": folders.inbox}  # it is its senders': nothing is made in it
    unmounted = folders.inbox_is_a_disk and not os.path.ismount(folders.inbox)
    ours = {
        "the work folder": folders.work,
        "the archive": folders.archive,
        "the failed folder": folders.failed,
        "the logs folder": folders.logs,
    }
    return (
        _first(inbox | ours, "cannot be read", _read)
        or (f"the disk of the inbox {shown(folders.inbox)} is not mounted: mount it" if unmounted else None)
        or _first(inbox | ours, "cannot be written to", _may_write)
        or _first_apart(folders)
        or _too_full(folders.work, keep_free)
        or (_first(ours, "cannot be written to", _write) if write else None)
    )


def _first(paths: dict[str, str], what: str, check: Callable[[str], None]) -> str | None:
    for name, path in paths.items():
        try:
            check(path)
        except OSError as error:
            number = error.errno or errno.EIO
            says = "is not there" if number == errno.ENOENT else f"{what} ({os.strerror(number)})"
            return f"{name} {shown(path)} {says}: {_WHAT_TO_DO.get(number, _SEE_TO_THE_DISK)}"
    return None


def _read(path: str) -> None:
    with os.scandir(path) as entries:
        next(entries, None)
    if not os.access(path, os.X_OK, effective_ids=True):  # whoever may list it may not always search it
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def _may_write(path: str) -> None:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def _write(path: str) -> None:
    # a file without a name, where the filesystem knows such: no crash leaves it
    with tempfile.TemporaryFile(dir=path, prefix=".jobrunner-", buffering=0) as file:
        file.write(_PIECE)
        os.fsync(file.fileno())


def _first_apart(folders: Folders) -> str | None:
    for name, path in (("the archive", folders.archive), ("the failed folder", folders.failed)):
        if not moves.same_filesystem(folders.work, path):
            return f"{name} {shown(path)} is on another filesystem than the work folder: is a disk not mounted?"
    return None


def _too_full(work: str, keep_free: int) -> str | None:
    space = os.statvfs(work)
    if space.f_bavail * space.f_frsize >= max(keep_free, 1):
        return None
    state = f"has less than {in_bytes(keep_free)} free (extract.keep_free)" if keep_free else "is full"
    return f"the disk of the work folder {shown(work)} {state}: make room"
