"""The logs of attempts: what their handlers print."""

import errno
import os
import re
from contextlib import suppress
from typing import NamedTuple

from jobrunner.domain.job import Job
from jobrunner.files.folders import Folders
from jobrunner.linux import at
from jobrunner.linux.modes import settle

_LOG = re.compile(r"([0-9]{1,18})\.log")
_BLOCK = 512  # bytes, whatever the filesystem's are


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


def flush_log(path: str) -> None:
    """Make a log durable, as it is, if its disk lets us: nothing else is held up by that."""
    folder = os.path.dirname(path)
    with suppress(OSError):
        for part in (path, folder, os.path.dirname(folder)):
            with at.held(os.open(part, os.O_RDONLY)) as descriptor:
                os.fsync(descriptor)


def logs_of(folders: Folders, job: Job) -> dict[int, str]:
    """Return the logs of the attempts at a job that printed anything or could have, by the attempt's number."""
    paths = {attempt: folders.log(job.name, attempt) for attempt in range(1, job.attempt + 1)}
    return {attempt: path for attempt, path in paths.items() if os.path.exists(path)}


class Logs(NamedTuple):
    """Some logs: how many, and the bytes that they take on the disk."""

    number: int
    size: int


def up_to(folder: int, name: str, last: int, *, remove: bool) -> Logs | None:
    """Return which logs a package has of attempts up to the `last`, and remove them if that is asked for.

    `folder` is the folder of all logs, held open; None: the package has none in it. Raises OSError.
    """
    number = size = 0
    with suppress(FileNotFoundError), at.held(at.open_our_folder(folder, name)) as logs:
        with os.scandir(logs) as entries:
            found = [entry for entry in entries if (match := _LOG.fullmatch(entry.name)) and int(match[1]) <= last]
        for log in found:
            size += log.stat(follow_symlinks=False).st_blocks * _BLOCK
            if remove:
                os.unlink(log.name, dir_fd=logs)
            number += 1
        return Logs(number, size)
    return None


def remove_folder(folder: int, name: str) -> None:
    """Remove the folder of a package's logs, unless there is something in it. Raises OSError."""
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.ENOENT}:
            raise
