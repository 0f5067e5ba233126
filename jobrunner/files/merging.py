"""Two trees become one, by descriptors: what one holds moves into the other, unless both have it."""

import errno
import os
import stat

from jobrunner.domain.naming import is_junk
from jobrunner.files.trees import Descent, keep_user_attributes
from jobrunner.linux import at

_NO_FOLDER = {errno.ENOTDIR, errno.ELOOP}


def first_conflict(source: int, target: int) -> str | None:
    """Return the first path that two open folders have, other than as a folder in each: they cannot be merged. Or None.

    A system's junk, such as Thumbs.db, is no conflict. The paths of `target` are gone through: it should be the smaller
    one.
    """
    names: list[str] = []
    with Descent(source) as ours, Descent(target) as theirs:
        levels = [_shared(source, target)]
        while True:
            if levels[-1]:
                names.append(levels[-1].pop())
                if _go_down(ours, theirs, names[-1]):
                    levels.append(_shared(ours.here, theirs.here))
                elif _gives_way(ours.here, theirs.here, names[-1]):
                    names.pop()
                else:
                    return "/".join(names)
            elif names:
                levels.pop()
                names.pop()
                ours.up()
                theirs.up()
            else:
                return None


def merge(source: int, target: int) -> None:
    """Move all that an open folder holds into another one, which takes on its extended attributes (user.*).

    Folders that both have are merged in the same way; of a system's junk that both have, what is moved stays. Cut short
    and repeated it goes on where it was. Raises FileExistsError where `first_conflict` would have told, OSError.
    """
    with Descent(source) as ours, Descent(target) as theirs:
        levels = [_not_moved(source, target)]
        while True:
            if levels[-1]:
                name = levels[-1][-1]
                if _go_down(ours, theirs, name):
                    levels.append(_not_moved(ours.here, theirs.here))
                elif _gives_way(ours.here, theirs.here, name):
                    os.rename(name, name, src_dir_fd=ours.here, dst_dir_fd=theirs.here)
                    levels[-1].pop()
                else:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
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


def _gives_way(source: int, target: int, name: str) -> bool:
    """Say whether what two open folders have under one name is no folder, and but a system's junk."""
    return is_junk(name) and not any(
        stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode) for folder in (source, target)
    )


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
