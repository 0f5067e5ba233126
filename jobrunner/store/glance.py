"""A glance at a database: what a person who types waits for. It waits for no lock, and makes and changes no file."""

import os
from pathlib import Path
from urllib.parse import quote

import apsw

from jobrunner.store.database import SHARED_MEMORY, Database
from jobrunner.store.sqlite import driver


class Glance(Database):
    """The file itself, for reading.

    Where its shared memory is not ours to read, what has been written since the newest checkpoint is not seen, and what
    is written meanwhile may be seen in part: then an answer may be wrong, or a StoreError.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, to_read=True)

    def _open_to_read(self) -> None:
        has_log = os.access(f"{self.path}{SHARED_MEMORY}", os.R_OK) and os.access(f"{self.path}-wal", os.R_OK)
        way = "readonly_shm=1" if has_log else "immutable=1"
        uri = f"file:{quote(os.fsencode(self.path.absolute()))}?mode=ro&{way}"
        self._connect(driver(uri, {}, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI, patience=0))
