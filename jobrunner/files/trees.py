"""Trees by descriptors: walked and removed, however deep they are and whoever may change them meanwhile."""

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from enum import Enum, auto
from typing import NamedTuple

from jobrunner.linux import at

#: Entries of one folder that one removal takes: whoever adds to it meanwhile does not hold us up for ever.
_MOST_REMOVED = 2_000_000


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


class Descent:
    """A place in a tree, which goes down and up again by one level: one descriptor is open, however deep it is.

    The way up is verified: OSError (ESTALE) where a folder has been moved away meanwhile.
    """

    def __init__(self, root: int) -> None:
        """`root` is an open folder, which stays open."""
        self._root = root
        self.here = root
        self._above: list[tuple[int, int]] = []

    def __enter__(self) -> "Descent":
        return self

    def __exit__(self, *_: object) -> None:
        self._go_to(self._root)

    def down(self, folder: int) -> None:
        """Go on in a folder of this one, which has been opened."""
        self._above.append(_key(self.here))
        self._go_to(folder)

    def up(self) -> None:
        """Go back to the folder that this one was in. Raises OSError."""
        above = at.open_above(self.here)
        self._go_to(above)
        if _key(above) != self._above.pop():
            raise OSError(errno.ESTALE, "a folder was moved away meanwhile")

    def _go_to(self, folder: int) -> None:
        if self.here != self._root:
            os.close(self.here)
        self.here = folder


class Walk:
    """Iterate over it once: an open folder first, then each entry below it. Whatever was shown may be removed."""

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
        with Descent(self._root) as place:
            pending = [(yield from self._in_folder(place.here, ""))]
            while True:
                if pending[-1]:
                    name = pending[-1].pop()
                    folder = self._opening(place.here, name)
                    if folder is not None:
                        self._names.append(name)
                        place.down(folder)
                        pending.append((yield from self._in_folder(place.here, name)))
                elif len(pending) > 1:
                    pending.pop()
                    place.up()
                    yield Step(Kind.LEAVE, place.here, self._names.pop())
                else:
                    return

    def _in_folder(self, folder: int, name: str) -> Generator[Step, None, list[str]]:
        """Yield the folder and what is in it, but for the folders, whose names are returned."""
        yield Step(Kind.ENTER, folder, name)
        folders: list[str] = []
        with os.scandir(folder) as entries:
            for count, entry in enumerate(entries):
                if count == self._most:
                    raise OSError(errno.E2BIG, f"a folder has more than {self._most:,} entries", self.path())
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                else:
                    kind = Kind.FILE if entry.is_file(follow_symlinks=False) else Kind.OTHER
                    yield Step(kind, folder, entry.name)
        return folders


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
    for _ in emptying(root):
        pass


def emptying(root: int) -> Generator[None, None, None]:
    """Remove what is in an open folder, one entry a step: whoever stops in between may go on later. Raises OSError."""
    for kind, folder, name in Walk(root, most=_MOST_REMOVED, opening=at.open_our_folder):
        if kind is Kind.ENTER:
            _open_up(folder)
            continue
        if kind is Kind.LEAVE:
            os.rmdir(name, dir_fd=folder)
        else:
            with suppress(FileNotFoundError):  # its sender was faster
                os.unlink(name, dir_fd=folder)
        yield


def _open_up(folder: int) -> None:
    status = os.fstat(folder)
    if status.st_uid == os.geteuid() and status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(folder, stat.S_IRWXU)


def keep_user_attributes(source: int, target: int) -> None:
    """Give one open file or folder the extended attributes of another that any user may set, where there are such."""
    try:
        for name in os.listxattr(source):
            if name.startswith("user."):
                os.setxattr(target, name, os.getxattr(source, name))
    except OSError as error:  # a filesystem without any, or with less room for them
        if error.errno not in {errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG, errno.ENODATA, errno.EPERM}:
            raise


def _key(folder: int) -> tuple[int, int]:
    status = os.fstat(folder)
    return status.st_dev, status.st_ino
