"""Looks through a package that has been taken: can no other user change any of it, and is it within the limits?"""

import errno
import os
from contextlib import suppress
from itertools import islice

from jobrunner.domain.errors import NotTaken, PackageError, StillChanging
from jobrunner.domain.package import NOTHING, Footprint, shown
from jobrunner.domain.settings import ExtractSettings
from jobrunner.domain.values import in_bytes
from jobrunner.files.package_rights import Rights, is_made_ours
from jobrunner.files.trees import Descent, Kind, Walk
from jobrunner.linux import at

BLOCK = 512  # bytes: what st_blocks counts, whatever the filesystem
#: Errors of an open while the sender moves, removes or replaces things, or holds a lease.
CHANGING = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ESTALE, errno.EWOULDBLOCK, errno.ENXIO}
)
#: Errors of what cannot be opened, now or later: another filesystem is mounted there, or it may not be read.
UNTAKABLE = CHANGING | {errno.EXDEV, errno.EACCES, errno.EPERM}
_LONGEST_PATH = 200  # characters of one in a message


def look_through(package: int, rights: Rights, settings: ExtractSettings) -> Footprint | None:
    """Return what an open folder holds, if all of it is ours alone, and give it the rights that it shall have.

    Raises NotTaken where it has more entries or takes more bytes than it may, OSError.
    """
    try:
        looked_in = _look_in(package, rights, settings, NOTHING)
        if looked_in is None or not looked_in[1]:
            return looked_in and looked_in[0]
        found, pending = looked_in[0], [looked_in[1]]
        with Descent(package) as place:
            while True:
                while not pending[-1]:
                    pending.pop()
                    if not pending:
                        return found
                    place.up()
                place.down(at.open_our_folder(place.here, pending[-1].pop()))
                looked_in = _look_in(place.here, rights, settings, found)
                if looked_in is None:
                    return None
                found = looked_in[0]
                pending.append(looked_in[1])
    except OSError as error:
        if error.errno in UNTAKABLE:
            return None
        raise


def _look_in(
    folder: int, rights: Rights, settings: ExtractSettings, found: Footprint
) -> tuple[Footprint, list[str]] | None:
    """Add what an open folder holds to what was found, and return its folders; None where any of it is not ours."""
    entries, size = found
    folders = []
    status = os.fstat(folder)
    if not is_made_ours(folder, status, rights):
        return None
    size += status.st_blocks * BLOCK
    with os.scandir(folder) as listed:
        for entry in listed:
            entries += 1
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif not entry.is_file(follow_symlinks=False):
                return None
            else:
                with at.held(at.open_our_file(folder, entry.name)) as file:
                    status = os.fstat(file)
                    if not is_made_ours(file, status, rights):
                        return None
                size += status.st_blocks * BLOCK
            refuse_beyond(entries, size, settings)
    return Footprint(entries, size), folders


def length_of(package: int, settings: ExtractSettings) -> int:
    """Return how many bytes the files in an open folder have together, as far as they can be read and it may have."""
    length = 0
    with suppress(OSError), at.held(at.open_folder(package, ".")) as again:  # whoever lists it goes on where it was
        for kind, folder, name in islice(Walk(again, most=settings.max_entries), 2 * settings.max_entries):
            if kind is Kind.FILE:
                length += os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
    return length


def refuse_beyond(entries: int, size: int, settings: ExtractSettings) -> None:
    """Raise NotTaken where a package has more entries, or takes more bytes, than it may."""
    if entries > settings.max_entries:
        raise NotTaken(f"it holds more files and folders than extract.max_entries ({settings.max_entries:,})")
    if size > settings.max_size:
        raise NotTaken(f"it takes more than extract.max_size ({in_bytes(settings.max_size)})")


def in_our_words(error: OSError, walk: Walk, settings: ExtractSettings) -> Exception:
    """Return the error to raise for one that a walk through a sender's tree has met."""
    if error.errno == errno.E2BIG:
        return NotTaken(f"it holds more files and folders than extract.max_entries ({settings.max_entries:,})")
    name = os.fsdecode(error.filename) if error.filename else ""
    if error.errno == errno.EXDEV:
        return PackageError(
            f"another filesystem is mounted in it, at {place(walk, name)}: deliver the files themselves"
        )
    if error.errno in CHANGING:
        return StillChanging(f"{place(walk, name)} changed while it was read")
    return error


def place(walk: Walk, name: str) -> str:
    """Return where in a package a walk has come to something, as a person may see it."""
    path = shown(walk.path(name)) or "its folder"
    return path if len(path) <= _LONGEST_PATH else f"…{path[-_LONGEST_PATH:]}"
