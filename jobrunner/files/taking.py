"""The way of a package into the work folder of an attempt, from wherever it lies; from then on it is ours alone."""

import errno
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from jobrunner.domain.errors import ClaimLost, NotTaken, PackageError
from jobrunner.domain.job import Job
from jobrunner.domain.package import NOTHING, Footprint
from jobrunner.domain.settings import ExtractSettings
from jobrunner.files import delivery, moves
from jobrunner.files.copying import Copy
from jobrunner.files.delivery import Source
from jobrunner.files.folders import Folders
from jobrunner.files.looking import look_through
from jobrunner.files.workspace import Stage, Workspace, remove_unless_needed, source_of
from jobrunner.linux import at

#: A package of at most so many bytes is taken and extracted in milliseconds.
SMALL = 4 * 2**20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Taken(NamedTuple):
    """A package in the work folder of an attempt, and how far an earlier one came.

    `found`: what the sender's folder holds, its zip included. `left_out`: what of it could not be taken, in words.
    """

    workspace: Workspace
    stage: Stage
    found: Footprint = NOTHING
    left_out: Sequence[str] = ()


class Taking:
    """Takes packages. What is ours alone is renamed; of what others may change, a copy is made (decision 17)."""

    def __init__(self, folders: Folders, settings: ExtractSettings) -> None:
        self._folders = folders
        self._settings = settings

    def take(self, job: Job, confirm: Callable[[Job], None], before_long: Callable[[], None] = lambda: None) -> Taken:
        """Bring a claimed job's package into the attempt's own work folder, and say how far an earlier one came.

        It may lie in the work folder of that one, in the failed folder or in the inbox. A condemned package that has
        been moved to the failed folder already is left there; of one that is not there yet is taken what can be.

        Raises PackageError where the package is nowhere or cannot be taken, MachineError, OSError. `confirm` raises
        ClaimLost where the job is somebody else's by now. It is asked when the folder is made, before anything moves
        into it: whoever takes the job over later finds the folder. `before_long` is called before a large copy.
        """
        self._folders.watch_the_disk()
        workspace, stage = self._work_folder(job, confirm)
        if stage > Stage.HANDLED:
            return Taken(workspace, stage)
        left_out: Sequence[str] = ()
        if stage is not Stage.NEW:
            if job.condemned and self._folders.has_failed(job) and not os.path.lexists(workspace.package):
                return Taken(workspace, stage)  # what got to failed had been flushed before
            workspace.distrust_copy()
        if stage is Stage.NEW or not workspace.has_package():
            left_out = self._fetch(job, workspace, stage, before_long)
        found, more_left_out = self._make_ours(job, workspace, before_long)
        if stage is not Stage.NEW:
            with suppress(OSError):  # when the job has ended, it is tried again
                self.remove_source(workspace.path)
        if stage <= Stage.TAKEN and job.error_name is not None:  # at a later stage it may be the handler's
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(workspace.package, job.error_name))
        return Taken(workspace, stage, found, left_out or more_left_out)

    def as_it_is(self, job: Job) -> Taken:
        """Return a package that could not be taken as it lies in the attempt's work folder. Raises OSError."""
        workspace = self._folders.own(job)
        with suppress(FileNotFoundError):
            os.rename(workspace.delivered, workspace.package)
        return Taken(workspace, workspace.stage())

    def put_back(self, job: Job) -> str | None:
        """Leave a package that could not be taken in the inbox, durably, and return its fingerprint there.

        None where there is none of it in the inbox: a new delivery, or something else, has its name by now. Raises
        OSError.
        """
        workspace = self._folders.own(job)
        with suppress(FileNotFoundError):
            os.unlink(workspace.source)  # nothing of it is to be removed
        with at.held(at.open_root(self._folders.inbox)) as inbox:
            name = job.name
            for part in ("package", "delivered"):
                if os.path.lexists(f"{workspace.path}/{part}"):
                    with at.held(_opened(workspace.path)) as ours:
                        name = delivery.put_back(inbox, name, ours, part)
            return delivery.fingerprint(inbox, name) if name == job.name else None

    def remove_source(self, work_folder: str) -> None:
        """Remove the folder in an inbox on another disk of which a work folder has a copy, if it is still there.

        Raises OSError where that cannot be done now.
        """
        source = source_of(work_folder)
        if source is not None:
            with at.held(at.open_root(self._folders.inbox)) as inbox:
                delivery.remove_hidden(inbox, source)
            os.unlink(os.path.join(work_folder, "source"))

    def sweep(self, job_id: int) -> None:
        """Remove what a job that has ended left in the work folder and, hidden, in the inbox. Raises OSError."""
        for path in self._folders.workspaces().get(job_id, []):
            with suppress(FileNotFoundError):  # its worker may be at it, too
                self.remove_source(path)
                remove_unless_needed(path)

    def sweep_left_over(self) -> None:
        """Remove what could not be removed before, as far as that is possible now."""
        for path in self._folders.left_over():
            with suppress(OSError):  # status and the check tell of what is left
                moves.remove_tree(path)

    def _work_folder(self, job: Job, confirm: Callable[[Job], None]) -> tuple[Workspace, Stage]:
        workspace = self._folders.own(job)
        if job.attempt > 1 and self._take_over(job, workspace):
            return workspace, workspace.stage()
        try:
            os.mkdir(workspace.path, 0o700)
        except FileExistsError:
            return workspace, workspace.stage()
        try:
            confirm(job)
        except ClaimLost:
            os.rmdir(workspace.path)
            raise
        return workspace, Stage.NEW

    def _take_over(self, job: Job, workspace: Workspace) -> bool:
        if os.path.lexists(workspace.path):
            return True
        for attempt in range(job.attempt - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.rename(Workspace.at(self._folders.work, job.id, attempt).path, workspace.path)
                os.chmod(workspace.path, 0o700)  # an older jobrunner let others in
                return True
        return False

    def _fetch(self, job: Job, workspace: Workspace, stage: Stage, before_long: Callable[[], None]) -> Sequence[str]:
        if job.failed_name is not None:
            failed = os.path.join(self._folders.failed, job.failed_name)
            if os.path.lexists(failed):
                if not job.condemned:
                    moves.rename_new(failed, workspace.package)
                return ()
        try:
            with at.held(at.open_root(self._folders.inbox)) as inbox:
                is_copied = stage is not Stage.NEW and os.path.lexists(workspace.copied)
                if not is_copied and delivery.take(inbox, job.name, workspace.package):
                    return ()
                before_long()
                return self._fetch_across(inbox, job, workspace)
        except FileNotFoundError:
            if not (os.path.ismount if self._folders.inbox_is_a_disk else os.path.isdir)(self._folders.inbox):
                raise
            raise PackageError("the package is not in the inbox any more: deliver it again") from None

    def _fetch_across(self, inbox: int, job: Job, workspace: Workspace) -> Sequence[str]:
        """Take a package from an inbox on another filesystem: it is copied, and then the sender's folder removed.

        `copying/` is thrown away after a crash. `copied/` is whole; the sender's folder is still there unless it has
        been put out of sight.
        """
        left_out: Sequence[str] = ()
        if not os.path.lexists(workspace.copied):
            with at.held(_open_delivery(inbox, job.name)) as delivered:
                workspace.record_source(Source.of(delivered, job.id))
                copy = Copy(delivered, self._folders.rights, self._settings, lenient=job.condemned, verified=True)
                self._make(copy, workspace)
            moves.flush_filesystem(workspace.path)
            with at.held(_opened(workspace.copying)) as copied:
                copy.verify(copied)
            os.rename(workspace.copying, workspace.copied)
            moves.flush_directory(workspace.path)
            left_out = copy.notes
        source = source_of(workspace.path)
        if source is not None:
            delivery.hide(inbox, job.name, source)
        os.rename(workspace.copied, workspace.package)
        moves.flush_directory(workspace.path)
        with suppress(OSError):  # when the job has ended, it is tried again
            self.remove_source(workspace.path)
        return left_out

    def _make_ours(
        self, job: Job, workspace: Workspace, before_long: Callable[[], None]
    ) -> tuple[Footprint, Sequence[str]]:
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
                if not _is_small(package, f"{job.name}.zip"):
                    before_long()
                copy = Copy(package, self._folders.rights, self._settings, lenient=job.condemned, verified=False)
                self._make(copy, workspace)
                workspace.record_copy()
                return copy.found, copy.notes
        return NOTHING, ()

    def _make(self, copy: Copy, workspace: Workspace) -> None:
        moves.remove_tree(workspace.copying)
        os.mkdir(workspace.copying, 0o700)
        with at.held(_opened(workspace.copying)) as target:
            copy.make(target)


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
        raise _not_taken(error) from error


def _open_delivery(inbox: int, name: str) -> int:
    try:
        return at.open_folder(inbox, name)
    except OSError as error:
        raise _not_taken(error) from error


def _not_taken(error: OSError) -> Exception:
    if error.errno in {errno.ENOTDIR, errno.ELOOP, errno.EXDEV}:
        return NotTaken("what lies under its name is not a folder of this filesystem: deliver a folder")
    return error
