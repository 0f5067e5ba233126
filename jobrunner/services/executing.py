"""The second step of an attempt: the handler is run, by whatever can run it."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from jobrunner.domain.job import Outcome
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import Package, shown
from jobrunner.files import lending, logs
from jobrunner.files.folders import Folders
from jobrunner.process import killing
from jobrunner.process.account import Account
from jobrunner.process.guard import Guard
from jobrunner.process.handler import Call
from jobrunner.process.killing import Left
from jobrunner.services.attempt import CurrentAttempt
from jobrunner.services.machine import Machine


class Executor(Protocol):
    """A way to run the handler on a package that is prepared."""

    @property
    def is_instant(self) -> bool:
        """Whether it takes no time, so that what comes next can be waited for."""

    def execute(self, attempt: CurrentAttempt) -> HandlerResult:
        """Run the handler on the attempt's data folder, and return how it ended; nothing that it started is left.

        Raises JobrunnerError where that is not known, OSError.
        """

    def hold_to_life(self) -> None:
        """Raise JobrunnerError where it can run nothing any more."""

    @property
    def descriptors(self) -> Sequence[int]:
        """What can be read, while it executes nothing, once it can run nothing any more."""


class NoHandler:
    """What executes where no handler is configured: to extract the zip is all there is to do."""

    is_instant = True

    def execute(self, attempt: CurrentAttempt) -> HandlerResult:
        """Do nothing, successfully."""
        return HandlerResult(Outcome.DONE)

    def hold_to_life(self) -> None:
        """Nothing can be wrong with it."""

    @property
    def descriptors(self) -> Sequence[int]:
        """Return none."""
        return ()


class LocalExecutor:
    """Runs the handler on this machine, below a guard."""

    is_instant = False

    def __init__(self, guard: Guard, home: Path, folders: Folders, machine: Machine, account: Account | None) -> None:
        """`account`: the user that the handler runs as, if not as ours."""
        self._guard = guard
        self._home = home
        self._folders = folders
        self._machine = machine
        self._account = account

    def execute(self, attempt: CurrentAttempt) -> HandlerResult:
        """Run the handler. One that fails while something is wrong with the machine is its victim: that is a fault."""
        job, workspace = attempt.job, attempt.workspace
        package = Package(job.package, Path(workspace.data), Path(attempt.zip_path), job.attempt, self._home)
        log_path = logs.start_log(self._folders, job.name, job.attempt)
        call = Call(package, log_path, workspace.handler_progress)
        start = time.monotonic()
        held_up = partial(self._hold_up, shown(job.name))
        result = run_as(self._account, call, lambda: self._guard.run(call, held_up))
        if self._machine.is_replaced:
            self._machine.hold_up(None)
        attempt.details.handle = time.monotonic() - start
        return as_it_is_recorded(result, log_path, self._machine)

    def hold_to_life(self) -> None:
        """Raise JobrunnerError where the guard was killed."""
        self._guard.hold_to_life()

    @property
    def descriptors(self) -> Sequence[int]:
        """The connection to the guard: it ends with that."""
        return (self._guard.fileno(),)

    def _hold_up(self, name: str, left: Sequence[Left]) -> None:
        self._machine.hold_up(f"{killing.in_words(left, f'of the handler of {name}')}: {name} waits for that")


def as_it_is_recorded(result: HandlerResult, log_path: str, machine: Machine) -> HandlerResult:
    """Return how the handler ended; as a fault where it has failed while something is wrong with the machine.

    The log of one that was not successful is durable then.
    """
    if result.outcome is not Outcome.DONE:
        logs.flush_log(log_path)
    if result.outcome is Outcome.FAILED and (trouble := machine.look()):
        return HandlerResult(Outcome.FAULT, f"{result.error}; at that time, {trouble}")
    return result


def run_as(account: Account | None, call: Call, run: Callable[[], HandlerResult]) -> HandlerResult:
    """Run the handler by `run`; one that has an account of its own owns the data folder meanwhile. Raises OSError."""
    if account is None:
        return run()
    data = str(call.package.data)
    lending.make_for(call.progress_path, account.uid, account.gid)
    lending.lend(data, account.uid, account.gid)
    result = run()
    refused = lending.take_back(data)
    return HandlerResult(Outcome.FAILED, refused) if refused and result.outcome is Outcome.DONE else result
