"""What database, logs and work take on their disks, as far as that can be seen in a moment."""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from jobrunner.domain.status import DiskUse, Taken
from jobrunner.files import moves
from jobrunner.files.folders import Folders
from jobrunner.linux import at

_BLOCK = 512  # bytes, in which stat counts, whatever the filesystem's are
#: Folders in one another that are looked into.
_DEEPEST = 64


def disk_use(database: str, folders: Folders, most: int) -> DiskUse:
    """Return what they take, after a look at up to so many files and folders of the logs, and of the work folder."""
    return DiskUse(
        _of_files(database, f"{database}-wal"), _of_folder(folders.logs, most), _of_folder(folders.work, most)
    )


def free_space(database: str, folders: Folders) -> dict[str, int]:
    """Return the bytes that are free on the disk of each folder, and of the database, that can be looked at."""
    places = {name: str(getattr(folders, name)) for name in ("inbox", "work", "archive", "failed", "logs")}
    found = {}
    for name, place in (places | {"database": os.path.dirname(database)}).items():
        with suppress(OSError):
            found[name] = _free(place)
    return found


def _of_files(*paths: str) -> Taken | None:
    size = 0
    for path in paths:
        with suppress(FileNotFoundError):
            size += os.stat(path).st_blocks * _BLOCK
    with suppress(OSError):
        return Taken(size, _free(os.path.dirname(paths[0])), is_all=True)
    return None


def _of_folder(path: str, most: int) -> Taken | None:
    with suppress(OSError), moves.opened(path) as folder:
        sizes = list(islice(_sizes(folder, _DEEPEST), most + 1))
        return Taken(sum(sizes[:most]), _free(folder), is_all=len(sizes) <= most)
    return None


def _sizes(folder: int, levels: int) -> Iterator[int]:
    """Yield the bytes of all that is in an open folder, of another folder before what is in that."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # it is gone, or not ours to look into
                yield entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                if levels and entry.is_dir(follow_symlinks=False):
                    with at.held(at.open_folder(folder, entry.name)) as inner:
                        yield from _sizes(inner, levels - 1)


def _free(place: str | int) -> int:
    space = os.statvfs(place)
    return space.f_bavail * space.f_frsize
