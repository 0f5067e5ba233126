"""Clears up after dead workers: kills their handlers, queues their jobs again, sweeps their leftovers."""

import time
from contextlib import suppress

from jobrunner.domain.envelope import Emit
from jobrunner.domain.events import Event, JobCancelled, JobRecovered, Trouble
from jobrunner.domain.job import EndedAttempt, Job, Outcome, State
from jobrunner.domain.retry import Decision, RetryPolicy, decide
from jobrunner.files import fence, keeping, moves, sweeping, tries
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import Stage
from jobrunner.linux.processes import Process
from jobrunner.process.killing import Waiting, in_words
from jobrunner.process.presence import Presence
from jobrunner.process.remains import kill_handlers_of, kill_worker
from jobrunner.services.node_wait import NodeWait
from jobrunner.store.store import Store
from jobrunner.store.workers import WorkerRecord

#: Seconds that a handler that was killed may take to be gone, before the others' recovery goes on.
_PATIENCE = 1.0
#: Seconds between two looks at whether the time of what is kept is over.
_TIDY_PAUSE = 30.0


class Recovery:
    """Finds dead workers by their locks, and does for each what the crash table in ARCHITECTURE.md says."""

    def __init__(
        self,
        store: Store,
        folders: Folders,
        presence: Presence,
        policy: RetryPolicy,
        emit: Emit,
        *,
        keep_failed: float,
        keep_free: int,
        node_timeout: float,
    ) -> None:
        """`keep_failed`: for how many seconds the data of failed attempts stays while `keep_free` bytes are free.

        `node_timeout`: seconds after which nothing runs any more on a node of a cluster that cannot be reached.
        """
        self._store = store
        self._folders = folders
        self._presence = presence
        self._policy = policy
        self._emit = emit
        self._keep_failed = keep_failed
        self._keep_free = keep_free
        self._node_timeout = node_timeout
        self._tidy_at = 0.0
        self._held_up: dict[str, Waiting | NodeWait] = {}

    def decide_by(self, policy: RetryPolicy) -> None:
        """Decide by another policy from now on."""
        self._policy = policy

    @property
    def waits(self) -> bool:
        """Whether a dead worker's package waits for what that has left running."""
        return bool(self._held_up)

    def run(self, *, stopped: bool = False) -> set[Process]:
        """Recover from every worker that died and return those that live. Now and then, tidy what is kept.

        `stopped`: we ended them ourselves, so that no package is to blame for their deaths. Raises StoreError, OSError.
        """
        alive = set()
        for worker in self._store.workers.not_ended():
            with self._presence.of_the_dead(worker.token) as dead:
                if dead:
                    self._recover(worker, stopped=stopped)
                else:
                    alive.add(worker.process)
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + _TIDY_PAUSE * self._has_tidied()
        return alive

    def sweep(self) -> None:
        """Remove what is left of jobs that have ended, and the locks of dead processes. Raises StoreError, OSError."""
        self.sweep_tries()
        registered = {
            token for worker in self._store.workers.not_ended() for token in (worker.token, worker.supervisor)
        }
        for token in self._presence.tokens() - registered:
            with self._presence.of_the_dead(token) as dead:
                if dead:
                    kill_handlers_of(token, self._presence.noted(token), patience=_PATIENCE)
                    self._presence.forget(token)
        for runner in self._store.runners.all():
            if not self._presence.is_alive(runner.token):
                with self._store.write():
                    self._store.runners.end(runner.token)
        for job_id in self._folders.workspaces():
            job = self._store.jobs.get(job_id)
            if job and job.state in {State.DONE, State.FAILED}:
                with suppress(OSError):  # the check tells of what is left
                    sweeping.sweep(self._folders, job_id)

        sweeping.sweep_left_over(self._folders)

    def remove_hidden(self, job_id: int) -> bool:
        """Remove a sender's folder that was copied and put out of sight, if its job has ended. Raises OSError."""
        job = self._store.jobs.get(job_id)
        if job is None or not job.is_put_away:
            return False
        sweeping.sweep(self._folders, job_id)
        return True

    def _has_tidied(self) -> bool:
        """Remove some of what is kept for too long, and say whether that was all of it, as far as we may."""
        try:
            return keeping.tidy(self._folders, self._keep_failed, self._keep_free)
        except OSError:  # what is wrong with the work folder, a probe says
            return True

    def sweep_tries(self) -> None:
        """Remove what tries have left that were killed. Raises OSError where the work folder cannot be read."""
        for path in tries.lying(self._folders):
            with suppress(OSError):  # the check tells of what is left
                self.remove_try(path)

    def remove_try(self, path: str) -> bool:
        """End what is left of a try, by its work folder, and remove that; False where it goes on. Raises OSError."""
        token = tries.token_of(path)
        with self._presence.of_the_dead(token) as dead:
            if not dead or kill_handlers_of(token, self._presence.noted(token), patience=_PATIENCE):
                return False
            moves.remove_tree(path)
            self._presence.forget(token)
        return True

    def _recover(self, worker: WorkerRecord, *, stopped: bool) -> None:
        token = worker.token
        if token in self._held_up and not self._held_up[token].is_over():
            return
        waited = self._held_up.pop(token, None)
        left = kill_worker(worker.pid, token, patience=_PATIENCE)
        left += kill_handlers_of(token, self._presence.noted(token), patience=_PATIENCE)
        if left:
            self._held_up[token] = Waiting(left)
            self._emit(Trouble(f"{in_words(left, 'of a dead worker')}: its package waits for that"))
            return
        if not isinstance(waited, NodeWait) and self._waits_for_a_node(worker):
            return
        self._queue_again(worker, stopped=stopped)

    def _queue_again(self, worker: WorkerRecord, *, stopped: bool) -> None:
        token = worker.token
        orphaned = not self._presence.is_alive(worker.supervisor)
        recovered: list[tuple[Event, Job]] = []
        ended: list[EndedAttempt] = []
        with self._store.write():
            now = self._store.now()
            if self._store.workers.end(worker.id, now.wall):  # else another recovery was faster
                held = self._store.jobs.held_by(worker.id)
                cancelled = [job for job in held if job.verdict is Outcome.CANCELLED]
                for job in held:
                    if job in cancelled:
                        outcome, error = Outcome.CANCELLED, "cancelled"
                    elif cancelled:
                        outcome, error = Outcome.INTERRUPTED, f"worker {worker.pid} was ended to cancel another package"
                    elif stopped or orphaned:
                        outcome, error = Outcome.INTERRUPTED, "jobrunner was stopped while it ran"
                    else:
                        outcome, error = Outcome.CRASHED, f"worker {worker.pid} died while it ran"
                    decision = self._decide(job, outcome, error)
                    self._store.queue.requeue(job, outcome, decision, now)
                    ended.append(EndedAttempt(outcome))
                    if outcome is Outcome.CANCELLED:
                        recovered.append((JobCancelled(job.name, worker.pid), job))
                    else:
                        condemned = bool(job.verdict or decision.verdict)
                        recovered.append((JobRecovered(job.name, error, condemned, worker.pid), job))
                self._store.totals.add(ended, now.wall)
        self._presence.forget(token)
        if orphaned:
            self._presence.forget(worker.supervisor)
        for event, job in recovered:
            self._emit(event, job.id, job.attempt)

    def _waits_for_a_node(self, worker: WorkerRecord) -> bool:
        """Say whether a dead worker's handler may still run on a node; one that has not been started never will be."""
        for job in self._store.jobs.held_by(worker.id):
            workspace = self._folders.own(job)
            if fence.is_offered(workspace.path, job.attempt) and workspace.stage() < Stage.HANDLED:
                wait = NodeWait(workspace.path, job.attempt, self._node_timeout)
                if not wait.is_over():
                    self._held_up[worker.token] = wait
                    return True
        return False

    def _decide(self, job: Job, outcome: Outcome, error: str) -> Decision:
        """Return what becomes of a job, and keep the data of an attempt that crashed, where that is wanted."""
        decision = decide(job, outcome, error, self._policy, jitter=0)
        workspace = self._folders.workspace(job)
        if workspace.stage() < Stage.HANDLED:
            if outcome is Outcome.CRASHED and self._keep_failed:
                keeping.keep(workspace)
            return decision
        return decision._replace(verdict=None, crashes=job.crashes)  # what succeeded does not fail any more
