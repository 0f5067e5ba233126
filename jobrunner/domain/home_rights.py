"""The rights of a home's own files: its owner's alone, or for a group of readers too, and locks never for readers.

Whoever may open a file may lock it, and so hold up every process that waits for that lock.
"""

from typing import NamedTuple

LOCK_MODE = 0o600
PRIVATE_FOLDER_MODE = 0o700


class Rights(NamedTuple):
    """The rights of files and folders that readers may see; `group` is the number of their group, if there is one.

    The folder's set-group-ID bit gives what is made in it to the group, too.
    """

    file: int
    folder: int
    group: int | None

    @classmethod
    def of_readers(cls, group: int | None) -> "Rights":
        """Return the rights where `group` may read; where that is None, only the owner may."""
        return cls(0o600, PRIVATE_FOLDER_MODE, None) if group is None else cls(0o640, 0o2750, group)


#: What only the owner may read.
PRIVATE = Rights.of_readers(None)
