"""The way of a package into the work folder of an attempt, from wherever it lies; from then on it is ours alone."""

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from jobrunner.domain.errors import ClaimLost, PackageError
from jobrunner.domain.job import Job
from jobrunner.domain.package import NOTHING, Footprint
from jobrunner.domain.settings import ExtractSettings
from jobrunner.files import crossing, delivery, moves, receipts, repeating, sweeping
from jobrunner.files.copying import Copy
from jobrunner.files.folders import Folders
from jobrunner.files.looking import look_through
from jobrunner.files.workspace import Stage, Workspace
from jobrunner.linux import at

#: Raises ClaimLost where the job is no longer this worker's.
Confirm = Callable[[], None]
#: Called before anything that may take long.
BeforeLong = Callable[[], None]

#: A package of at most so many bytes is taken and extracted in milliseconds.
SMALL = 4 * 2**20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Taken(NamedTuple):
    """How far an earlier attempt at a package came that has been taken.

    `found`: what the sender's folder holds, its zip included. `left_out`: what of it could not be taken, in words.
    """

    stage: Stage
    found: Footprint = NOTHING
    left_out: Sequence[str] = ()


class Taking:
    """Takes packages. What is ours alone is renamed; of what others may change, a copy is made (decision 17)."""

    def __init__(self, folders: Folders, settings: ExtractSettings, disk: moves.Watch) -> None:
        """`disk` is the work folder's: it is held open from before anything is written, for the flush."""
        self._folders = folders
        self._settings = settings
        self._disk = disk

    def take(self, job: Job, workspace: Workspace, confirm: Confirm, before_long: BeforeLong = lambda: None) -> Taken:
        """Bring a claimed job's package into the attempt's own work folder, and say how far an earlier one came.

        It may lie in the work folder of that one, in the failed folder, in the inbox or, of what is made again, in the
        archive, where it stays. A condemned package that has
        been moved to the failed folder already is left there; of one that is not there yet is taken what can be.

        Raises PackageError where the package is nowhere or cannot be taken, MachineError, OSError, ClaimLost. `confirm`
        is asked when the folder is made, before anything moves into it: whoever takes the job over later finds the
        folder. `before_long` is called before a large copy.
        """
        self._disk.begin()
        stage = self._take_over(job, workspace)
        if stage is None:
            stage = self._begin(workspace, confirm)
        if not job.identity.is_plain:
            workspace.record_identity(job.identity)
        if stage > Stage.HANDLED:
            return Taken(stage)
        left_out: Sequence[str] = ()
        if stage is not Stage.NEW:
            if job.verdict and self._folders.has_failed(job) and not os.path.lexists(workspace.package):
                return Taken(stage)  # what got to failed had been flushed before
            workspace.distrust_copy()
        if stage is Stage.NEW or not workspace.has_package():
            left_out = self._fetch(job, workspace, stage, before_long)
        found, more_left_out = self._make_ours(job, workspace, before_long)
        if stage is not Stage.NEW:
            with suppress(OSError):  # when the job has ended, it is tried again
                sweeping.remove_source(self._folders, workspace.path)
        if stage <= Stage.TAKEN and job.error_name is not None:  # at a later stage it may be the handler's
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(workspace.package, job.error_name))
            receipts.remove(workspace.package, job.identity)
        return Taken(stage, found, left_out or more_left_out)

    def _take_over(self, job: Job, workspace: Workspace) -> Stage | None:
        """Return how far the attempt came whose work folder is this one's now; None where there is none."""
        if job.attempt == 1:
            return None
        if os.path.lexists(workspace.path):
            return workspace.stage()
        for attempt in range(job.attempt - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.rename(Workspace.at(self._folders.work, job.id, attempt).path, workspace.path)
                os.chmod(workspace.path, 0o700)  # an older jobrunner let others in
                return workspace.stage()
        return None

    def _begin(self, workspace: Workspace, confirm: Confirm) -> Stage:
        try:
            os.mkdir(workspace.path, 0o700)
        except FileExistsError:
            return workspace.stage()
        try:
            confirm()
        except ClaimLost:
            os.rmdir(workspace.path)
            raise
        return Stage.NEW

    def _fetch(self, job: Job, workspace: Workspace, stage: Stage, before_long: BeforeLong) -> Sequence[str]:
        if job.failed_name is not None:
            failed = os.path.join(self._folders.failed, job.failed_name)
            if os.path.lexists(failed):
                if not job.verdict:
                    moves.rename_new(failed, workspace.package)
                return ()
        if job.source is not None:
            before_long()
            repeating.fetch(job, job.source, workspace, self._folders, self._settings)
            return ()
        try:
            with at.held(at.open_root(self._folders.inbox)) as inbox:
                is_copied = stage is not Stage.NEW and os.path.lexists(workspace.copied)
                if not is_copied and delivery.take(inbox, job.package, workspace.package):
                    return ()
                before_long()
                return crossing.fetch(inbox, job, workspace, self._folders, self._settings)
        except FileNotFoundError:
            if not (os.path.ismount if self._folders.inbox_is_a_disk else os.path.isdir)(self._folders.inbox):
                raise
            raise PackageError("the package is not in the inbox any more: deliver it again") from None

    def _make_ours(self, job: Job, workspace: Workspace, before_long: BeforeLong) -> tuple[Footprint, Sequence[str]]:
        """Copy the package if others may change it; the sender's own stays until the archive is durable.

        Return what it holds, and what could not be taken.
        """
        for part in (workspace.package, workspace.delivered):
            try:
                opened = _opened(part)
            except FileNotFoundError:
                continue
            with at.held(opened) as package:
                found = look_through(package, self._folders.rights, self._settings)
                if found and part is workspace.delivered:
                    os.rename(part, workspace.package)
                if found:
                    return found, ()
                if part is workspace.package:
                    os.rename(part, workspace.delivered)
                if not _is_small(package, f"{job.package}.zip"):
                    before_long()
                copy = Copy(
                    package,
                    self._folders.rights,
                    self._settings,
                    lenient=job.verdict is not None,
                    verified=False,
                    report=workspace.report_copied,
                )
                crossing.write(copy, workspace)
                workspace.record_copy()
                return copy.found, copy.notes
        return NOTHING, ()


def _is_small(package: int, zip_name: str) -> bool:
    with suppress(OSError):
        return at.status(package, zip_name).st_size <= SMALL
    return False


def _opened(path: str) -> int:
    """Open a folder in the work folder; our user's gets the rights for it. Raises NotTaken if it is none, OSError."""
    try:
        try:
            return os.open(path, _FOLDER)
        except PermissionError:
            os.chmod(path, stat.S_IRWXU)
            return os.open(path, _FOLDER)
    except OSError as error:
        raise delivery.not_taken(error) from error
