"""Cancels queued and running jobs."""

import time

from jobrunner.domain.change import Action
from jobrunner.domain.errors import ClaimLost, JobrunnerError
from jobrunner.domain.job import Job, Outcome, State
from jobrunner.domain.package import shown
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import Stage
from jobrunner.process.killing import in_words
from jobrunner.process.presence import Presence
from jobrunner.process.remains import end_worker, left_of
from jobrunner.services.machine import Stopped
from jobrunner.services.recovery import Recovery
from jobrunner.services.worker import Worker
from jobrunner.store.store import Store
from jobrunner.store.workers import WorkerRecord

#: Seconds for all of it; for a worker to die; for its supervisor to recover the job before we do; for the handler's
#: processes to end, before it is said which of them do not; between two looks.
_PATIENCE = 60.0
_DEATH = 1.0
_HANDOVER = 1.0
_SURVIVORS = 3.0
_PAUSE = 0.02


class Cancelling:
    """Brings a job to `failed` from wherever it is, step by step: a running one by the death of its worker.

    The worker takes no part in it, and this process may die at any step: each leaves a state that recovery and the next
    attempt know.
    """

    def __init__(
        self,
        store: Store,
        folders: Folders,
        presence: Presence,
        recovery: Recovery,
        worker: Worker,
    ) -> None:
        """`worker` has no handler, and waits for nothing."""
        self._store = store
        self._folders = folders
        self._presence = presence
        self._recovery = recovery
        self._worker = worker

    def cancel(self, job: Job) -> Job:
        """Return the job when it has failed and nothing of its handler is left.

        Raises JobrunnerError where it has ended otherwise or is about to, StoreError, OSError.
        """
        if job.state in {State.DONE, State.FAILED}:
            raise JobrunnerError(f"{shown(job.name)} is {job.state}: only what is queued or running can be cancelled")
        start = time.monotonic()
        while job.state in {State.QUEUED, State.RUNNING}:
            waited = time.monotonic() - start
            if waited > _PATIENCE:
                raise JobrunnerError(
                    f"{shown(job.name)} is cancelled, but did not get to failed/ within {_PATIENCE:g} s: "
                    f"see jobrunner show {shown(job.name)}"
                )
            if job.worker_id is None:
                self._put_in_failed(job)
            elif not job.verdict:
                self._end_worker(job, self._store.workers.get(job.worker_id))
            else:
                self._await_recovery(job, self._store.workers.get(job.worker_id), waited)
            job = self._store.jobs.get(job.id) or job
        if job.state is State.DONE:
            raise JobrunnerError(f"{shown(job.name)} is done: its handler had succeeded already")
        if job.verdict is not Outcome.CANCELLED:
            raise JobrunnerError(f"{shown(job.name)} has failed by itself: {job.error}")
        return job

    def _put_in_failed(self, job: Job) -> None:
        present = self._presence.appear()
        try:
            self._worker.cancel(present.token, job)
            after = self._store.jobs.get(job.id)
            is_put_off = after is not None and after.state is State.QUEUED
        except Stopped:
            is_put_off = True
        finally:
            present.leave()
        if is_put_off:
            raise JobrunnerError(
                f"{shown(job.name)} is cancelled, but cannot be moved to failed/ now: see what jobrunner status says "
                "is wrong; the next worker moves it"
            )

    def _end_worker(self, job: Job, worker: WorkerRecord) -> None:
        """Kill the worker while it cannot write, so that it has not gone on to another job."""
        if self._folders.workspace(job).stage() >= Stage.HANDLED:
            raise JobrunnerError(f"{shown(job.name)} cannot be cancelled any more: its handler has succeeded")
        try:
            with self._store.write():
                self._store.queue.cancel(job)
                self._store.changes.note(Action.CANCEL, [job], self._store.now().wall)
                end_worker(worker.pid, worker.token, patience=_DEATH)
        except ClaimLost:
            return  # it has ended meanwhile, one way or another
        except PermissionError:
            raise JobrunnerError(
                f"{shown(job.name)} is run by another user's process {worker.pid}: cancel it as that user"
            ) from None

    def _await_recovery(self, job: Job, worker: WorkerRecord, waited: float) -> None:
        """Wait until the guard has ended the handler and a supervisor, or this process, has queued the job again."""
        if waited > _SURVIVORS and (left := left_of(worker.token, self._presence.noted(worker.token))):
            raise JobrunnerError(
                f"{shown(job.name)} is cancelled, but {in_words(left, 'of its handler')}: "
                "it goes to failed/ when that has ended"
            )
        if waited > _HANDOVER or not self._presence.is_alive(worker.supervisor):
            self._recovery.run()
        time.sleep(_PAUSE)
