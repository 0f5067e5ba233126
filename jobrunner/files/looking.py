"""Looks through a package that has been taken: may it go on as it is, is a copy needed, or can it not be taken?"""

import errno
import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from jobrunner.domain.errors import MachineError, NotTaken, PackageError
from jobrunner.domain.package import shown
from jobrunner.domain.settings import ExtractSettings
from jobrunner.domain.values import in_bytes
from jobrunner.files.rights import Rights, is_ours_alone
from jobrunner.files.trees import Kind, Walk
from jobrunner.linux import at

BLOCK = 512  # bytes: what st_blocks counts, whatever the filesystem
#: What comes of an open where the sender moves, removes or replaces things meanwhile, or holds a lease.
CHANGING = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ESTALE, errno.EWOULDBLOCK, errno.ENXIO}
)
#: What can neither be opened nor be helped: what is mounted there, or may not be read.
UNTAKABLE = CHANGING | {errno.EXDEV, errno.EACCES, errno.EPERM}
_LONGEST_PATH = 200  # characters of one in a message


class Look(NamedTuple):
    """What a package's folder is like. `size`: bytes that it takes on the disk; `entries`: files and folders in it.

    `is_ours`: each folder and file belongs to our user, and nobody else can write to it.
    """

    is_ours: bool
    entries: int
    size: int


def look_through(package: int, rights: Rights, settings: ExtractSettings) -> Look:
    """Look through an open folder, and give what is ours in it the rights that it shall have.

    Raises NotTaken where it has more entries or takes more bytes than it may, MachineError where a folder of it is
    moved away meanwhile, OSError.
    """
    is_ours = True
    entries = size = 0

    def opened(opening: Callable[[int, str], int], folder: int, name: str) -> int | None:
        nonlocal is_ours
        try:
            return opening(folder, name)
        except OSError as error:
            if error.errno not in UNTAKABLE:
                raise
            is_ours = False  # then a copy is made, and that says what is wrong
            return None

    def consider(descriptor: int) -> None:
        nonlocal is_ours, size
        status = os.fstat(descriptor)
        size += status.st_blocks * BLOCK
        is_ours = is_ours and is_ours_alone(descriptor, status)
        if is_ours and not rights.are_given(status):
            rights.give(descriptor, status.st_mode)

    walk = Walk(package, most=settings.max_entries, opening=partial(opened, at.open_our_folder))
    try:
        for kind, folder, name in walk:
            if kind is Kind.LEAVE:
                continue
            if name:
                entries += 1
                refuse_beyond(entries, size, settings)
            if kind is Kind.ENTER:
                consider(folder)
            elif kind is Kind.OTHER:
                is_ours = False
            elif (file := opened(at.open_our_file, folder, name)) is not None:
                with at.held(file):
                    consider(file)
    except OSError as error:
        raise in_our_words(error, walk, settings) from error
    refuse_beyond(entries, size, settings)
    return Look(is_ours, entries, size)


def refuse_beyond(entries: int, size: int, settings: ExtractSettings) -> None:
    """Raise NotTaken where a package has more entries, or takes more bytes, than it may."""
    if entries > settings.max_entries:
        raise NotTaken(f"it holds more files and folders than extract.max_entries ({settings.max_entries:,})")
    if size > settings.max_size:
        raise NotTaken(f"it takes more than extract.max_size ({in_bytes(settings.max_size)})")


def in_our_words(error: OSError, walk: Walk, settings: ExtractSettings) -> Exception:
    """Return what to raise instead of an error that a walk through a sender's tree has met."""
    if error.errno == errno.E2BIG:
        return NotTaken(f"it holds more files and folders than extract.max_entries ({settings.max_entries:,})")
    name = os.fsdecode(error.filename) if error.filename else ""
    if error.errno == errno.EXDEV:
        return PackageError(
            f"another filesystem is mounted in it, at {place(walk, name)}: deliver the files themselves"
        )
    if error.errno in CHANGING:
        return MachineError(f"{place(walk, name)} changed while it was read: is it still being written?")
    return error


def place(walk: Walk, name: str) -> str:
    """Return where in a package a walk has come to something, as a person may see it."""
    path = shown(walk.path(name)) or "its folder"
    return path if len(path) <= _LONGEST_PATH else f"…{path[-_LONGEST_PATH:]}"
