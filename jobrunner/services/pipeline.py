"""An attempt as a pipeline of three steps over one value: prepare, execute, settle."""

from collections.abc import Sequence
from functools import partial

from jobrunner.domain.errors import ClaimLost, MachineError, PackageError
from jobrunner.domain.job import Job, Outcome
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import shown
from jobrunner.files.folders import Folders
from jobrunner.files.workspace import Stage, Workspace
from jobrunner.services.attempt import CurrentAttempt
from jobrunner.services.executing import Executor
from jobrunner.services.machine import Machine
from jobrunner.services.preparing import Preparing
from jobrunner.services.settling import Settling
from jobrunner.store.store import Store


class Pipeline:
    """Runs one attempt after another. Whatever it is cut short in, the next attempt goes on from what lies there."""

    def __init__(
        self,
        folders: Folders,
        preparing: Preparing,
        executor: Executor,
        settling: Settling,
        store: Store,
        machine: Machine,
    ) -> None:
        self._folders = folders
        self._preparing = preparing
        self._executor = executor
        self._settling = settling
        self._store = store
        self._machine = machine

    def run(self, job: Job) -> Job | None:
        """Bring a claimed job to its end, and return the next one, claimed already; None if there is none.

        Where a quick job is claimed next, the end of this one may wait for it: both go to the archive together then.
        Raises Stopped where an end could not be recorded.
        """
        workspace = Workspace.at(self._folders.work, job.id, job.attempt)
        confirm = partial(self._machine.until_it_works, partial(self._store.queue.confirm, job))
        attempt = CurrentAttempt(job, workspace, confirm)
        try:
            if job.verdict or not self._executor.is_instant:
                self._settling.before_long()
            if job.verdict and self._folders.workspace(job).stage() < Stage.HANDLED:  # else that came too late
                return self._settling.fail(attempt, job.verdict)
            result = HandlerResult(Outcome.DONE)  # unless it has not been handled yet
            try:
                if self._preparing.prepare(attempt, self._settling.before_long):
                    result = self._executor.execute(attempt)
            except (PackageError, MachineError, OSError, MemoryError) as error:
                result = self._settling.result_of(attempt, error)
            return self._settling.settle(attempt, result)
        except ClaimLost:
            return self._settling.let_go(attempt)
        except Exception as error:  # of what is reported as a bug, this is what was being done
            error.add_note(f"in attempt {job.attempt} of job {job.id}, {shown(job.name)}")
            raise

    def hold_to_life(self) -> None:
        """Raise JobrunnerError where no handler could be run now: no package should be claimed, and pay for that."""
        self._executor.hold_to_life()

    @property
    def descriptors(self) -> Sequence[int]:
        """What can be read, between two attempts, once no handler can be run any more."""
        return self._executor.descriptors
