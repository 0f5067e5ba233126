"""Queues packages once more that are done. Each time is a revision: a job of its own, whose result lies beside the others.

What was done stays done, and as it is in the archive, whatever becomes of a later revision.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice

from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.job import Identity, Job, State
from jobrunner.domain.package import MAX_NAME_BYTES, shown
from jobrunner.files.folders import Folders
from jobrunner.store.store import Store

#: Jobs in one transaction: the workers wait for its end.
_BATCH = 200


class Revising:
    """Makes revisions: of what lies in the archive, or of what was delivered once more."""

    def __init__(self, store: Store, folders: Folders) -> None:
        self._store = store
        self._folders = folders

    def rerun(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Job | str]]:
        """Queue the packages of done jobs again, and yield each job with its revision, or why there is none.

        Raises StoreError.
        """
        remaining = iter(jobs)
        while batch := list(islice(remaining, _BATCH)):
            with self._store.write():
                queued = [(job, self._rerun(job.package)) for job in batch]
            yield from queued

    def accept(self, package: str) -> Job:
        """Queue what was delivered once more as a revision. Raises JobrunnerError where it cannot be one, StoreError."""
        with self._store.write():
            job, revisions = self._done(package)
            if refusal := _refusal(revisions, {State.QUEUED, State.RUNNING}):
                raise JobrunnerError(refusal)
            return self._revise(job.package, None)

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
        return job, self._store.jobs.revisions(package)

    def _revise(self, package: str, source: str | None) -> Job:
        name, number = free_name(self._store, self._folders, package)
        return self._store.queue.revise(Identity(name, package, number, source), self._store.now().wall)


def free_name(store: Store, folders: Folders, package: str) -> tuple[str, int]:
    """Return the first name NAME~N, N from 2 on, that neither the archive nor any job has, and its N.

    Raises JobrunnerError where such a name is too long. Within a transaction it stays free until that has ended.
    """
    for number in count(2):
        name = f"{package}~{number}"
        if len(os.fsencode(name)) > MAX_NAME_BYTES:
            raise JobrunnerError(f"{shown(package)} is too long a name: there is no room for ~{number} behind it")
        if not store.jobs.is_used(name) and not os.path.lexists(folders.archived(name)):
            return name, number
    raise AssertionError


def _refusal(revisions: Sequence[Job], states: set[State]) -> str | None:
    """Return why there is to be no other revision: the newest has not been done."""
    if not revisions or revisions[-1].state not in states:
        return None
    name = shown(revisions[-1].name)
    if revisions[-1].state is State.FAILED:
        return f"{name} has failed: jobrunner retry {name} tries it again"
    return f"{name} is {revisions[-1].state} already"
