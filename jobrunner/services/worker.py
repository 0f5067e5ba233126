"""The worker's loop: claim a job, run the pipeline on it, which claims the next one, and wait where there is none."""

from jobrunner.domain.job import Job
from jobrunner.process.signals import StopRequest
from jobrunner.process.title import IDLE, Title
from jobrunner.services.machine import Machine
from jobrunner.services.pipeline import Pipeline
from jobrunner.services.recording import Recording
from jobrunner.store.store import Store

#: How long an idle worker sleeps before it looks again, in seconds: doubled from the first to the last.
_SHORTEST_SLEEP = 0.01
_LONGEST_SLEEP = 0.3


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

    def run(self, token: str, supervisor: str, title: Title, *, drain: bool) -> None:
        """Work under a token whose lock is held, until another worker has taken our place, too.

        The process's title says on which package. Raises Stopped where an end could not be recorded.
        """
        self._recording.register(token, supervisor)
        sleep = _SHORTEST_SLEEP
        job, probed = None, False
        while job or not (self._asked_to_stop() or self._machine.is_replaced):
            if job:
                title.show(job.name)
                job = self._pipeline.run(job)
                sleep = _SHORTEST_SLEEP
            elif self._is_any_ready():
                if not probed:
                    self._machine.wait_until_well(self._machine.probe())
                    probed = True
                job = self._recording.claim()
            elif drain and not self._machine.until_it_works(self._store.jobs.any_pending):
                break
            else:
                title.show(IDLE)
                self._asked_to_stop(sleep)
                sleep = min(sleep * 2, _LONGEST_SLEEP)
        self._recording.end()

    def cancel(self, token: str, job: Job) -> None:
        """Put one queued job in the failed folder, as cancelled. Raises StoreError, Stopped."""
        self._recording.register(token, token)
        if claimed := self._recording.claim_to_cancel(job):
            self._pipeline.run(claimed)
        self._recording.end()

    def _is_any_ready(self) -> bool:
        self._pipeline.hold_to_life()
        return self._machine.until_it_works(lambda: self._store.jobs.any_ready(self._store.now()))
