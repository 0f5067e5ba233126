"""Moves that lose nothing, overwrite nothing, and do no harm when they are repeated."""

import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

from jobrunner.domain.errors import MachineError
from jobrunner.linux.libc import checked, libc

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_COPY_PIECE = 1 << 20

_renameat2 = libc.renameat2
_renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
_SYNC_FILE_RANGE_WRITE = 2
_sync_file_range = libc.sync_file_range
_sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def rename_new(source: str, target: str) -> None:
    """Rename, atomically and only where the target does not exist. Raises FileExistsError, OSError.

    os.rename would replace an empty folder (renameat2(2), RENAME_NOREPLACE).
    """
    if _renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        if number == errno.EINVAL:
            raise MachineError(
                f"the filesystem of {target} cannot rename without replacing (RENAME_NOREPLACE): "
                "use ext4, xfs, btrfs or tmpfs"
            )
        raise OSError(number, os.strerror(number), target)


def flush_filesystem(path: str) -> None:
    """Write all that the filesystem of `path` has in memory to the disk (syncfs(2)). Raises OSError.

    One call for a whole package: a half to two thirds of the price of an fsync for each file.
    """
    with _open_folder(path) as descriptor:
        _syncfs(descriptor, path)


def _syncfs(descriptor: int, path: str) -> None:
    checked(libc.syncfs(descriptor), path)


class Watch:
    """The filesystem of a folder, held open: a flush then tells of each write that failed since the last one.

    syncfs(2) reports a failed write once to each descriptor that was open then. To one that is opened later it says
    nothing if another process, whose files these were not, has heard of it first.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def begin(self) -> None:
        """Hold it open from now on, unless it is already. Raises OSError."""
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)

    def flush(self) -> None:
        """Write all that the filesystem has in memory to the disk. Raises OSError, also for what failed before."""
        assert self._descriptor is not None
        if os.stat(self._path).st_dev != os.fstat(self._descriptor).st_dev:
            os.close(self._descriptor)
            self._descriptor = None
            raise OSError(errno.ESTALE, "another disk has been mounted there", self._path)
        _syncfs(self._descriptor, self._path)


def begin_flush(file: int) -> None:
    """Have the disk begin to write what an open file has in memory (sync_file_range(2)), and do not wait for that.

    It promises nothing, so its errors are none: those of the disk are `Watch.flush`'s to report.
    """
    _sync_file_range(file, 0, 0, _SYNC_FILE_RANGE_WRITE)


def flush_directory(path: str) -> None:
    """Make the entries of one folder durable. Raises OSError."""
    with _open_folder(path) as descriptor:
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


def first_conflict(source: str, target: str) -> str | None:
    """Return the first path that two folders have, other than as a folder in each: they cannot be merged. Or None."""
    for name in sorted(os.listdir(target)):  # the sender's: less than what is in the zip
        ours, theirs = f"{source}/{name}", f"{target}/{name}"
        if not os.path.lexists(ours):
            continue
        if not (_is_folder(ours) and _is_folder(theirs)):
            return name
        inner = first_conflict(ours, theirs)
        if inner is not None:
            return os.path.join(name, inner)
    return None


def merge(source: str, target: str) -> None:
    """Move all that `source` holds into `target`, which takes on its owner, rights and extended attributes.

    Folders that both have are merged in the same way. Cut short and repeated it goes on where it was. Raises
    FileExistsError where `first_conflict` would have told, OSError.
    """
    _take_on_attributes(source, target)
    for name in os.listdir(source):
        ours, theirs = f"{source}/{name}", f"{target}/{name}"
        try:
            rename_new(ours, theirs)
        except FileExistsError:
            if not (_is_folder(ours) and _is_folder(theirs)):
                raise
            merge(ours, theirs)
            os.rmdir(ours)


def _take_on_attributes(source: str, target: str) -> None:
    """Give one folder the owner, rights and extended attributes of another, as far as we may."""
    wanted, found = os.stat(source), os.stat(target)
    if (wanted.st_uid, wanted.st_gid) != (found.st_uid, found.st_gid):
        for ids in ((wanted.st_uid, -1), (-1, wanted.st_gid)):
            with suppress(PermissionError):  # root's right, and for the group its members'
                os.chown(target, *ids)
    if wanted.st_mode != found.st_mode:
        os.chmod(target, stat.S_IMODE(wanted.st_mode))
    with suppress(OSError):  # a filesystem without any
        for name in os.listxattr(source):
            with suppress(OSError):  # it is the system's to give
                os.setxattr(target, name, os.getxattr(source, name))


def remove_tree(path: str) -> None:
    """Delete a folder and what it holds, however deep; a file or link is deleted itself. Nothing there: nothing to do.

    Subfolders are first moved up, next to their parents: neither the depth of the tree nor the length of its paths
    matters then (shutil.rmtree recurses on Python 3.11, and both have their limits). Raises OSError.
    """
    if not os.path.lexists(path):
        return
    if not _is_folder(path):
        os.unlink(path)
        return
    names = count()
    folders = [path]
    while folders:
        folder = folders.pop()
        _open_up(folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                elif folder == path:
                    folders.append(entry.path)
                else:
                    _open_up(entry.path)  # a folder can only be moved by who may write to it
                    folders.append(_moved_up(entry.path, path, names))
        if folder != path:
            os.rmdir(folder)
    os.rmdir(path)


def _open_up(folder: str) -> None:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        os.chmod(folder, 0o700)


def _moved_up(folder: str, root: str, names: Iterator[int]) -> str:
    while True:
        target = os.path.join(root, f".{next(names)}")
        try:
            rename_new(folder, target)
        except FileExistsError:
            continue
        return target


def copy_tree(source: str, target: str) -> None:
    """Copy a folder to another filesystem, flush it and read it back: returns only if the copy is true and durable.

    Modes and times are kept; symbolic links are copied as links. Raises MachineError where a file changed meanwhile or
    does not read back as it was written, OSError.
    """
    digests: dict[str, bytes] = {}
    folders = [(source, target)]
    for ours, theirs in folders:  # grows while it is walked
        os.mkdir(theirs, 0o700)
        with os.scandir(ours) as entries:
            for entry in entries:
                copy = os.path.join(theirs, entry.name)
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    folders.append((entry.path, copy))
                elif stat.S_ISREG(status.st_mode):
                    digests[copy] = _copy_file(entry.path, copy, status)
                elif stat.S_ISLNK(status.st_mode):
                    os.symlink(os.readlink(entry.path), copy)
                else:
                    os.mknod(copy, status.st_mode, status.st_rdev)
    for ours, theirs in reversed(folders):
        _keep_attributes(theirs, os.stat(ours))
    flush_filesystem(target)
    for copy, digest in digests.items():
        if _digest_on_disk(copy) != digest:
            raise MachineError(f"{copy} does not read back as it was written: the disk is not to be trusted")


def _copy_file(source: str, target: str, listed: os.stat_result) -> bytes:
    digest = hashlib.blake2b()
    with (
        open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0) as reader,
        open(target, "xb", buffering=0) as writer,
    ):
        while piece := reader.read(_COPY_PIECE):
            digest.update(piece)
            written = 0
            while written < len(piece):
                written += writer.write(piece[written:])
        after = os.fstat(reader.fileno())
    if (after.st_ino, after.st_size, after.st_mtime_ns) != (
        listed.st_ino,
        listed.st_size,
        listed.st_mtime_ns,
    ):
        raise MachineError(f"{source} changed while it was copied: is it still being written?")
    _keep_attributes(target, listed)
    return digest.digest()


def _keep_attributes(path: str, status: os.stat_result) -> None:
    os.chmod(path, stat.S_IMODE(status.st_mode))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _digest_on_disk(path: str) -> bytes:
    digest = hashlib.blake2b()
    with open(path, "rb", buffering=0) as reader:
        os.posix_fadvise(reader.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # not what the page cache still holds
        while piece := reader.read(_COPY_PIECE):
            digest.update(piece)
    return digest.digest()


def _is_folder(path: str) -> bool:
    return stat.S_ISDIR(os.lstat(path).st_mode)


def _mount(path: str) -> tuple[int, str]:
    with _open_folder(path) as descriptor:
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as lines:
            mount = next((line for line in lines if line.startswith("mnt_id:")), "")
        return os.fstat(descriptor).st_dev, mount


@contextmanager
def _open_folder(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
