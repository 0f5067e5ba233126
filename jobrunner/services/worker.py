"""The worker's loop: claim a job, run the pipeline on it, which claims the next one, and wait where there is none."""

from jobrunner.domain.job import Job
from jobrunner.linux.waiting import OneOfMany
from jobrunner.process.signals import StopRequest
from jobrunner.process.title import IDLE, Title
from jobrunner.services.machine import Machine
from jobrunner.services.pipeline import Pipeline
from jobrunner.services.recording import Recording
from jobrunner.store.bell import Bell
from jobrunner.store.store import Store

#: Seconds that an idle worker sleeps at least, when what it waits for is due: it may not be quite, by the other clock.
_SHORTEST_SLEEP = 0.01


class Worker:
    """Works until SIGTERM (which must be blocked) or, with `drain`, until no job is queued, waiting or running."""

    def __init__(
        self,
        store: Store,
        pipeline: Pipeline,
        recording: Recording,
        machine: Machine,
        asked_to_stop: StopRequest,
    ) -> None:
        self._store = store
        self._pipeline = pipeline
        self._recording = recording
        self._machine = machine
        self._asked_to_stop = asked_to_stop

    def run(self, token: str, supervisor: str, title: Title, bell: Bell, *, drain: bool) -> None:
        """Work under a token whose lock is held, until another worker has taken our place, too.

        The process's title says on which package. `bell` is that of all workers of the supervisor: it wakes one that is
        idle, and what that one claims wakes the next. Raises Stopped where an end could not be recorded.
        """
        self._recording.register(token, supervisor)
        hearing = OneOfMany(bell.descriptors)
        job, probed = None, False
        while job or not (self._asked_to_stop() or self._machine.is_replaced):
            if job:
                title.show(job.name)
                job = self._pipeline.run(job)
                continue
            bell.has_rung()  # whoever takes it looks after that
            if self._is_any_ready():
                self._machine.wait_until_well(self._machine.obstacle() if probed else self._machine.probe())
                probed = True
                job = self._recording.claim()
            elif drain and not self._machine.until_it_works(self._store.jobs.any_pending):
                break
            else:
                title.show(IDLE)
                self._sleep(bell.patience, hearing)
        self._recording.end()

    def cancel(self, token: str, job: Job) -> None:
        """Put one queued job in the failed folder, as cancelled. Raises StoreError, Stopped."""
        self._recording.register(token, token)
        if claimed := self._recording.claim_to_cancel(job):
            self._pipeline.run(claimed)
        self._recording.end()

    def _sleep(self, patience: float, hearing: OneOfMany) -> None:
        due = self._machine.until_it_works(lambda: self._store.jobs.seconds_until_due(self._store.now()))
        seconds = min(max(due, _SHORTEST_SLEEP), patience)
        self._asked_to_stop(seconds, beside=self._pipeline.descriptors, ready=hearing.ready)

    def _is_any_ready(self) -> bool:
        self._pipeline.hold_to_life()
        return self._machine.until_it_works(lambda: self._store.jobs.any_ready(self._store.now()))
