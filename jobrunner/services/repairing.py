"""Mends what a check has found, where that is safe: no package is deleted, and nothing is overwritten."""

import os
from collections.abc import Iterator, Sequence

from jobrunner.domain.findings import Finding, Kind
from jobrunner.domain.job import Adopted, EndedAttempt, Job, Outcome, State
from jobrunner.domain.retry import RetryPolicy, decide
from jobrunner.files import moves, sweeping
from jobrunner.files.folders import Folders
from jobrunner.files.inventory import Inventory, archived_as, failed_as, work_as
from jobrunner.files.workspace import LEFTOVER_PREFIX, TRY_PREFIX, holds_package
from jobrunner.process.presence import Presence
from jobrunner.services import adoption
from jobrunner.services.recovery import Recovery
from jobrunner.store.store import Store


class Repairing:
    """Each repair is one commit or one rename, after a second look: it may be cut short or repeated at any point."""

    def __init__(
        self,
        store: Store,
        folders: Folders,
        presence: Presence,
        recovery: Recovery,
        policy: RetryPolicy,
    ) -> None:
        self._store = store
        self._folders = folders
        self._presence = presence
        self._recovery = recovery
        self._policy = policy

    def repair(self, findings: Sequence[Finding]) -> Iterator[tuple[Finding, OSError | None]]:
        """Mend what can be mended and yield it, one by one, with what the system refused. Raises StoreError."""
        with self._store.write():  # an older database may have been put back: its next job is none of these
            self._store.adoption.reserve_ids(Inventory(self._folders).last_id)
        for finding in findings:
            try:
                if self._mend(finding):
                    yield finding, None
            except OSError as error:  # the others are mended all the same
                yield finding, error

    def _mend(self, finding: Finding) -> bool:
        match finding.kind:
            case Kind.WORKER_DEAD:
                self._recovery.run()
                return True
            case Kind.RUNNING_WITHOUT_WORKER:
                return self._queue_again(finding)
            case Kind.ARCHIVED_WITHOUT_JOB:
                identity = archived_as(self._folders, finding.name or "")
                return identity is not None and self._adopt(adoption.from_archive(self._folders, identity))
            case Kind.FAILED_WITHOUT_JOB:
                entry = os.path.basename(finding.path)
                identity = failed_as(self._folders, entry)
                return identity is not None and self._adopt(adoption.from_failed(self._folders, identity, entry))
            case Kind.WORK_WITHOUT_JOB:
                return self._adopt_from_work(finding)
            case Kind.LEFTOVER_IN_WORK if os.path.basename(finding.path).startswith(TRY_PREFIX):
                return self._recovery.remove_try(finding.path)
            case Kind.LEFTOVER_IN_WORK:
                return self._remove(finding)
            case Kind.LEFTOVER_IN_INBOX:
                return self._recovery.remove_hidden(finding.job_id or 0)
            case Kind.LEFTOVER_LOCK:
                token = os.path.basename(finding.path)
                with self._presence.of_the_dead(token) as dead:
                    if dead:
                        self._presence.forget(token)
                return dead
            case _:
                return False

    def _queue_again(self, finding: Finding) -> bool:
        with self._store.write():
            job = self._job(finding)
            held = {worker.id for worker in self._store.workers.not_ended()}
            if job is None or job.state is not State.RUNNING or job.worker_id in held:
                return False
            reason = "its worker had ended without it"
            decision = decide(job, Outcome.INTERRUPTED, reason, self._policy, jitter=0)
            now = self._store.now()
            self._store.queue.requeue(job, Outcome.INTERRUPTED, decision, now)
            self._store.totals.add([EndedAttempt(Outcome.INTERRUPTED)], now.wall)
        return True

    def _adopt(self, found: Adopted) -> bool:
        with self._store.write():
            return self._store.adoption.adopt(found)

    def _adopt_from_work(self, finding: Finding) -> bool:
        lying = [folder for found in Inventory(self._folders).work.values() for folder in found]
        folder = next((folder for folder in lying if folder.path == finding.path), None)
        identity = folder and work_as(self._folders, folder)
        return folder is not None and identity is not None and self._adopt(adoption.from_work(folder, identity))

    def _remove(self, finding: Finding) -> bool:
        """Put a work folder out of any attempt's reach while nothing can be claimed, then remove it."""
        aside = finding.path
        if not os.path.basename(aside).startswith(LEFTOVER_PREFIX):
            with self._store.write():
                job = self._job(finding)
                if (job is not None and job.state is State.RUNNING) or holds_package(finding.path):
                    return False
                aside = sweeping.put_out_of_reach(self._folders, finding.path)
        moves.remove_tree(aside)
        return True

    def _job(self, finding: Finding) -> Job | None:
        return None if finding.job_id is None else self._store.jobs.get(finding.job_id)
