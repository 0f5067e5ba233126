"""A new database for a lost or damaged one, from what lies in the folders."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from jobrunner.domain.errors import DamagedDatabase, JobrunnerError
from jobrunner.domain.findings import Rebuilt
from jobrunner.domain.job import Adopted, State
from jobrunner.files import inventory, moves, owner
from jobrunner.files.folders import Folders
from jobrunner.files.inventory import Inventory
from jobrunner.process.killing import in_words
from jobrunner.process.presence import Presence
from jobrunner.process.remains import kill_handlers_of
from jobrunner.services import adoption
from jobrunner.store.bell import GATES
from jobrunner.store.database import SHARED_MEMORY
from jobrunner.store.identity import identity
from jobrunner.store.migrations import is_blank, migrate
from jobrunner.store.soundness import fault
from jobrunner.store.store import Store

#: Seconds that what is left of a handler may take to end.
_PATIENCE = 10.0
#: What SQLite keeps beside a database: it must never be found beside another one.
_BESIDE = ("", "-wal", SHARED_MEMORY)


class _Old(NamedTuple):
    """What the old database still tells: whether it is sound, and which jobs had ended."""

    is_sound: bool
    ended: Sequence[Adopted]


class Rebuilding:
    """Builds aside, puts the old one out of the way, renames into place. Cut short at any point, it is repeated."""

    def __init__(self, store: Store, folders: Folders, presence: Presence) -> None:
        """`store` is the one that is lost or damaged."""
        self._store = store
        self._path = path = store.database.path
        self._aside = path.with_name(f"{path.name}.rebuilding")
        self._folders = folders
        self._presence = presence

    def rebuild(self) -> Rebuilt:
        """Return what the new database knows.

        Raises JobrunnerError where jobrunner still runs or the database is sound, StoreError, OSError.
        """
        if self._presence.anybody():
            raise JobrunnerError("jobrunner runs in this home (or is just being stopped): stop it, then rebuild")
        present = self._presence.appear()
        try:
            old = self._look_at_the_old()
            if old.is_sound:
                raise JobrunnerError(
                    f"the database {self._path} is sound and stays: jobrunner check --repair mends differences"
                )
            self._end_remains(present.token)
            self._remove_aside()
            counts = self._build(old.ended)
            kept_as = self._put_in_place()
        finally:
            present.leave()
        return Rebuilt(counts, kept_as)

    def _end_remains(self, ours: str) -> None:
        """Kill what the handlers of dead workers left, as recovery would: the new database does not know them."""
        for token in self._presence.tokens() - {ours}:
            if left := kill_handlers_of(token, self._presence.noted(token), patience=_PATIENCE):
                raise JobrunnerError(in_words(left, "of a handler of a dead worker"))
            self._presence.forget(token)

    def _look_at_the_old(self) -> _Old:
        if not self._path.exists():
            return _Old(is_sound=False, ended=())
        database = self._store.database
        try:
            database.open()
            if is_blank(database):
                return _Old(is_sound=False, ended=())
            if not fault(database) and owner.knows(self._folders, identity(database), database.waiting):
                return _Old(is_sound=True, ended=())
            return _Old(is_sound=False, ended=list(self._store.ended_jobs()))
        except DamagedDatabase:
            return _Old(is_sound=False, ended=())
        finally:
            database.close()

    def _build(self, old: Sequence[Adopted]) -> dict[str, int]:
        """Fill a new database, and give it the work folder: cut short after that, there is still none in its place."""
        lying = Inventory(self._folders)
        made = self._store.at(self._aside)
        made.open()
        try:
            migrate(made.database)
            with made.write():
                made.adoption.reserve_ids(lying.last_id)
                for found in self._found(lying, old):
                    made.adoption.adopt(found)
            counts = made.jobs.counts(made.now())
            owner.replace(self._folders, identity(made.database), self._path, made.database.waiting)
        finally:
            made.close()
        return counts

    def _found(self, lying: Inventory, old: Sequence[Adopted]) -> Iterator[Adopted]:
        """Yield a job for each package; of those with one name the first counts.

        A package in work goes before what was said of its name. `done` is never taken back, so the old database goes
        before the folders there; what had failed is to be found in failed/, if it is still anywhere.
        """
        for found in lying.work.values():
            for folder in reversed(found):
                if identity := inventory.work_as(self._folders, folder):
                    yield adoption.from_work(folder, identity)
        yield from (job for job in old if job.state is State.DONE)
        for name in sorted(lying.archive):
            if identity := inventory.archived_as(self._folders, name):
                yield adoption.from_archive(self._folders, identity)
        for identity, entry in sorted(inventory.newest_in_failed(self._folders, lying.failed).items()):
            yield adoption.from_failed(self._folders, identity, entry)
        yield from (job for job in old if job.state is State.FAILED)

    def _put_in_place(self) -> str | None:
        """Rename the old database away and the new one into its place, each durably before the next."""
        folder = str(self._path.parent)
        moves.flush_filesystem(folder)
        kept_as = None
        if any(os.path.lexists(f"{self._path}{suffix}") for suffix in _BESIDE):
            stamp = time.strftime("%Y%m%d-%H%M%S")
            kept_as = os.path.join(folder, moves.free_name(folder, f"{self._path.name}.damaged-{stamp}"))
            for suffix in _BESIDE:
                with suppress(FileNotFoundError):
                    moves.rename_new(f"{self._path}{suffix}", f"{kept_as}{suffix}")
            moves.flush_directory(folder)
        moves.publish(str(self._aside), str(self._path))
        self._remove_aside()
        return kept_as

    def _remove_aside(self) -> None:
        for suffix in (*_BESIDE, *(f"-{gate}" for gate in GATES)):
            with suppress(FileNotFoundError):
                os.unlink(f"{self._aside}{suffix}")
