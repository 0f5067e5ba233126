"""One delivery in the inbox, by descriptors: whether it can be taken, and how it is taken, hidden and put back."""

import errno
import os
import stat
from contextlib import suppress
from itertools import count, islice
from typing import NamedTuple

from jobrunner.domain.errors import MachineError, NotTaken
from jobrunner.domain.package import shown
from jobrunner.files import trees
from jobrunner.files.trees import Kind, Walk
from jobrunner.linux import at
from jobrunner.linux.users import user_name

#: How a sender's folder is called in an inbox on another disk once its copy is whole. No name is believed to be ours:
#: the work folder records which folder it is.
TAKEN_PREFIX = ".jobrunner-taken-"

_MOST_LOOKED_AT = 10_000  # entries


class Source(NamedTuple):
    """Which folder in the inbox is copied, and what it is called once it is put out of sight."""

    identity: at.Identity
    hidden_name: str

    @classmethod
    def of(cls, delivery: int, job_id: int) -> "Source":
        """Return what is to be recorded of an open delivery before it is copied."""
        return cls(at.identity(delivery), f"{TAKEN_PREFIX}{job_id}-{os.urandom(8).hex()}")

    @classmethod
    def parse(cls, text: str) -> "Source":
        """Return what was recorded as this text."""
        device, inode, born_at, hidden_name = text.split()
        return cls(at.Identity(int(device), int(inode), int(born_at)), hidden_name)

    def __str__(self) -> str:
        return " ".join(map(str, (*self.identity, self.hidden_name)))


def obstacle(inbox: int, delivery: int, name: str) -> str | None:
    """Return why an open delivery cannot be read or taken away, and what to do; None if it can.

    Whoever may not write to a folder can neither move nor empty it. What belongs to our user is opened up later.
    """
    ours = os.geteuid()
    if ours == 0:
        return None
    around, status = os.fstat(inbox), os.fstat(delivery)
    if around.st_mode & stat.S_ISVTX and ours not in {around.st_uid, status.st_uid}:
        return f"{_whose(name, status)}, and the inbox is sticky: chmod -t the inbox, or let {user_name(ours)} own it"
    found = _first_locked(delivery, ours)
    return _let_us(os.path.join(name, found[0]) if found[0] else name, found[1]) if found else None


def locked(inbox: int, name: str) -> str:
    """Return why a delivery cannot be opened, and what to do. Raises OSError."""
    return _let_us(name, at.status(inbox, name))


def opened(inbox: int, name: str) -> int:
    """Open a delivery. Raises NotTaken where it is no folder of this filesystem, OSError."""
    try:
        return at.open_folder(inbox, name)
    except OSError as error:
        raise not_taken(error) from error


def not_taken(error: OSError) -> Exception:
    """Return the error to raise for one that the opening of a delivery has met."""
    if error.errno in {errno.ENOTDIR, errno.ELOOP, errno.EXDEV}:
        return NotTaken("what lies under its name is not a folder of this filesystem: deliver a folder")
    return error


def take(inbox: int, name: str, package: str) -> bool:
    """Rename a delivery to a path in the work folder; False where that is on another filesystem.

    Raises MachineError where it cannot be taken away, FileNotFoundError, OSError.
    """
    try:
        at.rename_new(inbox, name, at.HERE, package)
    except PermissionError as error:
        with suppress(OSError), at.held(at.open_folder(inbox, name)) as delivery:
            raise MachineError(obstacle(inbox, delivery, name) or f"{shown(name)} cannot be taken away") from error
        raise
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def hide(inbox: int, name: str, source: Source) -> None:
    """Put a delivery that has been copied out of sight, durably. Another folder that has got its name stays."""
    if _is(inbox, name, source):
        with suppress(FileNotFoundError):
            at.rename_new(inbox, name, inbox, source.hidden_name)
        if not _is(inbox, source.hidden_name, source):  # it was swapped between the look and the rename
            with suppress(OSError):
                at.rename_new(inbox, source.hidden_name, inbox, name)
        os.fsync(inbox)


def remove_hidden(inbox: int, source: Source) -> None:
    """Remove a delivery that was put out of sight, durably. Raises OSError where some of it cannot be removed."""
    with suppress(FileNotFoundError):
        if _is(inbox, source.hidden_name, source):
            with at.held(at.open_our_folder(inbox, source.hidden_name)) as delivery:
                if at.identity(delivery) == source.identity:
                    trees.empty(delivery)
                    os.rmdir(source.hidden_name, dir_fd=inbox)
    os.fsync(inbox)


def put_back(inbox: int, name: str, work_folder: int, part: str) -> str:
    """Rename a part of an open work folder to the inbox, durably, and return what it is called there: NAME or NAME~1.

    Raises OSError.
    """
    for number in count():
        free = f"{name}~{number}" if number else name
        with suppress(FileExistsError):
            at.rename_new(work_folder, part, inbox, free)
            os.fsync(inbox)
            os.fsync(work_folder)
            return free
    raise AssertionError


def fingerprint(inbox: int, name: str) -> str | None:
    """Return what changes when a delivery does: which folder it is, and when it or an entry of it changed last.

    None where there is no such folder.
    """
    with suppress(OSError), at.held(at.open_folder(inbox, name)) as delivery:
        changed_at = os.fstat(delivery).st_ctime_ns
        with os.scandir(delivery) as entries:
            for entry in islice(entries, _MOST_LOOKED_AT):
                changed_at = max(changed_at, at.status(delivery, entry.name).st_ctime_ns)
        return " ".join(map(str, (*at.identity(delivery), changed_at)))
    return None


def _is(inbox: int, name: str, source: Source) -> bool:
    with suppress(OSError), at.held(at.open_folder(inbox, name)) as found:
        return at.identity(found) == source.identity
    return False


def _first_locked(delivery: int, ours: int) -> tuple[str, os.stat_result] | None:
    """Return the first folder that is neither ours nor ours to empty, as a sticky one is not, or unreadable file."""
    found: list[tuple[str, os.stat_result]] = []

    def note_refusal(folder: int, name: str) -> None:
        with suppress(OSError):
            status = at.status(folder, name)
            if status.st_uid != ours:
                found.append((walk.path(name), status))

    def open_folder(folder: int, name: str) -> int | None:
        try:
            return at.open_folder(folder, name)
        except PermissionError:
            note_refusal(folder, name)
        except OSError:  # whatever it is, taking it tells
            pass
        return None

    walk = Walk(delivery, opening=open_folder)
    for kind, folder, name in islice(walk, _MOST_LOOKED_AT):
        if kind is Kind.ENTER:
            status = os.fstat(folder)
            is_open = os.access(".", os.R_OK | os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True)
            if status.st_uid != ours and (not is_open or status.st_mode & stat.S_ISVTX):
                found.append((walk.path(), status))
        elif kind is Kind.FILE:
            try:
                os.close(at.open_file(folder, name))
            except PermissionError:
                note_refusal(folder, name)
            except OSError:
                pass
        if found:
            break
    return found[0] if found else None


def _let_us(path: str, status: os.stat_result) -> str:
    us = user_name(os.geteuid())
    return f"{_whose(path, status)}: let {us} read and write it, with chmod -R g+rwX and a group of both, or setfacl"


def _whose(path: str, status: os.stat_result) -> str:
    mode = stat.filemode(status.st_mode)
    return f"it cannot be taken: {shown(path)} is {user_name(status.st_uid)}'s ({mode})"
