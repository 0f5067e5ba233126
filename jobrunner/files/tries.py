"""The work folder of a try, `.try-TOKEN`: a copy of what is tried, and what becomes of it. No attempt needs it."""

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from jobrunner.domain.errors import JobrunnerError, PackageError
from jobrunner.domain.job import Job
from jobrunner.domain.package import Footprint, shown
from jobrunner.domain.settings import ExtractSettings
from jobrunner.domain.tried import Changes
from jobrunner.files import inventory, moves, receipts, space
from jobrunner.files.copying import Copy
from jobrunner.files.folders import Folders
from jobrunner.files.looking import BLOCK, refuse_beyond
from jobrunner.files.trees import Kind, Walk
from jobrunner.files.workspace import TRY_PREFIX, Workspace
from jobrunner.linux import at

_PIECE = 1 << 20

#: Told of each piece of a long copy, so that it can raise an error to end that.
Progress = Callable[[int, int], None]


class Mark(NamedTuple):
    """By what a file is known to have changed."""

    inode: int
    size: int
    changed_at: int  #: nanoseconds since 1970


def workspace_of(folders: Folders, token: str, attempt: int) -> Workspace:
    """Return the work folder of a try, whether it exists or not."""
    return Workspace.in_folder(f"{folders.work}/.{token}", attempt)


def token_of(path: str) -> str:
    """Return the token of the try whose work folder this is."""
    return os.path.basename(path).removeprefix(".")


def lying(folders: Folders) -> list[str]:
    """Return the work folders of all tries, dead ones among them. Raises OSError."""
    return [os.path.join(folders.work, name) for name in os.listdir(folders.work) if name.startswith(TRY_PREFIX)]


def bring(
    source: str, job: Job, workspace: Workspace, folders: Folders, settings: ExtractSettings, report: Progress
) -> Footprint:
    """Copy what is tried into the work folder, as `package`, and return what it holds: nothing else is ever changed.

    `source` is a zip or the folder of the job's package, as its sender left it. Of an archived package only the zip is
    copied.
    Raises PackageError, MachineError, OSError.
    """
    folders.rights.make_folder(workspace.package)
    above, name = os.path.split(source)
    if not os.path.isdir(source):
        return _copy_zip(source, f"{workspace.package}/{name}", folders, settings, report)
    if os.path.realpath(above) == os.path.realpath(folders.archive):
        zip_path = folders.zip_of(source, job.package)
        return _copy_zip(zip_path, f"{workspace.package}/{os.path.basename(zip_path)}", folders, settings, report)
    if os.path.islink(source):
        raise PackageError("its folder is a symbolic link: name the folder itself")
    opened = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with at.held(opened) as package, moves.opened(workspace.package) as target:
        copy = Copy(package, folders.rights, settings, lenient=False, verified=False, report=report)
        copy.make(target)
    if os.path.realpath(above) == os.path.realpath(folders.failed) and (ours := inventory.our_error_file(source)):
        os.unlink(f"{workspace.package}/{ours}")
        receipts.remove(workspace.package, job.identity)
    return copy.found


def marks(data: str) -> dict[str, Mark]:
    """Return what is in a data folder, by paths in it, for `changes`; nothing where it is no folder any more."""
    found: dict[str, Mark] = {}
    if os.path.islink(data):  # in its place, the handler has left one
        return found
    with suppress(FileNotFoundError, NotADirectoryError), moves.opened(data) as root:
        for kind, folder, name in (walk := Walk(root)):
            if kind in {Kind.FILE, Kind.OTHER}:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                found[walk.path(name)] = Mark(status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def changes(before: dict[str, Mark], after: dict[str, Mark]) -> Changes:
    """Return what has become of a data folder between two looks at it."""
    return Changes(
        made=sorted(after.keys() - before.keys()),
        changed=sorted(path for path in before.keys() & after.keys() if before[path] != after[path]),
        removed=sorted(before.keys() - after.keys()),
    )


def check_empty(folder: str) -> None:
    """Raise JobrunnerError where a data folder cannot be left under this path: something is there."""
    if os.path.lexists(folder) and not (os.path.isdir(folder) and not os.listdir(folder)):
        raise JobrunnerError(f"{shown(folder)} is there already: name a folder that is not, or an empty one")


def leave(workspace: Workspace, folder: str) -> None:
    """Move the data folder of a try, if there is one, to where the user wants it. Raises OSError."""
    if os.path.isdir(workspace.data) and not os.path.islink(workspace.data):
        with suppress(FileNotFoundError):
            os.rmdir(folder)
        shutil.move(workspace.data, folder)


def _copy_zip(source: str, target: str, folders: Folders, settings: ExtractSettings, report: Progress) -> Footprint:
    descriptor = os.open(os.path.realpath(source), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with at.held(descriptor), open(target, "xb", buffering=0) as copy:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PackageError("its zip is not a file")
        size = status.st_blocks * BLOCK
        refuse_beyond(1, size, settings)
        if not at.clone(descriptor, copy.fileno()):
            space.require(copy.fileno(), size, settings.keep_free)
            done = 0
            while piece := os.read(descriptor, _PIECE):
                report(done, status.st_size)
                done += copy.write(piece)
        folders.rights.give(copy.fileno(), 0o644)
        os.utime(copy.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
    return Footprint(1, size)
