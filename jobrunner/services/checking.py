"""Compares the database and the folders."""

import os
from collections.abc import Callable, Iterator

from jobrunner.domain.findings import Finding, Findings, Kind
from jobrunner.domain.job import Job, State
from jobrunner.files import inventory, tries
from jobrunner.files.folders import Folders
from jobrunner.files.inventory import Inventory, WorkFolder
from jobrunner.files.workspace import Stage, holds_package, source_of
from jobrunner.process.presence import Presence
from jobrunner.store.soundness import fault
from jobrunner.store.store import Store


class Checking:
    """Finds differences; changes nothing. What a living worker is about to change is no difference.

    The folders are listed before the rows are read. Whatever lies in work, archive or failed then was put there for a
    job that had been recorded before, so a package whose job is not known is a difference for certain. What a row says
    of folders may have changed between the two: it is looked at again, before and after the same reading of the row.
    """

    def __init__(
        self,
        store: Store,
        folders: Folders,
        presence: Presence,
        keeps_from_starting: Callable[[], Finding | None],
    ) -> None:
        """`keeps_from_starting` says what of the settings keeps `run` and `work` from starting."""
        self._store = store
        self._folders = folders
        self._presence = presence
        self._keeps_from_starting = keeps_from_starting

    def check(self) -> Findings:
        """Return all differences. Raises StoreError, OSError."""
        damage = fault(self._store.database)
        if damage:
            return Findings([Finding(Kind.DATABASE_DAMAGED, str(self._store.database.path), reason=damage)])
        lying = Inventory(self._folders)
        tokens = self._presence.tokens()
        jobs = {job.name: job for job in self._store.jobs.not_done()}
        done = self._store.jobs.done_names()
        differences = [
            *self._in_archive(lying, jobs, done),
            *self._in_failed(lying, jobs, done),
            *self._in_work(lying),
            *self._hidden_in_inbox(lying),
            *(found for job in jobs.values() if (found := self._of_job(job, lying))),
            *self._locks(tokens),
        ]
        if found := self._keeps_from_starting():
            differences.insert(0, found)
        return Findings(differences, jobs=len(jobs) + len(done), gone=len(done - lying.archive))

    def _in_archive(self, lying: Inventory, jobs: dict[str, Job], done: set[str]) -> Iterator[Finding]:
        for name in sorted(lying.archive - done):
            path = self._folders.archived(name)
            job = jobs.get(name)
            if job is None:
                if inventory.archived_as(self._folders, name):
                    yield Finding(Kind.ARCHIVED_WITHOUT_JOB, path, name)
            elif (
                not self._is_held(job)
                and self._folders.workspace(job).stage() is not Stage.MOVED
                and os.path.lexists(path)
                and self._store.jobs.get(job.id) == job
            ):
                yield Finding(Kind.ARCHIVED_NOT_DONE, path, name, job.id, job.state)

    def _in_failed(self, lying: Inventory, jobs: dict[str, Job], done: set[str]) -> Iterator[Finding]:
        placed = {job.failed_name for job in jobs.values()}
        newest = inventory.newest_in_failed(self._folders, (name for name in lying.failed if name not in placed))
        for identity, entry in sorted(newest.items()):
            if identity.name not in jobs and identity.name not in done:  # else it was put aside for a new delivery
                yield Finding(Kind.FAILED_WITHOUT_JOB, os.path.join(self._folders.failed, entry), identity.name)

    def _in_work(self, lying: Inventory) -> Iterator[Finding]:
        for job_id, found in lying.work.items():
            job = self._store.jobs.get(job_id)
            if job is None:
                yield from map(self._unknown_in_work, found)
            elif job.state in {State.DONE, State.FAILED}:
                if not self._is_being_cleared(job):
                    yield from (_superfluous(folder, job) for folder in found if self._is_left(folder))
            elif len(found) > 1 and not self._is_held(job):
                needed = [folder for folder in found if inventory.is_needed(folder.path)] or found
                superfluous = [_superfluous(folder, job) for folder in found if folder is not needed[-1]]
                if self._store.jobs.get(job_id) == job:
                    yield from superfluous
        yield from (Finding(Kind.LEFTOVER_IN_WORK, path) for path in lying.left_over)
        yield from (Finding(Kind.LEFTOVER_IN_WORK, path) for path in lying.tries if self._is_dead_try(path))
        yield from (Finding(Kind.UNKNOWN_IN_WORK, path) for path in lying.strange)

    def _is_dead_try(self, path: str) -> bool:
        return not self._presence.is_alive(tries.token_of(path)) and os.path.lexists(path)

    def _is_left(self, folder: WorkFolder) -> bool:
        """Say whether the folder is there, and does not record a folder in the inbox that is still to be removed."""
        source = source_of(folder.path)
        is_record = source is not None and os.path.lexists(os.path.join(self._folders.inbox, source.hidden_name))
        return os.path.lexists(folder.path) and not is_record

    def _unknown_in_work(self, folder: WorkFolder) -> Finding:
        if not holds_package(folder.path):
            return Finding(Kind.LEFTOVER_IN_WORK, folder.path)
        identity = inventory.work_as(self._folders, folder)
        if identity is None:
            return Finding(Kind.WORK_WITHOUT_NAME, folder.path)
        job = self._store.jobs.find(identity.name)
        if job is not None:
            return Finding(Kind.SECOND_IN_WORK, folder.path, identity.name, job.id, job.state)
        return Finding(Kind.WORK_WITHOUT_JOB, folder.path, identity.name)

    def _hidden_in_inbox(self, lying: Inventory) -> Iterator[Finding]:
        """Yield the folders that are named like a copied one. Only a work folder's record says whether one is."""
        jobs = {}
        if lying.hidden:
            for job_id, paths in self._folders.workspaces().items():
                jobs.update({source.hidden_name: job_id for path in paths if (source := source_of(path))})
        for name in lying.hidden:
            path = os.path.join(self._folders.inbox, name)
            job = self._store.jobs.get(jobs[name]) if name in jobs else None
            if (job is None or job.state in {State.DONE, State.FAILED}) and os.path.lexists(path):
                kind = Kind.LEFTOVER_IN_INBOX if job and job.is_put_away else Kind.COPIED_WITHOUT_JOB
                yield Finding(kind, path, job.name if job else None, job.id if job else None)

    def _of_job(self, job: Job, lying: Inventory) -> Finding | None:
        """Look for the package of a job that is not done, and for the worker of one that runs."""
        if job.state is State.FAILED:
            if job.failed_name is None or job.failed_name in lying.failed or self._folders.has_failed(job):
                return None
            path = os.path.join(self._folders.failed, job.failed_name)
            found = Finding(Kind.FAILED_WITHOUT_PACKAGE, path, job.name, job.id)
        elif job.state is State.QUEUED:
            if (job.source is None and job.package in lying.inbox) or self._is_somewhere(job):
                return None
            found = Finding(Kind.QUEUED_WITHOUT_PACKAGE, self._folders.origin(job), job.name, job.id)
        else:
            path = self._folders.workspace(job).path
            if any(worker.id == job.worker_id for worker in self._store.workers.not_ended()):
                if self._presence.anybody_recovers():
                    return None  # the worker itself, or the supervisor that recovers from its death
                found = Finding(Kind.WORKER_DEAD, path, job.name, job.id)
            else:
                found = Finding(Kind.RUNNING_WITHOUT_WORKER, path, job.name, job.id)
        return found if self._store.jobs.get(job.id) == job else None

    def _is_somewhere(self, job: Job) -> bool:
        work = self._folders.workspaces().get(job.id, [])
        return (
            any(map(inventory.is_needed, work))
            or self._folders.has_failed(job)
            or os.path.lexists(self._folders.origin(job))
        )

    def _is_held(self, job: Job) -> bool:
        return job.worker_id is not None and self._presence.is_alive(self._store.workers.get(job.worker_id).token)

    def _is_being_cleared(self, job: Job) -> bool:
        return any(self._presence.is_alive(worker.token) for worker in self._store.workers.of_job(job.id))

    def _locks(self, tokens: set[str]) -> Iterator[Finding]:
        registered = {
            token for worker in self._store.workers.not_ended() for token in (worker.token, worker.supervisor)
        }
        for token in sorted(tokens - registered):
            path = os.path.join(self._folders.work, ".workers", token)
            if not self._presence.is_alive(token) and os.path.lexists(path):
                yield Finding(Kind.LEFTOVER_LOCK, path)


def _superfluous(folder: WorkFolder, job: Job) -> Finding:
    kind = Kind.SECOND_IN_WORK if holds_package(folder.path) else Kind.LEFTOVER_IN_WORK
    return Finding(kind, folder.path, job.name, job.id, job.state)
