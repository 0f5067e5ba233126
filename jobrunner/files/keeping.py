"""The data of failed attempts, `work/.kept/ID-N`: kept for a look until its time is over, or its room is needed."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice
from typing import NamedTuple

from jobrunner.domain.home_rights import PRIVATE_FOLDER_MODE
from jobrunner.domain.job import Job
from jobrunner.domain.status import Kept
from jobrunner.files import moves, space, trees
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import WORKSPACE_NAME, Workspace
from jobrunner.linux import at

FOLDER = ".kept"
#: What is being removed has this before its name.
_GOING = ".going-"
#: Files and folders that are removed at one look: whoever looks has dead workers to see to.
_MOST_REMOVED = 2_000


class Lying(NamedTuple):
    """A data folder that is kept, since a time in seconds since 1970."""

    since: float
    path: str
    job_id: int
    attempt: int


def keep(workspace: Workspace) -> None:
    """Put the data folder of a failed attempt, if it has one, where it is kept; where that fails, it stays.

    Cut short, it is in one of the two places. Nothing is flushed: a power cut may take it.
    """
    work, name = os.path.split(workspace.path)
    kept = os.path.join(work, FOLDER)
    with suppress(OSError):
        os.utime(workspace.data, follow_symlinks=False)  # from now on it is kept
        with suppress(FileExistsError):
            os.mkdir(kept, PRIVATE_FOLDER_MODE)
        moves.remove_tree(os.path.join(kept, name))  # of a job that an older database had by this number
        os.rename(workspace.data, os.path.join(kept, name))


def lying(folders: Folders) -> list[Lying]:
    """Return what is kept, the oldest first. Raises OSError where we may not look."""
    folder, found = os.path.join(folders.work, FOLDER), []
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if match := WORKSPACE_NAME.fullmatch(name):
                path = os.path.join(folder, name)
                with suppress(FileNotFoundError):  # another process has just removed it
                    found.append(Lying(os.lstat(path).st_mtime, path, int(match[1]), int(match[2])))
    return sorted(found)


def of_job(folders: Folders, job: Job, seconds: float) -> Sequence[Kept]:
    """Return what is kept of a job for so many seconds, the oldest first; nothing where we may not look."""
    now = time.time()
    with suppress(OSError):
        return [
            Kept(each.attempt, each.path, each.since + seconds)
            for each in lying(folders)
            if each.job_id == job.id and each.since + seconds > now
        ]
    return ()


def tidy(folders: Folders, seconds: float, keep_free: int) -> bool:
    """Remove what has been kept for so many seconds or, while less than `keep_free` bytes are free, the oldest.

    Not all of that at once: return whether nothing is left to be removed now. Raises OSError.
    """
    left = _MOST_REMOVED
    for place in _going(
        folders, lambda each: each.since + seconds <= time.time() or space.free(folders.work) < keep_free
    ):
        with suppress(OSError):  # another process is at it, or it is not ours to remove
            left -= _remove(place, left)
        if not left:
            return False
    return True


def make_room(folders: Folders, needed: int) -> None:
    """Remove what is kept, the oldest first, until so many bytes are free or nothing is left. Raises OSError."""
    if space.free(folders.work) < needed:
        for place in _going(folders, lambda _: space.free(folders.work) < needed):
            with suppress(OSError):  # another process is at it, or it is not ours to remove
                moves.remove_tree(place)


def _going(folders: Folders, is_over: Callable[[Lying], bool]) -> Iterator[str]:
    """Put what is to be removed out of sight, the oldest first, and yield where it is then. Raises OSError.

    What is left of the last time comes before. What is only partly removed would be taken for kept a moment ago.
    """
    folder = os.path.join(folders.work, FOLDER)
    with suppress(FileNotFoundError):
        yield from [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith(_GOING)]
    for each in lying(folders):
        if not is_over(each):
            return
        place = os.path.join(folder, _GOING + os.path.basename(each.path))
        with suppress(OSError):  # another process has done it
            os.rename(each.path, place)
        yield place


def _remove(path: str, most: int) -> int:
    """Remove a kept folder, but no more than so many of its entries, and return how many these were. Raises OSError."""
    folder, name = os.path.split(path)
    removed = 1
    with moves.opened(folder) as kept:
        if os.path.isdir(path) and not os.path.islink(path):  # it is what the handler left of its data folder
            with at.held(at.open_our_folder(kept, name)) as root, closing(trees.emptying(root)) as steps:
                removed += sum(1 for _ in islice(steps, most))
        if removed > most:
            return most
        trees.remove(kept, name)
    return removed
