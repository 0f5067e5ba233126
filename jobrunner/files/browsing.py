"""The files of one package for whoever looks at it: what others put there is listed and read, never followed."""

import errno
import os
import stat
from contextlib import suppress
from typing import NamedTuple

from jobrunner.files.trees import Kind, Walk
from jobrunner.linux import at

_MOST_ENTRIES = 10_000


class Found(NamedTuple):
    """A file below a package's folder, by its path there, and its bytes."""

    path: str
    size: int


class Opened(NamedTuple):
    """An open file, and how many bytes it has."""

    descriptor: int
    size: int


def files_of(package: str, most: int) -> tuple[list[Found], bool]:
    """Return files below a package's folder, up to so many, and whether these are all. Raises OSError."""
    found: list[Found] = []
    with at.held(at.open_ours(package)) as root:
        walk = Walk(root, most=_MOST_ENTRIES)
        try:
            for kind, folder, name in walk:
                if kind is not Kind.FILE:
                    continue
                if len(found) == most:
                    return found, False
                with suppress(OSError):  # it has been removed meanwhile
                    found.append(Found(walk.path(name), at.status(folder, name).st_size))
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            return found, False
    return found, True


def open_below(package: str, path: str) -> Opened:
    """Open a file below a package's folder, by its path there. Raises OSError: also for a link, a device, a way out."""
    *folders, name = path.split("/")
    here = at.open_ours(package)
    try:
        for folder in folders:
            _refuse_odd(folder)
            here = at.replaced(here, at.open_folder(here, folder))
        _refuse_odd(name)
        file = at.open_file(here, name)
    finally:
        os.close(here)
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        os.close(file)
        raise FileNotFoundError(path)
    return Opened(file, status.st_size)


def _refuse_odd(name: str) -> None:
    if name in {"", ".", ".."} or "\0" in name:
        raise FileNotFoundError(name)
