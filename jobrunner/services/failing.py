"""The end of a job that fails: its package goes to the failed folder, with the reason."""

import os
from collections.abc import Sequence
from functools import partial

from jobrunner.domain.errors import NotTaken
from jobrunner.domain.job import Job
from jobrunner.domain.retry import Decision
from jobrunner.files import moves
from jobrunner.files.folders import Folders
from jobrunner.files.taking import Taking
from jobrunner.files.workspace import Workspace
from jobrunner.services.machine import Machine
from jobrunner.store.store import Store


class Failing:
    """Each step is recorded before it is taken: a crash between the two is found out by the next attempt."""

    def __init__(self, folders: Folders, taking: Taking, store: Store, machine: Machine) -> None:
        self._folders = folders
        self._taking = taking
        self._store = store
        self._machine = machine

    def put_in_failed(self, job: Job, decision: Decision) -> tuple[str, str]:
        """Move the package of a claimed job to the failed folder, durably, and return its name and our file's there.

        Raises NotTaken where it cannot be taken there, PackageError where it is nowhere, ClaimLost, Stopped,
        MachineError, OSError.
        """
        try:
            taken = self._taking.take(job._replace(condemned=True), self.confirm)
        except NotTaken:
            if job.failed_name is None:
                raise
            taken = self._taking.as_it_is(job)  # it has been in the failed folder
        workspace = taken.workspace
        if os.path.lexists(workspace.package):
            return self._move(job, workspace, decision, taken.left_out)
        # moved by an attempt that was cut short; or never taken from there after a retry
        assert job.failed_name is not None
        assert job.error_name is not None
        aside = os.path.join(workspace.path, "error.txt")
        moves.remove_tree(aside)
        _write(aside, decision.reason or "", ())
        moves.flush_filesystem(workspace.path)
        os.rename(aside, os.path.join(self._folders.failed, job.failed_name, job.error_name))
        moves.flush_directory(os.path.join(self._folders.failed, job.failed_name))
        return job.failed_name, job.error_name

    def leave_in_inbox(self, job: Job) -> str | None:
        """Leave a package that cannot be taken where its sender put it, and return what it is recognised by there.

        None where something else has its name by now. Raises OSError.
        """
        return self._taking.put_back(job)

    def confirm(self, job: Job) -> None:
        """Raise ClaimLost where the job is somebody else's by now, Stopped."""
        self._machine.until_it_works(partial(self._store.queue.confirm, job))

    def _move(self, job: Job, workspace: Workspace, decision: Decision, left_out: Sequence[str]) -> tuple[str, str]:
        while True:
            failed_name = moves.free_name(self._folders.failed, job.name)
            error_name = moves.free_name(workspace.package, "error", ".txt")
            self._machine.until_it_works(partial(self._condemn, job, decision, failed_name, error_name))
            _write(os.path.join(workspace.package, error_name), decision.reason or "", left_out)
            moves.flush_filesystem(workspace.path)
            try:
                moves.publish(workspace.package, os.path.join(self._folders.failed, failed_name))
            except FileExistsError:
                os.unlink(os.path.join(workspace.package, error_name))
                continue
            return failed_name, error_name

    def _condemn(self, job: Job, decision: Decision, failed_name: str, error_name: str) -> None:
        with self._store.write():
            self._store.queue.condemn(job, decision, failed_name, error_name)


def _write(path: str, reason: str, left_out: Sequence[str]) -> None:
    lines = [reason, *(["", "Not in this folder, because it could not be taken:", *left_out] if left_out else [])]
    with open(path, "x", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(f"{line}\n" for line in lines)
