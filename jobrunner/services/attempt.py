"""One attempt as a pipeline: take, extract, handle, archive; or, once its failure is decided, to failed."""

import os
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jobrunner.domain.errors import MachineError, NotTaken, PackageError, StillChanging, UnfinishedZip, in_words
from jobrunner.domain.job import Details, Job, Outcome
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import Package, shown
from jobrunner.domain.retry import MAX_CHANGES, Decision, changes_in_a_row, decide, put_back
from jobrunner.domain.settings import Settings
from jobrunner.files import lending, moves
from jobrunner.files.folders import Folders
from jobrunner.files.taking import SMALL, Taken, Taking
from jobrunner.files.workspace import Stage, Workspace
from jobrunner.process import killing
from jobrunner.process.account import Account
from jobrunner.process.guard import Guard, HeldUp
from jobrunner.process.handler import Call
from jobrunner.process.killing import Left
from jobrunner.services.ending import Done, Ending, Failed, PutOff
from jobrunner.services.failing import Failing
from jobrunner.services.machine import Machine
from jobrunner.store.store import Store
from jobrunner.unzip.extraction import extract


class AttemptRunner:
    """Runs one attempt after another. Whatever it is cut short in, the next attempt goes on from what lies there."""

    def __init__(
        self,
        settings: Settings,
        folders: Folders,
        taking: Taking,
        store: Store,
        guard: Guard | None,
        machine: Machine,
    ) -> None:
        self._settings = settings
        self._folders = folders
        self._taking = taking
        self._failing = Failing(folders, taking, store, machine)
        self._store = store
        self._guard = guard
        self._account = Account.of(settings.process.user) if guard else None
        self._machine = machine

    def run(self, job: Job, before_long: Callable[[], None] = lambda: None) -> "Ready | Ending":
        """Bring a claimed job to where `archive` takes over, or to another end, which the caller records.

        `before_long` is called before anything that may take long: with a handler, at once. Raises ClaimLost, Stopped.
        """
        notes = _Notes()
        if self._guard or job.condemned:
            before_long()
        if job.condemned and self._folders.workspace(job).stage() < Stage.HANDLED:  # else it was cancelled too late
            return self._fail(job, Outcome.FAILED, _as_it_stands(job), notes)
        result = self._try(job, notes, before_long)
        if result.outcome is Outcome.DONE:
            size = notes.size if self._guard is None and notes.size <= SMALL else None
            return Ready(job, notes, time.monotonic(), size)
        if result.outcome is Outcome.FAULT:
            return self._put_off(job, result.error, notes)
        decision = decide(job, result.outcome, result.error, self._settings.retry_policy, jitter=random.random())
        if decision.condemned:
            return self._fail(job, result.outcome, decision, notes)
        self._discard(job)
        return PutOff(job, result.outcome, decision, notes.details)

    def archive(self, ready: Sequence["Ready"]) -> list[Ending]:
        """Put packages in the archive, durably, and return their endings, which the caller records."""
        if not ready:
            return []
        start = time.monotonic()
        faults = self._folders.put_in_archive([one.job for one in ready])
        endings: list[Ending] = []
        for one in ready:
            if one.job.id in faults:
                endings.append(self._put_off(one.job, _in_words(faults[one.job.id]), one.notes))
            else:
                one.notes.add(archive=time.monotonic() - start)
                endings.append(Done(one.job, one.notes.details, one.notes.seconds))
        return endings

    def hold_to_guard(self) -> None:
        """Raise JobrunnerError where the guard was killed: no package should be claimed, and pay for that."""
        if self._guard:
            self._guard.hold_to_life()

    def clear(self, job: Job) -> None:
        """Remove the work folder of a job whose end is recorded."""
        with suppress(OSError):  # a supervisor that starts sweeps, too
            Workspace.at(self._folders.work, job.id, job.attempt).remove()

    def _try(self, job: Job, notes: "_Notes", before_long: Callable[[], None]) -> HandlerResult:
        try:
            taken = self._taking.take(job, self._failing.confirm, before_long)
            notes.size = taken.found.size
            if notes.size > SMALL:
                before_long()
            if taken.stage < Stage.HANDLED:
                if taken.stage is not Stage.NEW:
                    taken.workspace.clear()
                return self._extract_and_handle(job, taken, notes)
        except PackageError as error:
            return HandlerResult(Outcome.REJECTED, str(error))
        except StillChanging as change:
            attempts = self._machine.until_it_works(partial(self._store.attempts.of_job, job))
            if changes_in_a_row(attempts[:-1]) + 1 < MAX_CHANGES:  # the last one is this one
                return HandlerResult(Outcome.FAULT, str(change))
            return HandlerResult(Outcome.REJECTED, f"{change.reason}, and so at each of {MAX_CHANGES} tries")
        except (MachineError, OSError, MemoryError) as fault:
            return HandlerResult(Outcome.FAULT, _in_words(fault))
        return HandlerResult(Outcome.DONE)

    def _extract_and_handle(self, job: Job, taken: Taken, notes: "_Notes") -> HandlerResult:
        workspace = taken.workspace
        if os.path.lexists(self._folders.archived(job.name)):
            raise PackageError(f"the archive has a {shown(job.name)} already: move that one away, then retry")
        self._folders.rights.make_folder(workspace.data)
        zip_path = f"{workspace.package}/{job.name}.zip"
        start = time.monotonic()
        try:
            encoding = extract(zip_path, workspace.data, self._settings.extract, workspace.report_progress, taken.found)
        except UnfinishedZip as error:
            age = time.time() - os.lstat(zip_path).st_ctime
            if 0 <= age < self._settings.intake.settle:  # else the clock was set back since
                raise MachineError(f"{error}; it has changed within intake.settle") from error
            raise
        finally:
            notes.add(extract=time.monotonic() - start)
        notes.add(encoding=encoding)
        only_the_zip = [f"{job.name}.zip"] if taken.found.entries == 1 else None
        conflict = moves.first_conflict(workspace.data, workspace.package, only_the_zip)
        if conflict is not None:
            raise PackageError(f"the zip's member {shown(conflict)} would take the place of a file beside the zip")
        if self._guard is None:
            workspace.record_success()
            return HandlerResult(Outcome.DONE)
        log_path = self._folders.start_log(job.name, job.attempt)
        package = Package(job.name, Path(workspace.data), Path(zip_path), job.attempt, self._settings.home)
        start = time.monotonic()
        result = self._handle(self._guard, Call(package, log_path), partial(self._held_up, job))
        if self._machine.is_replaced:
            self._machine.hold_up(None)
        notes.add(handle=time.monotonic() - start)
        if result.outcome is Outcome.DONE:
            return self._recorded(workspace)
        if result.outcome is Outcome.FAILED and (trouble := self._machine.look()):
            return HandlerResult(Outcome.FAULT, f"{result.error}; at that time, {trouble}")
        return result

    def _handle(self, guard: Guard, call: Call, held_up: HeldUp) -> HandlerResult:
        """Run the handler; one that has an account of its own owns the data folder meanwhile."""
        if self._account is None:
            return guard.run(call, held_up)
        data = str(call.package.data)
        lending.lend(data, self._account.uid, self._account.gid)
        result = guard.run(call, held_up)
        refused = lending.take_back(data)
        return HandlerResult(Outcome.FAILED, refused) if refused and result.outcome is Outcome.DONE else result

    def _held_up(self, job: Job, left: Sequence[Left]) -> None:
        name = shown(job.name)
        self._machine.hold_up(f"{killing.in_words(left, f'of the handler of {name}')}: {name} waits for that")

    def _recorded(self, workspace: Workspace) -> HandlerResult:
        """Record the handler's success, if what it left can be archived; a trouble of the machine's is waited out."""
        result = _checked(workspace)
        if result.outcome is not Outcome.DONE:
            self._machine.wait_until_well(self._machine.look())
            result = _checked(workspace)
        if result.outcome is Outcome.DONE:
            try:
                workspace.record_success()
            except OSError:
                self._machine.wait_until_well(self._machine.probe())
                workspace.record_success()
        return result

    def _fail(self, job: Job, outcome: Outcome, decision: Decision, notes: "_Notes") -> Ending:
        error, place, left_in_inbox = decision.reason or "", None, None
        try:
            try:
                place = self._failing.put_in_failed(job, decision)
            except NotTaken:
                left_in_inbox = self._failing.leave_in_inbox(job)
        except PackageError:  # it is nowhere: the failure is recorded all the same
            pass
        except (MachineError, OSError) as fault:
            return self._put_off(job, _in_words(fault), notes)
        return Failed(job, outcome, error, place, left_in_inbox, notes.details)

    def _put_off(self, job: Job, fault: str, notes: "_Notes") -> PutOff:
        """Put a job off for the machine's fault: with a growing wait where only this package meets it."""
        self._discard(job)
        trouble = self._machine.probe()
        job_now = self._machine.until_it_works(lambda: self._store.jobs.get(job.id)) or job  # it may be condemned since
        if trouble:
            decision = put_back(job_now, fault)
        else:
            decision = decide(job_now, Outcome.FAULT, fault, self._settings.retry_policy, jitter=random.random())
        return PutOff(job, Outcome.FAULT, decision, notes.details, trouble)

    def _discard(self, job: Job) -> None:
        """Free the disk while the job waits; what cannot be removed now, the next attempt removes."""
        workspace = Workspace.at(self._folders.work, job.id, job.attempt)
        with suppress(OSError):
            for half_written in (workspace.data, workspace.progress, workspace.copying):
                moves.remove_tree(half_written)
            workspace.forget_copy()


class _Notes:
    """What is recorded of one attempt."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._found: dict[str, Any] = {}
        self.size = 0  #: bytes that the package takes on the disk

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    @property
    def details(self) -> Details:
        return Details(**self._found)

    def add(self, **found: Any) -> None:
        self._found |= found


class Ready(NamedTuple):
    """All that is left of the attempt is to put the package in the archive; a crash does not count against it."""

    job: Job
    notes: _Notes
    since: float  #: seconds, monotonic
    size: int | None  #: bytes of one that took no time and can wait for others; None of all others


def _in_words(fault: MachineError | OSError | MemoryError) -> str:
    return str(fault) if isinstance(fault, MachineError) else in_words(fault)


def _checked(workspace: Workspace) -> HandlerResult:
    """Say whether what the handler left can be archived."""
    if os.path.islink(workspace.data) or not os.path.isdir(workspace.data):
        return HandlerResult(Outcome.FAILED, "the handler removed its data folder")
    conflict = moves.first_conflict(workspace.data, workspace.package)
    if conflict is not None:
        return HandlerResult(
            Outcome.FAILED, f"the handler wrote {shown(conflict)}, which the sender has delivered, too"
        )
    return HandlerResult(Outcome.DONE)


def _as_it_stands(job: Job) -> Decision:
    return Decision(job.failures, job.delays, job.crashes, job.interruptions, condemned=True, reason=job.error)
