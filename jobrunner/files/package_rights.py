"""Whose a file is and who may use it: what is ours alone, and the rights of all that goes to archive and failed."""

import errno
import os
import stat
from typing import NamedTuple

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.package import shown
from jobrunner.domain.settings import FolderSettings
from jobrunner.linux import at
from jobrunner.linux.users import is_private, user_name

#: Attributes by which others could get rights that the mode does not show, or a program some of root's.
_TELLING = {"system.posix_acl_access", "system.posix_acl_default", "security.capability"}


class Rights(NamedTuple):
    """What folders may (`mode`), and what of that goes for files; the group that all gets, None: as it comes."""

    mode: int
    group: int | None

    def of(self, mode: int) -> int:
        """Return what shall be allowed of a file or folder that has this mode: a file's execute bits stay."""
        return self.mode if stat.S_ISDIR(mode) else (0o666 | mode & 0o111) & self.mode

    def make_folder(self, path: str) -> None:
        """Make a folder that has them, and whose group all gets that is made in it. Raises OSError."""
        os.mkdir(path, self.mode)
        if self.group is not None:
            os.chown(path, -1, self.group)
            os.chmod(path, self.mode | stat.S_ISGID)

    def give(self, descriptor: int, mode: int) -> None:
        """Give them to an open file or folder of ours, by the mode that its sender gave it. Raises OSError."""
        if self.group is not None:
            os.fchown(descriptor, -1, self.group)
        os.fchmod(descriptor, self.of(mode))


def rights_of(settings: FolderSettings) -> Rights:
    """Return what `folders.mode` and `folders.group` say. Raises ConfigurationError where we cannot give the group."""
    if settings.group is None:
        return Rights(settings.mode, None)
    import grp  # noqa: PLC0415  (hardly anybody needs it)

    try:
        group = grp.getgrnam(settings.group).gr_gid
    except KeyError:
        raise ConfigurationError(f"folders.group: there is no group {shown(settings.group)} on this machine") from None
    if os.geteuid() != 0 and group not in {os.getegid(), *os.getgroups()}:
        us = user_name(os.geteuid())
        raise ConfigurationError(f"folders.group: {us} is not in the group {shown(settings.group)}: add it")
    return Rights(settings.mode, group)


def is_made_ours(descriptor: int, status: os.stat_result, rights: Rights) -> bool:
    """Say whether an open file or folder with this status is our user's, and only ours to write; give rights.

    A file must have one name only, as by another one it could be changed from elsewhere, and no program may have it
    open for writing: what is renamed stays open. Raises OSError.
    """
    mode = status.st_mode
    if status.st_uid != os.geteuid() or mode & stat.S_IWOTH:
        return False
    if mode & stat.S_IWGRP and not is_private(status.st_gid):
        return False
    if not stat.S_ISDIR(mode) and (status.st_nlink > 1 or at.is_being_written(descriptor)):
        return False
    try:
        if not _TELLING.isdisjoint(os.listxattr(descriptor)):
            return False
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
    if stat.S_IMODE(mode) != rights.of(mode) or rights.group not in {None, status.st_gid}:
        rights.give(descriptor, mode)
    return True
