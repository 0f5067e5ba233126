"""Makes sure, before a home is used, that no other user can change it, and sets what others may read."""

import glob
import os
from collections.abc import Callable
from pathlib import Path

from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.events import RightsSet
from jobrunner.domain.home_rights import LOCK_MODE, PRIVATE, PRIVATE_FOLDER_MODE, Rights
from jobrunner.domain.package import shown
from jobrunner.domain.settings import Settings
from jobrunner.files import owner, places
from jobrunner.files.trust import Trust, way_to
from jobrunner.linux import users
from jobrunner.linux.modes import settle
from jobrunner.store.bell import GATES
from jobrunner.store.database import SHARED_MEMORY

SETTINGS_FILE = "jobrunner.toml"


def enter(home: Path, command: str, *, before: Callable[[], object] = lambda: None) -> None:
    """As root in another user's home, become that user before anything in it is read or followed.

    `before`: what has to be done as root. Raises ConfigurationError for a command that works: its user has to start it.
    """
    if os.geteuid() != 0:
        return
    way = way_to(os.path.join(os.getcwd(), home))
    theirs = next((step.status for step in way if step.status.st_uid != 0), None)
    if theirs is None:
        return
    name = users.user_name(theirs.st_uid)
    if command in {"run", "work", "demo", "notify", "try"}:
        as_argument = f"'#{theirs.st_uid}'" if name.startswith("user ") else name
        raise ConfigurationError(
            f"this home is {name}'s, and jobrunner runs as its user, not as root: sudo -u {as_argument} jobrunner "
            f"--home {shown(str(home))} {command}, or User={theirs.st_uid} in its systemd unit"
        )
    before()
    users.become(theirs.st_uid, theirs.st_gid)


def check_folder(folder: Path) -> None:
    """Raise ConfigurationError where others could change what is put into a folder. Raises OSError."""
    Trust().check("the home", str(folder))


def check(settings: Settings, *, to_read: bool = False) -> None:
    """Raise ConfigurationError where others could change what jobrunner works by. Raises OSError.

    The inbox is its senders': only the links on the way to it are looked at. With `to_read`, no folder is.
    """
    trust = Trust(settings.folders.trusted_groups)
    trust.check("the home", str(settings.home))
    file = settings.home / SETTINGS_FILE
    if file.exists():
        trust.check_settings(str(file))
    trust.check("the database", str(settings.database_path))
    if to_read:
        return
    for name in ("work", "archive", "failed", "logs"):
        trust.check(f"folders.{name}", str(getattr(settings.folders, name)))
    trust.check_links("folders.inbox", str(settings.folders.inbox))


def rights_of(settings: Settings) -> Rights:
    """Return the rights of what readers may see. Raises ConfigurationError where there is no such group."""
    name = settings.database.group
    return PRIVATE if name is None else Rights.of_readers(places.group_number("database.group", name))


def set_rights(settings: Settings, emit: Emit) -> None:
    """Give what an earlier version, or other settings, left the rights that it has now, and say each change.

    Raises ConfigurationError where we cannot give anything to the group of readers.
    """
    rights = rights_of(settings)
    if rights.group is not None and not users.may_give_to(rights.group):
        us, group = users.user_name(os.geteuid()), shown(settings.database.group or "")
        raise ConfigurationError(
            f"database.group is {group}, but {us} is not in that group, so that it can give it nothing: "
            f"usermod -aG {group} {us}, then log in again"
        )
    database, work = settings.database_path, str(settings.folders.work)
    backups = [*glob.glob(f"{glob.escape(str(database))}.before-schema-*"), *glob.glob(f"{database}.damaged-*")]
    for path in (f"{database}{SHARED_MEMORY}", *(f"{database}-{gate}" for gate in GATES), owner.marker_in(work)):
        _set(path, LOCK_MODE, None, "others could lock it", emit)
    _set(str(presence_folder(work)), PRIVATE_FOLDER_MODE, None, "others could lock what lies in it", emit)
    for path in (str(database), f"{database}-wal", *backups):
        if database.exists():  # else it is lost, and the rest is evidence
            _set(path, rights.file, rights.group, "others could read it", emit)
    logs = str(settings.folders.logs)
    if _set(logs, rights.folder, rights.group, "others could read what lies in it", emit) and rights.group is not None:
        for folder, _, names in os.walk(logs):
            settle(folder, rights.folder, rights.group)
            for name in names:
                settle(os.path.join(folder, name), rights.file, rights.group)
    if rights.group is not None:
        _set(str(settings.home / SETTINGS_FILE), rights.file, rights.group, "others could read it", emit)


def presence_folder(work: str) -> Path:
    """Return the folder of a work folder in which living processes hold their lock files."""
    return Path(work, ".workers")


def _set(path: str, mode: int, group: int | None, was: str, emit: Emit) -> bool:
    """Set the rights of one file or folder; return whether they had to be changed."""
    had = settle(path, mode, group)
    if had is not None:
        emit(RightsSet(path, was if had & ~mode & 0o777 else "database.group could not read it", mode & 0o777))
    return had is not None
