"""Makes jobs for packages that have none: the folder in which a package lies says its state."""

import os

from jobrunner.domain.job import Adopted, Identity, Outcome, State
from jobrunner.files import inventory, receipts
from jobrunner.files.folders import Folders
from jobrunner.files.inventory import WorkFolder

_MOST_WORDS = 10_000
_NO_WORDS = "it had failed before its job was recorded again"


def from_archive(folders: Folders, identity: Identity) -> Adopted:
    """Return the job of an archived package: done, when its receipt says so. Raises OSError."""
    path = folders.archived(identity.name)
    changed = os.stat(path).st_mtime
    attempt = max(inventory.last_log(folders, identity.name), 1)
    if receipt := receipts.read(path):
        queued_at, handled_at = receipt.queued_at or changed, receipt.handled_at or changed
        return Adopted(identity, State.DONE, max(attempt, receipt.attempts), queued_at, handled_at)
    return Adopted(identity, State.DONE, attempt, changed, changed)


def from_failed(folders: Folders, identity: Identity, entry: str) -> Adopted:
    """Return the job of a failed package: failed, with what its error.txt says. Raises OSError."""
    path = os.path.join(folders.failed, entry)
    changed = os.stat(path).st_mtime
    error_name = inventory.our_error_file(path)
    error = ""
    if error_name:
        with open(os.path.join(path, error_name), encoding="utf-8", errors="backslashreplace") as file:
            error = file.read(_MOST_WORDS).strip()
    attempt = max(inventory.last_log(folders, identity.name), 1)
    place = entry, error_name or "error.txt"
    return Adopted(identity, State.FAILED, attempt, changed, changed, error or _NO_WORDS, *place, Outcome.FAILED)


def from_work(folder: WorkFolder, identity: Identity) -> Adopted:
    """Return the job of a package in a work folder: queued, so that its next attempt goes on there. Raises OSError.

    Id and attempt are the folder's, by which the next attempt finds it and how far it came.
    """
    changed = os.stat(folder.path).st_mtime
    return Adopted(identity, State.QUEUED, folder.attempt, changed, id=folder.job_id)
