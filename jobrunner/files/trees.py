"""Trees by descriptors: walked, merged and removed, however deep they are and whoever may change them meanwhile."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import NamedTuple

from jobrunner.linux import at

#: Entries of one folder that one removal takes: whoever adds to it meanwhile does not hold us up for ever.
_MOST_REMOVED = 2_000_000
_NO_FOLDER = {errno.ENOTDIR, errno.ELOOP}


class Kind(Enum):
    """What a walk has come to."""

    ENTER = auto()  #: a folder, before what is in it
    FILE = auto()  #: a file, by what its folder lists: look again when it is open
    OTHER = auto()  #: a link, a device, a FIFO or a socket
    LEAVE = auto()  #: a folder, after what is in it; not told of the first one


class Step(NamedTuple):
    """`folder` is open: the one that is entered, or the one that has the entry `name`."""

    kind: Kind
    folder: int
    name: str


class Walk:
    """Iterate over it once: an open folder first, then each entry below it. One descriptor is open, however deep.

    The way back up is verified: OSError (ESTALE) where a folder has been moved away. Whatever was shown may be removed.
    """

    def __init__(
        self, root: int, *, most: int | None = None, opening: Callable[[int, str], int | None] = at.open_folder
    ) -> None:
        """A folder of more than `most` entries raises OSError (E2BIG).

        `opening` opens a folder in an open one; None: it is left out.
        """
        self._root = root
        self._most = most
        self._opening = opening
        self._names: list[str] = []

    def path(self, name: str = "") -> str:
        """Return the path below the root of an entry of the folder that was shown last, or of that folder."""
        return "/".join([*self._names, name] if name else self._names)

    def __iter__(self) -> Iterator[Step]:
        here, name = os.dup(self._root), ""
        levels: list[tuple[tuple[int, int], list[str]]] = []
        try:
            while True:
                yield Step(Kind.ENTER, here, name)
                folders: list[str] = []
                with os.scandir(here) as entries:
                    for count, entry in enumerate(entries):
                        if count == self._most:
                            words = f"a folder has more than {self._most:,} entries"
                            raise OSError(errno.E2BIG, words, self.path())
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.name)
                        else:
                            kind = Kind.FILE if entry.is_file(follow_symlinks=False) else Kind.OTHER
                            yield Step(kind, here, entry.name)
                if not folders and not levels:
                    return
                levels.append((_key(here), folders))
                inner = None
                while inner is None:
                    while not levels[-1][1]:
                        levels.pop()
                        if not levels:
                            return
                        here = _up(here, levels[-1][0])
                        yield Step(Kind.LEAVE, here, self._names.pop())
                    name = levels[-1][1].pop()
                    inner = self._opening(here, name)
                self._names.append(name)
                here = at.replaced(here, inner)
        finally:
            os.close(here)


def remove(folder: int, name: str) -> None:
    """Remove what lies in an open folder under this name, with all that is in it. Nothing there: nothing to do.

    A link is removed itself, and nothing that is mounted. Raises OSError.
    """
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        with at.held(at.open_our_folder(folder, name)) as root:
            empty(root)
        os.rmdir(name, dir_fd=folder)


def empty(root: int) -> None:
    """Remove all that is in an open folder. Raises OSError."""
    for kind, folder, name in Walk(root, most=_MOST_REMOVED, opening=at.open_our_folder):
        if kind is Kind.ENTER:
            _open_up(folder)
        elif kind is Kind.LEAVE:
            os.rmdir(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


def _open_up(folder: int) -> None:
    status = os.fstat(folder)
    if status.st_uid == os.geteuid() and status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(folder, stat.S_IRWXU)


def first_conflict(source: int, target: int) -> str | None:
    """Return the first path that two open folders have, other than as a folder in each: they cannot be merged. Or None.

    The paths of `target` are gone through: it should be the smaller one.
    """
    levels = [_shared(source, target)]
    if not levels[0]:
        return None
    ours, theirs = os.dup(source), os.dup(target)
    names: list[str] = []
    try:
        while True:
            while not levels[-1]:
                levels.pop()
                if not levels:
                    return None
                ours, theirs = _up(ours), _up(theirs)
                names.pop()
            names.append(levels[-1].pop())
            try:
                ours = at.replaced(ours, at.open_folder(ours, names[-1]))
                theirs = at.replaced(theirs, at.open_folder(theirs, names[-1]))
            except OSError as error:
                if error.errno not in _NO_FOLDER:
                    raise
                return "/".join(names)
            levels.append(_shared(ours, theirs))
    finally:
        os.close(ours)
        os.close(theirs)


def merge(source: int, target: int) -> None:
    """Move all that an open folder holds into another one, which takes on its extended attributes (user.*).

    Folders that both have are merged in the same way. Cut short and repeated it goes on where it was. Raises
    FileExistsError where `first_conflict` would have told, OSError.
    """
    levels = [_not_moved(source, target)]
    if not levels[0]:
        return
    ours, theirs = os.dup(source), os.dup(target)
    try:
        while True:
            while not levels[-1]:
                levels.pop()
                if not levels:
                    return
                ours, theirs = _up(ours), _up(theirs)
                os.rmdir(levels[-1].pop(), dir_fd=ours)
            name = levels[-1][-1]
            try:
                ours = at.replaced(ours, at.open_folder(ours, name))
                theirs = at.replaced(theirs, at.open_folder(theirs, name))
            except OSError as error:
                if error.errno not in _NO_FOLDER:
                    raise
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from error
            levels.append(_not_moved(ours, theirs))
    finally:
        os.close(ours)
        os.close(theirs)


def keep_user_attributes(source: int, target: int) -> None:
    """Give one open file or folder the extended attributes of another that any user may set, where there are such."""
    try:
        for name in os.listxattr(source):
            if name.startswith("user."):
                os.setxattr(target, name, os.getxattr(source, name))
    except OSError as error:  # a filesystem without any, or with less room for them
        if error.errno not in {errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG, errno.ENODATA, errno.EPERM}:
            raise


def _not_moved(source: int, target: int) -> list[str]:
    """Move what can be moved of one open folder into another one, and return what both have."""
    keep_user_attributes(source, target)
    both = []
    for name in os.listdir(source):
        try:
            at.rename_new(source, name, target, name)
        except FileExistsError:
            both.append(name)
    return both


def _shared(source: int, target: int) -> list[str]:
    """Return the names in one open folder that another has, too, the last first."""
    both = []
    for name in os.listdir(target):
        try:
            os.stat(name, dir_fd=source, follow_symlinks=False)
            both.append(name)
        except FileNotFoundError:
            continue
    return sorted(both, reverse=True)


def _up(folder: int, key: tuple[int, int] | None = None) -> int:
    """Return the folder above, in place of an open one; verify that it is the one that it was, if `key` says which."""
    above = at.open_above(folder)
    if key is not None and _key(above) != key:
        os.close(above)
        raise OSError(errno.ESTALE, "a folder was moved away meanwhile")
    return at.replaced(folder, above)


def _key(folder: int) -> tuple[int, int]:
    status = os.fstat(folder)
    return status.st_dev, status.st_ino
