"""Names for jobs that cannot have their package's own."""

import os
from itertools import count

from jobrunner.files.folders import Folders
from jobrunner.store.store import Store


def free_name(store: Store, folders: Folders, package: str) -> tuple[str, int]:
    """Return the first name NAME~N, N from 2 on, that neither the archive nor any job has, and its N.

    Within a transaction it stays free until that has ended.
    """
    for number in count(2):
        name = f"{package}~{number}"
        if not store.revisions.is_used(name) and not os.path.lexists(folders.archived(name)):
            return name, number
    raise AssertionError
