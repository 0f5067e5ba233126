"""All that is recorded of a home, as one object: what services use of the database."""

from collections.abc import Iterator
from pathlib import Path

from jobrunner.domain.errors import StoreError
from jobrunner.domain.job import Adopted
from jobrunner.linux.proc import BOOT_ID
from jobrunner.store.adoption import Adoption
from jobrunner.store.attempts import Attempts
from jobrunner.store.changes import Changes
from jobrunner.store.charts import Charts
from jobrunner.store.clock import Clock
from jobrunner.store.database import Database
from jobrunner.store.jobs import Jobs
from jobrunner.store.listing import Listing
from jobrunner.store.migrations import check
from jobrunner.store.nodes import Nodes
from jobrunner.store.notices import Notices
from jobrunner.store.old_jobs import OldJobs
from jobrunner.store.pauses import Pauses
from jobrunner.store.queue import Queue
from jobrunner.store.revisions import Revisions
from jobrunner.store.runners import Runners
from jobrunner.store.sqlite import BUSY_SECONDS
from jobrunner.store.totals import Totals
from jobrunner.store.transactions import Write
from jobrunner.store.workers import Workers


class Store:
    """One database and its tables; what concerns its file is asked of `database`.

    `queue` changes jobs, `jobs` and `listing` read them; `revisions` are jobs that are not called as their packages
    are, `adoption` makes jobs of what was found, `old_jobs` forgets what need not be kept. `attempts`, `workers`,
    `runners` and `nodes` tell who worked on them and who goes on, `pauses` whether anything may be claimed, `changes`
    what people have done to them, `notices` what people are still to be told; whoever records the end of an attempt
    adds it to the `totals`, too, of which `charts` are made. `now` is the clock that all processes of the home agree
    on, once it has been started.
    """

    def __init__(self, database: Database, *, max_wait: float, who: str = "somebody") -> None:
        """`who`: on whose behalf people's changes are made.

        `max_wait` is the longest backoff in seconds: a longer wait means that the clock was set back at a boot.
        """
        self.database = database
        self.attempts = Attempts(database)
        self.queue = Queue(database, self.attempts, max_wait=max_wait)
        self.jobs = Jobs(database, max_wait=max_wait)
        self.listing = Listing(database, max_wait=max_wait)
        self.revisions = Revisions(database)
        self.adoption = Adoption(database)
        self.old_jobs = OldJobs(database)
        self.workers = Workers(database)
        self.runners = Runners(database)
        self.nodes = Nodes(database)
        self.pauses = Pauses(database)
        self.notices = Notices(database)
        self.changes = Changes(database, who)
        self.totals = Totals(database)
        self.charts = Charts(database)
        self.now = Clock(database, BOOT_ID)
        self._max_wait, self._who = max_wait, who

    def at(self, path: Path) -> "Store":
        """Return a store in another place that is like this one otherwise."""
        return Store(self.database.at(path), max_wait=self._max_wait, who=self._who)

    def open(self) -> None:
        """Connect, unless connected. Raises StoreError, DatabaseGone."""
        self.database.open()

    def open_in_turn(self) -> None:
        """Open it once it is not being migrated: whoever has appeared keeps others from that. Raises StoreError."""
        self.database.open()
        with self.database.turn():
            check(self.database)
        self.now.start()

    def close(self) -> None:
        """Let go of the file; `open` connects again."""
        self.database.close()

    def write(self, *, patience: float = BUSY_SECONDS, durable: bool = True) -> Write:
        """Hold the only write transaction: see `Database.write`. Raises StoreError, DatabaseGone."""
        return self.database.write(patience=patience, durable=durable)

    def ended_jobs(self) -> Iterator[Adopted]:
        """Yield what can still be read of the jobs that have ended, in a damaged database of whatever version."""
        try:
            last = self.adoption.last_id()
        except StoreError:
            return
        for job_id in range(1, last + 1):
            try:
                job = self.adoption.ended(job_id)
            except (StoreError, ValueError):  # a page of it is damaged, or what stands there is no job
                continue
            if job:
                yield job
