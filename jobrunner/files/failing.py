"""The way of a package that fails: to the failed folder, with the reason; or back to the inbox, if it is not taken."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from jobrunner.domain.errors import NotTaken, PackageError
from jobrunner.domain.job import Job
from jobrunner.domain.receipt import text_of
from jobrunner.files import delivery, moves, receipts
from jobrunner.files.folders import Folders
from jobrunner.files.taking import Confirm, Taking
from jobrunner.files.workspace import Workspace
from jobrunner.linux import at

#: Records as what the package is going to lie in the failed folder: its name there, and our file's in it.
Announce = Callable[[str, str], None]


class Failing:
    """Each step is recorded before it is taken: a crash between the two is found out by the next attempt."""

    def __init__(self, folders: Folders, taking: Taking) -> None:
        self._folders = folders
        self._taking = taking

    def put_in_failed(self, job: Job, reason: str, confirm: Confirm, announce: Announce) -> tuple[str, str]:
        """Move the package of a condemned job to the failed folder, durably, and return its name and our file's there.

        Raises NotTaken where it cannot be taken there, PackageError where it is nowhere, MachineError, OSError, and
        what `confirm` (see `Taking.take`) and `announce` raise.
        """
        workspace = Workspace.at(self._folders.work, job.id, job.attempt)
        if job.source and not self._folders.workspace(job).has_package() and not self._folders.has_failed(job):
            raise PackageError("all of it is in the archive")  # where it stays
        left_out: Sequence[str] = ()
        try:
            left_out = self._taking.take(job, workspace, confirm).left_out
        except NotTaken:
            if job.failed_name is None:
                raise
            with suppress(FileNotFoundError):  # it has been in the failed folder: it goes there as it is
                os.rename(workspace.delivered, workspace.package)
        if os.path.lexists(workspace.package):
            return self._move(job, workspace, reason, left_out, announce)
        # moved by an attempt that was cut short; or never taken from there after a retry
        if job.failed_name is None or job.error_name is None:
            raise PackageError("the package is nowhere: deliver it again")
        failed = os.path.join(self._folders.failed, job.failed_name)
        aside = os.path.join(workspace.path, "error.txt")
        moves.remove_tree(aside)
        _write(aside, reason, ())
        moves.flush_filesystem(workspace.path)
        os.rename(aside, os.path.join(failed, job.error_name))
        moves.flush_directory(failed)
        return job.failed_name, job.error_name

    def leave_in_inbox(self, job: Job) -> str | None:
        """Put a package that cannot be taken back in the inbox, durably, and return its fingerprint there.

        None where there is none of it in the inbox: a new delivery, or something else, has its name by now. Raises
        OSError.
        """
        workspace = Workspace.at(self._folders.work, job.id, job.attempt)
        with suppress(FileNotFoundError):
            os.unlink(workspace.source)  # nothing of it is to be removed
        with at.held(at.open_root(self._folders.inbox)) as inbox:
            name = job.package
            for part in ("package", "delivered"):
                if os.path.lexists(f"{workspace.path}/{part}"):
                    with moves.opened(workspace.path) as ours:
                        name = delivery.put_back(inbox, name, ours, part)
            return delivery.fingerprint(inbox, name) if name == job.package else None

    def _move(
        self, job: Job, workspace: Workspace, reason: str, left_out: Sequence[str], announce: Announce
    ) -> tuple[str, str]:
        while True:
            failed_name = moves.free_name(self._folders.failed, job.name)
            error_name = moves.free_name(workspace.package, "error", ".txt")
            announce(failed_name, error_name)
            self._put_receipt(job, workspace)
            _write(os.path.join(workspace.package, error_name), reason, left_out)
            moves.flush_filesystem(workspace.path)
            try:
                moves.publish(workspace.package, os.path.join(self._folders.failed, failed_name))
            except FileExistsError:
                os.unlink(os.path.join(workspace.package, error_name))
                receipts.remove(workspace.package, job.identity)
                continue
            return failed_name, error_name

    def _put_receipt(self, job: Job, workspace: Workspace) -> None:
        """Say whose package it is where its zip does not tell that; it has to have one, to be believed."""
        package = workspace.package
        with suppress(PackageError):
            zip_name = os.path.basename(self._folders.zip_of(package, job.package))
            if not job.identity.is_plain or zip_name != f"{job.package}.zip":
                text = text_of(job.identity, receipts.zip_in(package, zip_name), [], None)
                receipts.put(package, text, f"{workspace.path}/receipt")


def put_aside(folders: Folders, failed_name: str) -> None:
    """Give a package in the failed folder the next free name: a new delivery of it has come. Raises OSError."""
    source = os.path.join(folders.failed, failed_name)
    if os.path.lexists(source):
        moves.publish(source, os.path.join(folders.failed, moves.free_name(folders.failed, failed_name)))


def _write(path: str, reason: str, left_out: Sequence[str]) -> None:
    lines = [reason, *(["", "Not in this folder, because it could not be taken:", *left_out] if left_out else [])]
    with open(path, "x", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(f"{line}\n" for line in lines)
