"""Two trees become one, by descriptors: what one holds moves into the other, unless both have it."""

import errno
import os

from jobrunner.files.trees import Descent, keep_user_attributes
from jobrunner.linux import at

_NO_FOLDER = {errno.ENOTDIR, errno.ELOOP}


def first_conflict(source: int, target: int) -> str | None:
    """Return the first path that two open folders have, other than as a folder in each: they cannot be merged. Or None.

    The paths of `target` are gone through: it should be the smaller one.
    """
    names: list[str] = []
    with Descent(source) as ours, Descent(target) as theirs:
        levels = [_shared(source, target)]
        while True:
            if levels[-1]:
                names.append(levels[-1].pop())
                if not _go_down(ours, theirs, names[-1]):
                    return "/".join(names)
                levels.append(_shared(ours.here, theirs.here))
            elif names:
                levels.pop()
                names.pop()
                ours.up()
                theirs.up()
            else:
                return None


def merge(source: int, target: int) -> None:
    """Move all that an open folder holds into another one, which takes on its extended attributes (user.*).

    Folders that both have are merged in the same way. Cut short and repeated it goes on where it was. Raises
    FileExistsError where `first_conflict` would have told, OSError.
    """
    with Descent(source) as ours, Descent(target) as theirs:
        levels = [_not_moved(source, target)]
        while True:
            if levels[-1]:
                if not _go_down(ours, theirs, levels[-1][-1]):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), levels[-1][-1])
                levels.append(_not_moved(ours.here, theirs.here))
            elif len(levels) > 1:
                levels.pop()
                ours.up()
                theirs.up()
                os.rmdir(levels[-1].pop(), dir_fd=ours.here)
            else:
                return


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


def _go_down(ours: Descent, theirs: Descent, name: str) -> bool:
    """Go down to what two folders have under one name; False where it is not a folder in each."""
    try:
        inner = at.open_folder(ours.here, name)
        try:
            theirs.down(at.open_folder(theirs.here, name))
        except OSError:
            os.close(inner)
            raise
    except OSError as error:
        if error.errno not in _NO_FOLDER:
            raise
        return False
    ours.down(inner)
    return True
