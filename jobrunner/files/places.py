"""Where a home cannot lie: filesystems that do not keep what it relies on, and what is not ours to write."""

import os
import pwd
import re
import stat
from pathlib import Path
from typing import NamedTuple

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.package import shown

_NETWORK = "a network filesystem"
_HOST = "a folder of this virtual machine's host"
_FUSE = "a filesystem that a program offers (FUSE)"

_UNSAFE = {
    **dict.fromkeys(("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre"), _NETWORK),
    **dict.fromkeys(("gpfs", "beegfs", "beegfs_nodev", "glusterfs", "orangefs", "pvfs2", "davfs"), _NETWORK),
    **dict.fromkeys(("9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs"), _HOST),
}
#: The others of FUSE (sshfs, s3fs, rclone, glusterfs, …) are remote, or nobody can tell; fuseblk is a disk of this
#: machine.
_LOCAL_FUSE = {"fuse.fuse-overlayfs"}


class Mount(NamedTuple):
    """Where a filesystem is mounted, and of which type it is."""

    point: str
    kind: str

    @property
    def unsafe(self) -> str | None:
        """What it is that cannot be relied on; None for a filesystem of this machine."""
        if self.kind == "fuse" or (self.kind.startswith("fuse.") and self.kind not in _LOCAL_FUSE):
            return _FUSE
        return _UNSAFE.get(self.kind)


def mount_of(folder: str) -> Mount | None:
    """Return the mount that a folder is on, None where the kernel does not show it. Raises OSError."""
    descriptor = os.open(os.path.join(folder, "."), os.O_PATH)  # with the dot, an automount takes place
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
            number = re.search(r"^mnt_id:\s*(\d+)$", file.read(), re.MULTILINE)
    finally:
        os.close(descriptor)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return parse_mounts(file.read()).get(int(number[1])) if number else None


def parse_mounts(mountinfo: str) -> dict[int, Mount]:
    """Return the mounts by their ids, from the text of /proc/self/mountinfo (proc(5))."""
    mounts = {}
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        mounts[int(fields[0])] = Mount(point, fields[fields.index("-") + 1])
    return mounts


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
        "SQLite's write-ahead log needs memory that processes share, and locks that hold; set database.url to a file "
        "on a local disk (the inbox may stay)",
    )
    check_writable("the database's folder", str(folder))
    if path.exists():
        check_writable("the database", str(path))


def is_for_reading_only(database: Path) -> bool:
    """Say whether there is a database that is not ours to write, or in a folder that is not."""
    return database.exists() and not (_is_ours(str(database)) and _is_ours(str(database.resolve().parent)))


def check_work(work: str, existing: str) -> None:
    """Raise ConfigurationError where the work folder cannot lie; `existing`: it, or what it will be made in."""
    _check_mount(
        f"the work folder {shown(work)}",
        existing,
        "who is alive is told by file locks there, and what is renamed has to be durable; set folders.work, archive "
        "and failed to folders on a local disk (the inbox may stay)",
    )


def check_writable(what: str, path: str) -> None:
    """Raise ConfigurationError where a file or folder is not ours to write."""
    if _is_ours(path):
        return
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise ConfigurationError(f"{what} ({shown(path)}) is on a filesystem that is mounted read-only")
    info = os.stat(path)
    theirs, ours = _user(info.st_uid), _user(os.geteuid())
    raise ConfigurationError(
        f"{what} ({shown(path)}) is not ours to write: it is {theirs}'s, with the mode {stat.filemode(info.st_mode)}, "
        f"and we are {ours}; run jobrunner as {theirs}, or let {ours} write to it"
    )


def _check_mount(what: str, folder: str, because: str) -> None:
    mount = mount_of(folder)
    if mount and mount.unsafe:
        raise ConfigurationError(f"{what} is on {shown(mount.point)}, {mount.unsafe} ({shown(mount.kind)}): {because}")


def _is_ours(path: str) -> bool:
    return os.access(path, os.W_OK | (os.X_OK if os.path.isdir(path) else 0), effective_ids=True)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
