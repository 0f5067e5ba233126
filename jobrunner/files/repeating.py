"""The way of a package that is done into a work folder once more: the sender's files are copied from the archive."""

import os

from jobrunner.domain.errors import PackageError
from jobrunner.domain.job import Job
from jobrunner.domain.package import shown
from jobrunner.domain.settings import ExtractSettings
from jobrunner.files import crossing, moves, receipts
from jobrunner.files.copying import Copy
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import Workspace


def fetch(job: Job, source: str, workspace: Workspace, folders: Folders, settings: ExtractSettings) -> None:
    """Copy what its sender delivered from a folder in the archive to `package/`, which is whole once it is there.

    The receipt says which files these are; without one it is the zip. Raises PackageError where any is not there any
    more, NotTaken, MachineError, OSError.
    """
    path = folders.archived(source)
    try:
        receipt = receipts.read_verified(path)
        files = receipt.sender_files if receipt else [os.path.basename(folders.zip_of(path, job.package))]
        with moves.opened(path) as archived:
            report = workspace.report_copied
            copy = Copy(archived, folders.rights, settings, lenient=False, verified=False, report=report, only=files)
            crossing.write(copy, workspace)
    except FileNotFoundError:
        raise PackageError(f"archive/{shown(source)} is not there any more") from None
    moves.flush_filesystem(workspace.path)
    os.rename(workspace.copying, workspace.package)
    moves.flush_directory(workspace.path)
