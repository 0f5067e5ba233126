"""The logs of attempts: what their handlers print."""

import os
from contextlib import suppress

from jobrunner.domain.job import Job
from jobrunner.files.folders import Folders
from jobrunner.linux.modes import settle


def start_log(folders: Folders, name: str, attempt: int) -> str:
    """Make the log of an attempt for whoever may read the folder of logs, and return its path. Raises OSError."""
    path = folders.log(name, attempt)
    for_readers = os.stat(folders.logs).st_mode & 0o2070
    with suppress(FileExistsError):
        os.mkdir(os.path.dirname(path), 0o700)
    settle(os.path.dirname(path), 0o700 | for_readers)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600 | (for_readers & 0o040))
    finally:
        os.close(descriptor)
    return path


def logs_of(folders: Folders, job: Job) -> dict[int, str]:
    """Return the logs of the attempts at a job that printed anything or could have, by the attempt's number."""
    paths = {attempt: folders.log(job.name, attempt) for attempt in range(1, job.attempt + 1)}
    return {attempt: path for attempt, path in paths.items() if os.path.exists(path)}
