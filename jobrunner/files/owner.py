"""Whose a work folder is. Its folders are numbered by one database's jobs: a second one would take them for its own."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.home_rights import LOCK_MODE
from jobrunner.domain.package import shown
from jobrunner.files.folders import Folders
from jobrunner.linux.locks import Waiting

_MARKER = ".home"


def take(folders: Folders, identity: str, database: Path, waiting: Waiting) -> None:
    """Mark the work folder as this database's; raise ConfigurationError where it is another one's.

    `identity` is what the database is known by wherever it lies: a home that was moved keeps its work folder.
    `waiting`: how a lock on the mark is waited for.
    """
    ours = [identity, str(database.resolve())]
    with _marker(folders.work, waiting) as marker:
        theirs = _read(marker)
        if theirs == ours:
            return
        if theirs:
            _refuse_others(folders, *theirs, *ours)
        _write(marker, ours)


def replace(folders: Folders, identity: str, database: Path, waiting: Waiting) -> None:
    """Mark the work folder as this database's, which is rebuilt from the folders: the one that had it is gone.

    Raises ConfigurationError where that lies somewhere else.
    """
    ours = [identity, str(database.resolve())]
    with _marker(folders.work, waiting) as marker:
        theirs = _read(marker)
        if theirs:
            _refuse_a_neighbour(folders, theirs[1], ours[1])
        _write(marker, ours)


def knows(folders: Folders, identity: str, waiting: Waiting) -> bool:
    """Say whether the work folder is this database's, or no database's yet."""
    with _marker(folders.work, waiting) as marker:
        theirs = _read(marker)
    return theirs is None or theirs[0] == identity


def shares(folders: Folders, other: str, identity: str, database: Path) -> bool:
    """Say whether another work folder than ours is this database's, too."""
    try:
        with open(marker_in(other), encoding="ascii") as marker:
            theirs = _read(marker)
        return (
            theirs is not None
            and theirs[0] == identity
            and os.path.samefile(theirs[1], database)
            and not os.path.samefile(other, folders.work)
        )
    except OSError:
        return False


def marker_in(work: str) -> str:
    """Return the file in a work folder that names its owner."""
    return os.path.join(work, _MARKER)


def _refuse_others(folders: Folders, theirs: str, their_path: str, ours: str, our_path: str) -> None:
    _refuse_a_neighbour(folders, their_path, our_path)
    if theirs != ours and folders.workspaces():  # else it was moved, or left nothing
        raise ConfigurationError(
            f"the work folder {shown(folders.work)} holds packages of an earlier database ({shown(their_path)}), which "
            f"{shown(our_path)} does not know: restore that one, or run jobrunner check --rebuild"
        )


def _refuse_a_neighbour(folders: Folders, their_path: str, our_path: str) -> None:
    if their_path != our_path and os.path.exists(their_path):
        mark = shown(marker_in(folders.work))
        if _is_copy(folders.work, their_path, our_path):
            raise ConfigurationError(
                f"this home is a copy of the one whose database is {shown(their_path)}: to use it beside that one, see "
                f"that its jobrunner.toml names no folder of that one, then remove {mark}"
            )
        raise ConfigurationError(
            f"the work folder {shown(folders.work)} is marked as that of the database {shown(their_path)}: if this "
            f"home is a copy of that one, remove {mark}, else set folders.work to another folder"
        )


def _is_copy(work: str, their_path: str, our_path: str) -> bool:
    """Say whether the other database has another work folder, which lies to it as this one lies to ours."""
    beside = os.path.relpath(work, os.path.dirname(our_path))
    original = os.path.join(os.path.dirname(their_path), beside)
    try:
        with open(marker_in(original), encoding="ascii") as marker:
            theirs = _read(marker)
        return theirs is not None and theirs[1] == their_path and not os.path.samefile(original, work)
    except OSError:
        return False


@contextmanager
def _marker(work: str, waiting: Waiting) -> Iterator[TextIO]:
    """Open the file that names the owner, and lock it."""
    descriptor = os.open(marker_in(work), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, LOCK_MODE)
    with open(descriptor, "r+", encoding="ascii") as file:
        waiting.lock(descriptor)
        yield file


def _read(marker: TextIO) -> list[str] | None:
    """Return the owner's identity, and where its database was seen last; None where nothing whole is written."""
    try:
        identity, path = json.load(marker)
    except ValueError:
        return None
    return [identity, path]


def _write(marker: TextIO, owner: list[str]) -> None:
    marker.seek(0)
    marker.truncate()
    json.dump(owner, marker)
