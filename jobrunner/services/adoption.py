"""Makes jobs for packages that have none: the folder in which a package lies says its state."""

import os

from jobrunner.domain.job import Adopted, Outcome, State
from jobrunner.files import inventory
from jobrunner.files.folders import Folders
from jobrunner.files.inventory import WorkFolder

_MOST_WORDS = 10_000
_NO_WORDS = "it had failed before its job was recorded again"


def from_archive(folders: Folders, name: str) -> Adopted:
    """Return the job of an archived package: done. Raises OSError."""
    changed = os.stat(folders.archived(name)).st_mtime
    return Adopted(name, State.DONE, max(inventory.last_log(folders, name), 1), changed, changed)


def from_failed(folders: Folders, name: str, entry: str) -> Adopted:
    """Return the job of a failed package: failed, with what its error.txt says. Raises OSError."""
    path = os.path.join(folders.failed, entry)
    changed = os.stat(path).st_mtime
    error_name = inventory.our_error_file(path)
    error = ""
    if error_name:
        with open(os.path.join(path, error_name), encoding="utf-8", errors="backslashreplace") as file:
            error = file.read(_MOST_WORDS).strip()
    attempt = max(inventory.last_log(folders, name), 1)
    place = entry, error_name or "error.txt"
    return Adopted(name, State.FAILED, attempt, changed, changed, error or _NO_WORDS, *place, Outcome.FAILED)


def from_work(folder: WorkFolder, name: str) -> Adopted:
    """Return the job of a package in a work folder: queued, so that its next attempt goes on there. Raises OSError.

    Id and attempt are the folder's, by which the next attempt finds it and how far it came.
    """
    changed = os.stat(folder.path).st_mtime
    return Adopted(name, State.QUEUED, folder.attempt, changed, id=folder.job_id)
