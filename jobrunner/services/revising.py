"""Queues packages once more that are done: each time as a revision, a job of its own with a result of its own.

What was done stays done, and as it is in the archive, whatever becomes of a later revision.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from jobrunner.domain.change import Action
from jobrunner.domain.errors import JobrunnerError, in_words
from jobrunner.domain.job import Identity, Job, State
from jobrunner.domain.package import MAX_NAME_BYTES, shown
from jobrunner.files.folders import Folders
from jobrunner.services.intake import Intake
from jobrunner.services.names import free_name
from jobrunner.store.store import Store

#: Jobs in one transaction: the workers wait for its end.
_BATCH = 200
#: Bytes that are left behind the name of a revision: a package that is really called so gets one of its own.
_ROOM = 12


class Revising:
    """Makes revisions: of what lies in the archive, or of what was delivered once more."""

    def __init__(self, store: Store, folders: Folders, intake: Intake) -> None:
        self._store = store
        self._folders = folders
        self._intake = intake

    def rerun(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Job | str]]:
        """Queue the packages of done jobs again, and yield each job with its revision, or why there is none.

        Raises StoreError.
        """
        remaining = iter(jobs)
        while batch := list(islice(remaining, _BATCH)):
            with self._store.write():
                queued = [(job, self._rerun(job.package)) for job in batch]
                made = [revision for _, revision in queued if isinstance(revision, Job)]
                self._store.changes.note(Action.RERUN, made, self._store.now().wall)
            yield from queued

    def accept(self, package: str) -> Job:
        """Queue a second delivery of a package that is done, as a revision.

        Raises JobrunnerError where it has to wait, StoreError.
        """
        try:
            delivery = self._intake.delivery(package)
        except OSError as error:
            raise JobrunnerError(f"the inbox cannot be read: {in_words(error)}") from error
        if delivery is None:
            raise JobrunnerError(f"{shown(package)} does not lie in the inbox: there is nothing to accept")
        if delivery.lacking:
            raise JobrunnerError(f"{shown(package)} in the inbox cannot be accepted yet: {delivery.lacking}")
        with self._store.write():
            _, revisions = self._done(package)
            if refusal := _refusal(revisions, {State.QUEUED, State.RUNNING}):
                raise JobrunnerError(refusal)
            revision = self._revise(package, None)
            self._store.changes.note(Action.ACCEPT, [revision], self._store.now().wall)
            return revision

    def _rerun(self, package: str) -> Job | str:
        try:
            job, revisions = self._done(package)
            if refusal := _refusal(revisions, {State.QUEUED, State.RUNNING, State.FAILED}):
                return refusal
            done = [job.name, *(each.name for each in reversed(revisions) if each.state is State.DONE)]
            source = next((name for name in done if os.path.lexists(self._folders.archived(name))), None)
            if source is None:
                return f"{shown(job.name)} is not in the archive any more: there is nothing to process again"
            return self._revise(package, source)
        except JobrunnerError as error:
            return str(error)

    def _done(self, package: str) -> tuple[Job, Sequence[Job]]:
        """Return the first job of a package, which must be done, and its revisions."""
        job = self._store.jobs.find(package)
        if job is None:
            raise JobrunnerError(f"no package named {shown(package)} is known")
        if job.state is not State.DONE:
            wait = "retry it" if job.state is State.FAILED else "wait until it is done"
            raise JobrunnerError(f"{shown(package)} is {job.state}: {wait}")
        return job, self._store.revisions.of(package)

    def _revise(self, package: str, source: str | None) -> Job:
        name, number = free_name(self._store, self._folders, package)
        if len(os.fsencode(name)) > MAX_NAME_BYTES - _ROOM:
            raise JobrunnerError(f"{shown(package)} is too long a name for another revision: NAME~N has no room")
        return self._store.revisions.revise(Identity(name, package, number, source), self._store.now().wall)


def _refusal(revisions: Sequence[Job], states: set[State]) -> str | None:
    """Return why there is to be no other revision: the newest has not been done."""
    if not revisions or revisions[-1].state not in states:
        return None
    name = shown(revisions[-1].name)
    if revisions[-1].state is State.FAILED:
        return f"{name} has failed: jobrunner retry {name} tries it again"
    return f"{name} is {revisions[-1].state} already"
