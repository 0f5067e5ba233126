"""What lies in a home's folders, each of them listed once, and which packages those are."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from jobrunner.domain.job import Identity
from jobrunner.domain.naming import is_zip_of
from jobrunner.files import fence, keeping, receipts
from jobrunner.files.delivery import TAKEN_PREFIX
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import (
    LEFTOVER_PREFIX,
    TRY_PREFIX,
    WORKSPACE_NAME,
    holds_package,
    identity_of,
    name_of,
)

_OURS_IN_WORK = {".workers", ".home", keeping.FOLDER, fence.PROBES}


class WorkFolder(NamedTuple):
    """The work folder of an attempt."""

    path: str
    job_id: int
    attempt: int


def is_needed(work_folder: str) -> bool:
    """Say whether an attempt can go on from a work folder: it holds the package, or says that this is archived."""
    return holds_package(work_folder) or os.path.lexists(os.path.join(work_folder, "emptied"))


class Inventory:
    """The names in each folder at one time."""

    def __init__(self, folders: Folders) -> None:
        """List the folders. Raises OSError."""
        self.inbox = _visible(folders.inbox)
        self.archive = _visible(folders.archive)
        self.failed = _visible(folders.failed)
        self.work: dict[int, list[WorkFolder]] = {}
        self.left_over: list[str] = []
        self.tries: list[str] = []
        self.strange: list[str] = []
        for name in sorted(os.listdir(folders.work)):
            path = os.path.join(folders.work, name)
            if match := WORKSPACE_NAME.fullmatch(name):
                job_id = int(match[1])
                self.work.setdefault(job_id, []).append(WorkFolder(path, job_id, int(match[2])))
            elif name.startswith(LEFTOVER_PREFIX):
                self.left_over.append(path)
            elif name.startswith(TRY_PREFIX):
                self.tries.append(path)
            elif name not in _OURS_IN_WORK:
                self.strange.append(path)
        for found in self.work.values():
            found.sort(key=lambda folder: folder.attempt)
        self._kept = {kept.job_id for kept in keeping.lying(folders)}
        self.hidden = sorted(name for name in os.listdir(folders.inbox) if name.startswith(TAKEN_PREFIX))

    @property
    def last_id(self) -> int:
        """The greatest id of a job, known or not, that has left something behind under its id."""
        return max((*self.work, *self._kept), default=0)


def first_package(folders: Folders) -> str | None:
    """Return a package that lies in archive, failed or work, None if there is none. Raises OSError.

    The inbox, which may be huge, is not listed.
    """
    return next(_packages(folders), None)


def _packages(folders: Folders) -> Iterator[str]:
    for name in _visible(folders.archive):
        if archived_as(folders, name):
            yield folders.archived(name)
    for name in _visible(folders.failed):
        if failed_as(folders, name):
            yield os.path.join(folders.failed, name)
    for name in sorted(filter(WORKSPACE_NAME.fullmatch, os.listdir(folders.work))):
        if holds_package(path := os.path.join(folders.work, name)):
            yield path


def archived_as(folders: Folders, name: str) -> Identity | None:
    """Return which package lies in the archive under a name, by its receipt or else by its zip; None if it is none."""
    path = folders.archived(name)
    if (told := _told(path)) and told.name == name:
        return told
    return Identity.plain(name) if _has_zip(path, None if folders.any_zip else name) else None


def failed_as(folders: Folders, entry: str) -> Identity | None:
    """Return which package lies in the failed folder as `entry`, NAME or NAME~1; None if it is none.

    A package's own name may end in ~1, too: its receipt tells, or the zip in it.
    """
    stem = re.sub(r"~\d+\Z", "", entry)
    path = os.path.join(folders.failed, entry)
    if (told := _told(path)) and told.name in {entry, stem}:
        return told
    found = next((name for name in (entry, stem) if name and _has_zip(path, name)), None)
    name = stem if found is None and stem and folders.any_zip and _has_zip(path, None) else found
    return None if name is None else Identity.plain(name)


def newest_in_failed(folders: Folders, entries: Iterable[str]) -> dict[Identity, str]:
    """Return for each package the entry of the newest one: the number ~N is given to those that are put aside."""
    found: dict[Identity, str] = {}
    for entry in sorted(entries, key=_number):
        identity = failed_as(folders, entry)
        if identity and found.get(identity) != identity.name:
            found[identity] = entry
    return found


def _told(path: str) -> Identity | None:
    """Return which package the receipt in a folder tells of, unless that is the one which its zip tells, too."""
    receipt = receipts.read(path)
    if receipt is None or (receipt.identity.is_plain and not os.path.lexists(f"{path}/{receipt.zip.name}")):
        return None
    return receipt.identity if receipt.identity.is_plain or receipts.read_verified(path) else None


def our_error_file(package: str) -> str | None:
    """Return which file of a failed package is ours: the last of error.txt, error~1.txt …; the sender may have some."""
    with os.scandir(package) as entries:
        names = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    ours = None
    number = 0
    while (name := f"error~{number}.txt" if number else "error.txt") in names:
        ours, number = name, number + 1
    return ours


def work_as(folders: Folders, folder: WorkFolder) -> Identity | None:
    """Return which package lies in a work folder, None if that is not known.

    It is the one that is recorded, else the zip's, or, where it has several, the one that has a log.
    """
    package = name_of(folder.path) or _named_by_zip(folders, folder)
    return identity_of(folder.path, package) if package else None


def _named_by_zip(folders: Folders, folder: WorkFolder) -> str | None:
    names = []
    for part in ("package", "copied", "flushed"):
        with suppress(FileNotFoundError):
            entries = os.listdir(os.path.join(folder.path, part))
            names += [entry.removesuffix(".zip") for entry in entries if entry.endswith(".zip")]
    if len(names) > 1:
        names = [name for name in names if last_log(folders, name)]
    return names[0] if len(names) == 1 and names[0] else None


def last_log(folders: Folders, name: str) -> int:
    """Return the number of the newest attempt that has a log, 0 if none has."""
    try:
        logs = os.listdir(os.path.dirname(folders.log(name, 1)))
    except OSError:
        return 0
    return max((int(match[1]) for log in logs if (match := re.fullmatch(r"(\d{1,18})\.log", log))), default=0)


def _has_zip(package: str, name: str | None) -> bool:
    """Say whether what lies at a path is a folder with the zip of the package NAME, with None: with any zip."""
    if name is not None and os.path.lexists(f"{package}/{name}.zip"):
        return True
    try:
        return any(is_zip_of(name, entry) for entry in os.listdir(package))
    except OSError:
        return False


def _visible(folder: str) -> set[str]:
    return {name for name in os.listdir(folder) if not name.startswith(".")}


def _number(entry: str) -> int:
    match = re.search(r"~(\d{1,18})\Z", entry)
    return int(match[1]) if match else 0
