"""A glance at a home, for a person who has not asked for anything yet: it waits for nothing and changes nothing."""

import stat
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from jobrunner.domain.errors import StoreError
from jobrunner.domain.job import State
from jobrunner.domain.settings import Settings
from jobrunner.domain.situation import Situation
from jobrunner.files import places
from jobrunner.files.folders import Folders
from jobrunner.files.inbox import Inbox
from jobrunner.store.completion import few, names_from
from jobrunner.store.database import Database
from jobrunner.store.glance import Glance
from jobrunner.store.migrations import check
from jobrunner.store.store import Store
from jobrunner.unzip.end import unfinished
from jobrunner.wiring import safety
from jobrunner.wiring.settings import load

#: Bytes of a database that a reader gets a copy of, with all that is in its log.
_SMALL = 16 << 20
_MOST_IN_INBOX = 20_000


def situation(path: Path) -> Situation:
    """Return what is going on in a home. Raises NoHome, ConfigurationError, StoreError, OSError."""
    settings = load(path).settings
    home, inbox = str(settings.home), str(settings.folders.inbox)
    if not settings.database_path.exists():
        return Situation(home, inbox, 0.0, 0, False, None, Counter())
    with _glancing(settings) as store:
        now = store.now()
        alive = [worker for worker in store.workers.not_ended() if worker.process.lives()]
        runners = [runner for runner in store.runners.all() if runner.process.lives()]
        return Situation(
            home=home,
            inbox=inbox,
            now=now.wall,
            workers=len(alive),
            scans=any(runner.command != "work" for runner in runners),
            pause=store.pauses.in_force(now.wall),
            counts=store.jobs.counts(now),
        )


def names(path: Path, beginning: str, states: Collection[State], most: int) -> Sequence[str]:
    """Return names of packages in these states of the home at `path` that begin so, as `names_from` does.

    Raises ConfigurationError, StoreError, OSError.
    """
    with _glancing(load(path).settings) as store:
        return names_from(store.database, beginning, states, most)


def duplicates(path: Path, beginning: str, most: int) -> Sequence[str]:
    """Return names in the inbox that begin so and are done, a few of them, as far as it can be looked through.

    Raises ConfigurationError, StoreError, OSError.
    """
    settings = load(path).settings
    inbox = Inbox(Folders(settings.folders).inbox, settings.intake, unfinished)
    found = sorted(name for name in islice(inbox.names(), _MOST_IN_INBOX) if name.startswith(beginning))
    with _glancing(settings) as store:
        known = store.jobs.known(found)
    return few([name for name in found if name in known and known[name].state is State.DONE], most)


@contextmanager
def _glancing(settings: Settings) -> Iterator[Store]:
    """Open the database for a glance. Raises ConfigurationError, StoreError, OSError."""
    path = settings.database_path
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"the database {path} is no file")
    is_for_reading_only = places.is_for_reading_only(path)
    if not is_for_reading_only:
        safety.check(settings, to_read=True)
    is_small = is_for_reading_only and found.st_size < _SMALL
    database = Database(path, to_read=True) if is_small else Glance(path)
    store = Store(database, max_wait=settings.retry.max_backoff)
    try:
        store.open()
        check(store.database)
        yield store
    finally:
        store.close()
