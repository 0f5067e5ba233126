"""Moves that lose nothing, overwrite nothing, and do no harm when they are repeated."""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import count

from jobrunner.domain.errors import MachineError
from jobrunner.files import merging, trees
from jobrunner.linux import at, flushing
from jobrunner.linux.mounts import mount_id


def rename_new(source: str, target: str) -> None:
    """Rename, atomically and only where the target does not exist. Raises FileExistsError, OSError."""
    try:
        at.rename_new(at.HERE, source, at.HERE, target)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise MachineError(
            f"the filesystem of {target} cannot rename without replacing (RENAME_NOREPLACE): "
            "use ext4, xfs, btrfs or tmpfs"
        ) from error


def flush_filesystem(path: str) -> None:
    """Write all that the filesystem of `path` has in memory to the disk (syncfs(2)). Raises OSError.

    One call for a whole package: a half to two thirds of the price of an fsync for each file.
    """
    with opened(path) as descriptor:
        flushing.flush_filesystem(descriptor, path)


class Watch:
    """The filesystem of a folder, held open: a flush then tells of each write that failed since the last one.

    syncfs(2) reports a failed write once to each descriptor that was open then. To one that is opened later it says
    nothing if another process, whose files these were not, has heard of it first.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def begin(self) -> None:
        """Hold it open from now on, unless it is already. Raises OSError."""
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)

    def flush(self) -> None:
        """Write all that the filesystem has in memory to the disk. Raises OSError, also for what failed before."""
        if os.stat(self._path).st_dev != os.fstat(self._descriptor).st_dev:
            os.close(self._descriptor)
            self._descriptor = -1
            raise OSError(errno.ESTALE, "another disk has been mounted there", self._path)
        flushing.flush_filesystem(self._descriptor, self._path)


def flush_directory(path: str) -> None:
    """Make the entries of one folder durable. Raises OSError."""
    with opened(path) as descriptor:
        os.fsync(descriptor)


def publish(source: str, target: str) -> None:
    """Rename a folder whose content is on the disk to where it shall be seen, and make that durable.

    Raises FileExistsError where the target exists.
    """
    rename_new(source, target)
    flush_directory(os.path.dirname(target))
    flush_directory(os.path.dirname(source))


def same_filesystem(one: str, other: str) -> bool:
    """Say whether a rename can go from one folder to the other: same device, same mount."""
    return _mount(one) == _mount(other)


def free_name(folder: str, stem: str, suffix: str = "") -> str:
    """Return the first of STEM, STEM~1, STEM~2 … (each with the suffix) that the folder does not hold."""
    numbered = (f"{stem}~{number}{suffix}" if number else stem + suffix for number in count())
    return next(name for name in numbered if not os.path.lexists(os.path.join(folder, name)))


def first_conflict(source: str, target: str, names: Iterable[str] | None = None) -> str | None:
    """Return the first path that two folders have, other than as a folder in each: they cannot be merged. Or None.

    The paths of `target` are gone through: it should be the smaller one. `names`: what it holds, where that is known.
    """
    if not any(os.path.lexists(f"{source}/{name}") for name in names or os.listdir(target)):
        return None
    with opened(source) as ours, opened(target) as theirs:
        return merging.first_conflict(ours, theirs)


def merge(source: str, target: str) -> None:
    """Move all that `source` holds into `target`; see `merging.merge`."""
    with opened(source) as ours, opened(target) as theirs:
        merging.merge(ours, theirs)


def opened(path: str) -> at.held:
    """Hold a folder open for a block, which gets its descriptor. Raises OSError."""
    return at.held(os.open(path, os.O_RDONLY | os.O_DIRECTORY))


def remove_tree(path: str) -> None:
    """Delete a folder and what it holds, however deep; a file or link is deleted itself. Nothing there: nothing to do.

    Raises OSError.
    """
    folder, name = os.path.split(path)
    with suppress(FileNotFoundError), opened(folder or ".") as parent:
        trees.remove(parent, name)


def _mount(path: str) -> tuple[int, int | None]:
    with opened(path) as descriptor:
        return os.fstat(descriptor).st_dev, mount_id(descriptor)
