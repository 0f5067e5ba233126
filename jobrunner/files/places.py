"""Where a home can lie, and its folders, which are made there: not on filesystems that cannot be relied on."""

import os
import stat
from itertools import combinations
from pathlib import Path

from jobrunner.domain.errors import ConfigurationError, in_words
from jobrunner.domain.home_rights import PRIVATE_FOLDER_MODE
from jobrunner.domain.package import shown
from jobrunner.domain.settings import Settings
from jobrunner.files import moves
from jobrunner.files.folders import Folders
from jobrunner.linux.mounts import mount_of
from jobrunner.linux.users import group_number as known_group_number
from jobrunner.linux.users import user_name

_NETWORK = "a network filesystem"
_HOST = "a folder of this virtual machine's host"
_FUSE = "a FUSE filesystem"

_UNSAFE = {
    **dict.fromkeys(("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre"), _NETWORK),
    **dict.fromkeys(("gpfs", "beegfs", "beegfs_nodev", "glusterfs", "orangefs", "pvfs2", "davfs"), _NETWORK),
    **dict.fromkeys(("9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs"), _HOST),
}
#: The others of FUSE (sshfs, s3fs, rclone, glusterfs, …) are remote, or may be; fuseblk is a disk of this
#: machine.
_LOCAL_FUSE = {"fuse.fuse-overlayfs"}

FOLDERS = ("inbox", "work", "archive", "failed", "logs")
_OF_THE_KERNEL = ("/proc", "/sys")
_OF_THE_SYSTEM = ("/dev", "/etc", "/usr", "/bin", "/sbin", "/lib", "/boot", "/run", "/var")
_APART = "give each a folder of its own, beside the others"


def unsafe(kind: str) -> str | None:
    """Say what a type of filesystem is that cannot be relied on; None for one of this machine."""
    if kind == "fuse" or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE):
        return _FUSE
    return _UNSAFE.get(kind)


def check_apart(settings: Settings) -> None:
    """Raise ConfigurationError where two folders overlap, or one holds the database: each would take what is another's.

    Links are followed, and a folder that is mounted a second time is known. The home may hold them all.
    """
    folders = {f"folders.{name}": getattr(settings.folders, name) for name in FOLDERS}
    lines = {name: _upwards(path) for name, path in folders.items()}
    system = {_inode(Path(place)) for place in _OF_THE_SYSTEM}
    home, database = _upwards(settings.home), _upwards(settings.database_path)
    for name, path in folders.items():
        if lines[name][0] in home:
            raise ConfigurationError(
                f"{name} is {shown(str(path))}, which is or holds the home with its jobrunner.toml: {_APART}"
            )
        for place in _OF_THE_KERNEL:
            if _inode(Path(place)) in lines[name]:
                raise ConfigurationError(
                    f"{name} is {shown(str(path))}, but all in {place} is the kernel's: set it to a folder on a disk"
                )
        if lines[name][0] in system:
            raise ConfigurationError(f"{name} is {shown(str(path))}, a folder of the system: {_APART}")
    for one, other in combinations(folders, 2):
        if lines[one][0] == lines[other][0]:
            raise ConfigurationError(f"{one} and {other} are the same folder ({shown(str(folders[one]))}): {_APART}")
        for inner, outer in ((one, other), (other, one)):
            if lines[outer][0] in lines[inner]:
                _refuse_inner(inner, folders[inner], outer, folders[outer])
    for name, path in folders.items():
        if lines[name][0] in database:
            _refuse_inner("database.url", settings.database_path, name, path)


def check_log(settings: Settings, what: str, path: Path) -> None:
    """Raise ConfigurationError where a log file is one of a home's own, or lies where it would pass for a package's."""
    own = [str(settings.database_path.resolve()), str((settings.home / "jobrunner.toml").resolve())]
    if str(path.resolve()).startswith(tuple(own)):
        raise ConfigurationError(f"{what} is {shown(str(path))}, a file that jobrunner needs itself: name another one")
    for name in FOLDERS:
        folder = getattr(settings.folders, name)
        if _upwards(folder)[0] in _upwards(path):
            raise ConfigurationError(
                f"{what} ({shown(str(path))}) lies in folders.{name}, where packages have theirs: "
                "put it beside that folder, such as jobrunner.log"
            )


def prepare(folders: Folders, home: Path) -> None:
    """Check a home's folders and make those that are missing within the home.

    Raises ConfigurationError: a missing inbox is never made (its sender would not know of it), nor a folder outside of
    the home (it may be a disk that is not mounted). Before anything is made, all is checked but the inbox's own
    rights, which are its senders' affair.
    """
    if not os.path.isdir(folders.inbox):
        raise ConfigurationError(f"the inbox {folders.inbox} does not exist: create it, or set folders.inbox")
    ours = {name: str(getattr(folders, name)) for name in ("work", "archive", "failed", "logs")}
    missing = []
    for name, folder in ours.items():
        if os.path.isdir(folder):
            continue
        if os.path.lexists(folder):
            raise ConfigurationError(f"folders.{name} is {folder}, which is not a folder: set it to one")
        if not Path(folder).is_relative_to(home):
            raise ConfigurationError(f"the {name} folder {folder} does not exist: create it, or set folders.{name}")
        missing.append(folder)
    work = _existing(folders.work)
    _check_work(folders.work, work)
    for name, folder in ours.items():
        check_writable(f"the {name} folder", _existing(folder))
    for name in ("archive", "failed"):
        if not moves.same_filesystem(work, _existing(ours[name])):
            raise ConfigurationError(
                f"work ({folders.work}) and {name} ({ours[name]}) are on different filesystems: a package could not "
                f"be moved in one step; set folders.work to a folder beside {name}"
            )
    for folder in missing:
        try:
            os.makedirs(os.path.dirname(folder), 0o755, exist_ok=True)
            os.mkdir(folder, PRIVATE_FOLDER_MODE if folder == folders.logs else 0o755)
        except FileExistsError:
            pass  # another command was faster
        except OSError as error:
            raise ConfigurationError(f"a folder cannot be made: {in_words(error)}") from error


def group_number(key: str, name: str) -> int:
    """Return the number of a group that a setting names. Raises ConfigurationError where there is none."""
    number = known_group_number(name)
    if number is None:
        raise ConfigurationError(f"{key}: there is no group {shown(name)} on this machine")
    return number


def check_database(path: Path) -> None:
    """Raise ConfigurationError where a database cannot lie at this path, or is not ours to write."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise ConfigurationError(
            f"the folder {path.parent} of the database does not exist: create it, or set database.url in jobrunner.toml"
        )
    _check_mount(
        f"the database {path}",
        str(folder),
        "SQLite needs locks and shared memory that it can rely on; set database.url to a file on a local disk",
    )
    check_writable("the database's folder", str(folder))
    if path.exists():
        check_writable("the database", str(path))


def is_for_reading_only(database: Path) -> bool:
    """Say whether there is a database that is not ours to write, or in a folder that is not."""
    return database.exists() and not (_is_ours(str(database)) and _is_ours(str(database.resolve().parent)))


def check_writable(what: str, path: str) -> None:
    """Raise ConfigurationError where a file or folder is not ours to write."""
    if _is_ours(path):
        return
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise ConfigurationError(f"{what} ({shown(path)}) is on a filesystem that is mounted read-only")
    info = os.stat(path)
    theirs, ours = user_name(info.st_uid), user_name(os.geteuid())
    raise ConfigurationError(
        f"{what} ({shown(path)}) is not ours to write: it is {theirs}'s, with the mode {stat.filemode(info.st_mode)}, "
        f"and we are {ours}; run jobrunner as {theirs}, or let {ours} write to it"
    )


def _check_work(work: str, existing: str) -> None:
    """Raise ConfigurationError where the work folder cannot lie; `existing`: it, or what it will be made in."""
    _check_mount(
        f"the work folder {shown(work)}",
        existing,
        "its locks and renames cannot be relied on; set folders.work, archive and failed to folders on a local disk "
        "(the inbox may stay)",
    )


def _check_mount(what: str, folder: str, because: str) -> None:
    mount = mount_of(folder)
    if mount and (why := unsafe(mount.kind)):
        raise ConfigurationError(f"{what} is on {shown(mount.point)}, {why} ({shown(mount.kind)}): {because}")


def _is_ours(path: str) -> bool:
    return os.access(path, os.W_OK | (os.X_OK if os.path.isdir(path) else 0), effective_ids=True)


def _refuse_inner(inner: str, inner_path: Path, outer: str, outer_path: Path) -> None:
    raise ConfigurationError(f"{inner} ({shown(str(inner_path))}) lies in {outer} ({shown(str(outer_path))}): {_APART}")


def _upwards(path: Path) -> list[tuple[int, int] | str]:
    """Return what tells a path and each folder above it from others: an inode, or where it will be made, a name."""
    real = Path(os.path.realpath(path))
    return [_inode(each) or str(each) for each in (real, *real.parents)]


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _existing(folder: str) -> str:
    """Return the folder, or the nearest one above it that exists: it will be made there."""
    return folder if os.path.isdir(folder) else _existing(os.path.dirname(folder))
