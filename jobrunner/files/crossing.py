"""The way of a package from an inbox on another filesystem: it is copied, and then the sender's folder is removed."""

import os
from collections.abc import Sequence
from contextlib import suppress

from jobrunner.domain.job import Job
from jobrunner.domain.settings import ExtractSettings
from jobrunner.files import delivery, moves, sweeping
from jobrunner.files.copying import Copy
from jobrunner.files.delivery import Source
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import Workspace, source_of
from jobrunner.linux import at


def fetch(inbox: int, job: Job, workspace: Workspace, folders: Folders, settings: ExtractSettings) -> Sequence[str]:
    """Bring a package from an open inbox to `package/`, and return what of it could not be taken.

    `copying/` is thrown away after a crash. `copied/` is whole; the sender's folder is still there unless it has been
    put out of sight. Raises PackageError, FileNotFoundError where there is no such delivery, MachineError, OSError.
    """
    left_out: Sequence[str] = ()
    if not os.path.lexists(workspace.copied):
        with at.held(delivery.opened(inbox, job.package)) as delivered:
            workspace.record_source(Source.of(delivered, job.id))
            copy = Copy(
                delivered,
                folders.rights,
                settings,
                lenient=job.verdict is not None,
                verified=True,
                report=workspace.report_copied,
            )
            write(copy, workspace)
        moves.flush_filesystem(workspace.path)
        with moves.opened(workspace.copying) as copied:
            copy.verify(copied)
        os.rename(workspace.copying, workspace.copied)
        moves.flush_directory(workspace.path)
        left_out = copy.notes
    source = source_of(workspace.path)
    if source is not None:
        delivery.hide(inbox, job.package, source)
    os.rename(workspace.copied, workspace.package)
    moves.flush_directory(workspace.path)
    with suppress(OSError):  # when the job has ended, it is tried again
        sweeping.remove_source(folders, workspace.path)
    return left_out


def write(copy: Copy, workspace: Workspace) -> None:
    """Make a copy in `copying/`, from the beginning."""
    moves.remove_tree(workspace.copying)
    os.mkdir(workspace.copying, 0o700)
    with moves.opened(workspace.copying) as target:
        copy.make(target)
