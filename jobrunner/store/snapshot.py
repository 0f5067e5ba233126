"""What a reader gets: a copy of the database, made without a lock of any kind, so that no writer waits for a reader.

SQLite's own readers lock parts of the shared memory beside a database. Whoever may open that file may lock all of it,
and no worker would write any more: so it is for its owner alone, and a reader does without it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobrunner.domain.errors import StoreError

#: Copies that are begun because a process wrote at the wrong moment.
_ATTEMPTS = 100
_WAL_HEADER_BYTES = 32


@contextmanager
def snapshot(database: Path) -> Iterator[Path]:
    """Yield a copy as of its newest commit; once opened, it is not needed any more. Raises StoreError, OSError."""
    folder = tempfile.mkdtemp(prefix="jobrunner-")
    try:
        copy = Path(folder, "copy.db")
        for _ in range(_ATTEMPTS):
            before = state(database)
            _copy(database, copy)
            if state(database) == before:
                break
        else:
            raise StoreError(
                f"the database {database} is written to all the time, so that it cannot be read: ask again"
            )
        yield copy
    finally:
        shutil.rmtree(folder)


def state(database: Path) -> tuple[object, ...]:
    """Return what is the same before and after a copy that is whole.

    A checkpoint may change the database meanwhile: what it writes is in the log, too, which is copied after it. What
    must not happen is that the log begins from its start again, with a new header, or that it comes or goes.
    """
    try:
        with open(f"{database}-wal", "rb", buffering=0) as log:
            if header := log.read(_WAL_HEADER_BYTES):
                return (header,)
    except FileNotFoundError:
        pass
    status = os.stat(database)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _copy(database: Path, copy: Path) -> None:
    shutil.copyfile(database, copy)
    try:
        shutil.copyfile(f"{database}-wal", f"{copy}-wal")
    except FileNotFoundError:
        Path(f"{copy}-wal").unlink(missing_ok=True)
