"""Who could change what is ours: no other user may write to the folders on the way to it, as sshd wants it."""

import errno
import json
import os
import shlex
import stat
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.package import shown
from jobrunner.files import places
from jobrunner.linux import users

_MOST_LINKS = 40  # the kernel's own limit
_WRITE = 2

_ACL = "system.posix_acl_access"
_ACL_ENTRY = struct.Struct("<HHI")  # tag, permissions, id; after four bytes of a version (acl(5))
_OTHERS_OUT = ("chmod", "o-w")
_USER, _OWNING_GROUP, _GROUP, _MASK, _OTHER = 0x02, 0x04, 0x08, 0x10, 0x20


class Step(NamedTuple):
    """A file or folder on the way to a path; of a symbolic link, it is the link itself."""

    path: str
    status: os.stat_result

    @property
    def is_link(self) -> bool:
        """Say whether it leads elsewhere."""
        return stat.S_ISLNK(self.status.st_mode)


class Writer(NamedTuple):
    """Who else than the owner may write: what takes that right away, and which group it is, if it is one."""

    words: str
    remedy: tuple[str, str]
    group: int | None = None


class Trust:
    """Root, our own user and its own group are trusted, and the groups that the settings name."""

    def __init__(self, groups: tuple[str, ...] = ()) -> None:
        """Raise ConfigurationError where one of the groups is not known."""
        self._groups = {places.group_number("folders.trusted_groups", name) for name in groups}
        self._owners = {0, os.geteuid()}

    def check(self, what: str, path: str) -> None:
        """Raise ConfigurationError where another user may change a file or folder, or put another in its place.

        What does not exist yet is not looked at. Raises OSError.
        """
        self._check_way(what, list(way_to(path)))

    def check_settings(self, path: str) -> None:
        """As `check`, for the file with the settings: whoever may write to it says himself which groups are trusted."""
        steps = list(way_to(path))
        self._check_way("the settings", steps)
        self._check_writers("the settings", steps[-1], trusted=set())

    def check_links(self, what: str, path: str) -> None:
        """Raise ConfigurationError where another user may make a symbolic link on the way to a path lead elsewhere.

        The folders may be others', and so may what lies in them: that is theirs to change. Raises OSError.
        """
        steps = list(way_to(path))
        for number, step in enumerate(steps, 1):
            if step.is_link:
                self._check_way(f"{what} is reached through the link {shown(step.path)}", steps[:number])

    def _check_way(self, what: str, steps: Sequence[Step]) -> None:
        for step in steps:
            self._check_owner(what, step)
            is_passed = step is not steps[-1]
            is_sticky = step.status.st_mode & stat.S_ISVTX  # what lies in it is its owner's: see the next step
            if not step.is_link and not (is_passed and is_sticky):
                self._check_writers(what, step, trusted=self._groups)

    def _check_owner(self, what: str, step: Step) -> None:
        if step.status.st_uid in self._owners:
            return
        theirs, ours = users.user_name(step.status.st_uid), users.user_name(os.geteuid())
        raise ConfigurationError(
            f"{what}: {_described(step)}, who may change it: run jobrunner as {theirs}, or use a folder of {ours}'s "
            "below folders of root's"
        )

    def _check_writers(self, what: str, step: Step, *, trusted: set[int]) -> None:
        others = [
            writer
            for writer in _writers(step)
            if writer.group is None or not (writer.group in trusted or users.is_private(writer.group))
        ]
        if not others:
            return
        groups = [users.group_name(writer.group) for writer in others if writer.group is not None]
        instead = ""
        if trusted is self._groups and len(groups) == len(others):
            instead = f"; or, to trust that group: [folders] trusted_groups = {json.dumps(groups)}"
        raise ConfigurationError(
            f"{what}: {_described(step)}, so {' and '.join(writer.words for writer in others)} may change it: "
            f"{_remedy(step, others)}{instead}"
        )


def way_to(path: str) -> Iterator[Step]:
    """Yield all that the kernel passes on the way to an absolute path, from / on, as far as there is any.

    Symbolic links come themselves, and then what they lead to. Raises OSError.
    """
    ahead = path.split("/")[::-1]
    here, links = "/", 0
    yield Step(here, os.lstat(here))
    while ahead:
        name = ahead.pop()
        if name in ("", "."):
            continue
        if name == "..":
            here = os.path.dirname(here)
            continue
        entry = os.path.join(here, name)
        try:
            step = Step(entry, os.lstat(entry))
        except FileNotFoundError:
            return
        yield step
        if not step.is_link:
            here = entry
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(entry)
        here = "/" if target.startswith("/") else here
        ahead += target.split("/")[::-1]


def _writers(step: Step) -> Iterator[Writer]:
    status = step.status
    try:
        acl = os.getxattr(step.path, _ACL, follow_symlinks=False)
    except OSError:  # there is none, or the filesystem knows no such
        if status.st_mode & stat.S_IWGRP:
            yield _group(status.st_gid)
        if status.st_mode & stat.S_IWOTH:
            yield Writer("everybody", _OTHERS_OUT)
        return
    entries = list(_ACL_ENTRY.iter_unpack(acl[4:]))
    mask = next((permissions for tag, permissions, _ in entries if tag == _MASK), 0o7)
    for tag, permissions, number in entries:
        if tag == _OTHER and permissions & _WRITE:
            yield Writer("everybody", _OTHERS_OUT)
        elif permissions & mask & _WRITE:
            if tag == _OWNING_GROUP:
                yield _group(status.st_gid)
            elif tag == _USER and number not in (0, os.geteuid()):
                name = users.user_name(number)
                yield Writer(name, ("setfacl -x", f"u:{number}"))
            elif tag == _GROUP:
                yield Writer(f"the group {users.group_name(number)}", ("setfacl -x", f"g:{number}"), number)


def _group(number: int) -> Writer:
    return Writer(f"the group {users.group_name(number)}", ("chmod", "g-w"), number)


def _described(step: Step) -> str:
    what = "the folder" if stat.S_ISDIR(step.status.st_mode) else "the link" if step.is_link else "the file"
    owner = users.user_name(step.status.st_uid)
    return f"{what} {shown(step.path)} belongs to {owner}, with the mode {stat.filemode(step.status.st_mode)}"


def _remedy(step: Step, writers: Sequence[Writer]) -> str:
    changes: dict[str, list[str]] = {}
    for writer in writers:
        program, change = writer.remedy
        changes.setdefault(program, []).append(change)
    path = shlex.quote(shown(step.path))
    return " && ".join(f"{program} {','.join(change)} {path}" for program, change in changes.items())
