"""What a delivery holds, and when it changed last: by descriptors, as it may change meanwhile."""

import os
import stat
from itertools import islice

from jobrunner.domain.status import Contents
from jobrunner.files.trees import Kind, Walk
from jobrunner.linux import at

_MOST_COUNTED = 200  # files, for people


def contents_of(inbox: int, name: str) -> Contents:
    """Return what a delivery in an open inbox holds. Raises OSError."""
    status = at.status(inbox, name)
    if not stat.S_ISDIR(status.st_mode):
        return Contents(1, status.st_size, status.st_ctime, is_all=True)
    with at.held(at.open_folder(inbox, name)) as folder:
        return _in_folder(folder)


def newest_change(folder: int, now: float, most: int | None = None) -> float:
    """Return when anything in an open folder was last written, added or removed; ctime cannot be set back.

    That is `now` where something has gone meanwhile; what may not be read does not count. `most`: of so many files and
    folders, about.
    """
    newest = 0.0
    try:
        for kind, inner, name in islice(Walk(folder, opening=_opened_if_permitted), most):
            if kind is not Kind.LEAVE:
                status = os.fstat(inner) if kind is Kind.ENTER else at.status(inner, name)
                newest = max(newest, status.st_ctime)
    except FileNotFoundError:
        return now
    return newest


def _in_folder(folder: int) -> Contents:
    files = size = 0
    changed_at = os.fstat(folder).st_ctime
    for kind, inner, name in Walk(folder, opening=_opened_if_permitted):
        if kind in {Kind.FILE, Kind.OTHER}:
            if files == _MOST_COUNTED:
                return Contents(files, size, changed_at, is_all=False)
            status = at.status(inner, name)
            files, size, changed_at = files + 1, size + status.st_size, max(changed_at, status.st_ctime)
    return Contents(files, size, changed_at, is_all=True)


def _opened_if_permitted(folder: int, name: str) -> int | None:
    try:
        return at.open_folder(folder, name)
    except PermissionError:
        return None
