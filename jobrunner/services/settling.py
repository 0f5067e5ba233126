"""The last step of an attempt: what its result means, and where its package goes: to archive, to failed, or nowhere."""

import os
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import MachineError, NoRoom, NotTaken, PackageError, StillChanging, in_words
from jobrunner.domain.events import ClaimGone, JobDone, JobFailed, JobPutOff
from jobrunner.domain.job import Job, Outcome
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import shown
from jobrunner.domain.retry import MAX_CHANGES, Decision, RetryPolicy, as_it_stands, changes_in_a_row, decide, put_back
from jobrunner.files import keeping, moves, sweeping
from jobrunner.files.archiving import Archiving
from jobrunner.files.failing import Failing
from jobrunner.files.taking import SMALL
from jobrunner.files.workspace import Stage
from jobrunner.services.attempt import CurrentAttempt, Done, Ending, Failed, PutOff
from jobrunner.services.machine import Machine
from jobrunner.services.receipting import Receipting
from jobrunner.services.recording import Recording

#: What goes to the archive together, at most: so many packages, of so many bytes, within so many seconds.
BATCH_PACKAGES = 128
BATCH_BYTES = 8 * 2**20
BATCH_SECONDS = 0.4


class Settling:
    """Packages that are quick to handle go to the archive together: one flush and one commit are for all of them."""

    def __init__(
        self,
        receipting: Receipting,
        archiving: Archiving,
        failing: Failing,
        recording: Recording,
        machine: Machine,
        policy: RetryPolicy,
        emit: Emit,
        *,
        has_handler: bool,
        keeps_failed: bool,
    ) -> None:
        """Without a handler an attempt takes no time, so that the end of one can wait for the next one's.

        `keeps_failed`: whether the data folder of an attempt at which the handler failed is kept for a look.
        """
        self._receipting = receipting
        self._archiving = archiving
        self._failing = failing
        self._recording = recording
        self._machine = machine
        self._policy = policy
        self._emit = emit
        self._has_handler = has_handler
        self._keeps_failed = keeps_failed
        self._ready: list[CurrentAttempt] = []  # empty unless a claimed job goes before
        self._ready_since, self._ready_size = 0.0, 0

    def result_of(self, attempt: CurrentAttempt, error: Exception) -> HandlerResult:
        """Return what an attempt has come to that met this error. Raises Stopped."""
        if isinstance(error, StillChanging):
            attempts = self._recording.attempts(attempt.job)
            if changes_in_a_row(attempts[:-1]) + 1 >= MAX_CHANGES:  # the last one is this one
                return HandlerResult(Outcome.REJECTED, f"{error.reason}, and so at each of {MAX_CHANGES} tries")
        if isinstance(error, NoRoom):
            self._machine.make_room(error.needed)
        if isinstance(error, PackageError):
            return HandlerResult(Outcome.REJECTED, str(error))
        return HandlerResult(Outcome.FAULT, _in_words(error))

    def settle(self, attempt: CurrentAttempt, result: HandlerResult) -> Job | None:
        """Do what follows from the result, record it, and return the next job, claimed already. Raises Stopped."""
        if result.outcome is Outcome.DONE and attempt.stage < Stage.HANDLED:
            result = self._record_success(attempt)
        if result.outcome not in {Outcome.DONE, Outcome.FAULT} and has_lost_its_zip(attempt):
            result = without_its_zip(attempt, result)
        match result.outcome:
            case Outcome.DONE:
                if not self._ready:
                    self._ready_since, self._ready_size = time.monotonic(), 0
                self._ready.append(attempt)
                self._ready_size += attempt.size
                return self._go_on()
            case Outcome.FAULT:
                return self.finish([self._put_off(attempt, result.error)])
        if self._keeps_failed and result.outcome is not Outcome.LATER and attempt.details.handle is not None:
            keeping.keep(attempt.workspace)
        jitter = random.random()
        decision = decide(attempt.job, result.outcome, result.error, self._policy, jitter=jitter)
        if decision.verdict:
            return self.finish([self._failed(attempt, result.outcome, decision)])
        sweeping.free_disk(attempt.workspace)
        return self.finish([PutOff(attempt, result.outcome, decision)])

    def fail(self, attempt: CurrentAttempt, verdict: Outcome) -> Job | None:
        """Settle a job whose failure was decided by an earlier attempt, and return the next one. Raises Stopped."""
        outcome = Outcome.FAILED if verdict is Outcome.CRASHED else verdict  # no worker has died in this attempt
        return self.finish([self._failed(attempt, outcome, as_it_stands(attempt.job))])

    def let_go(self, attempt: CurrentAttempt) -> Job | None:
        """Leave a job alone that is no longer this worker's, and return the next one. Raises Stopped."""
        self._emit(ClaimGone(attempt.job.name), attempt.job.id, attempt.job.attempt)
        return self.finish()

    def before_long(self) -> None:
        """Let nothing wait that is ready: what comes now may take long. Raises Stopped."""
        if self._ready:
            self.finish(claim=False)

    def finish(self, endings: Sequence[Ending] = (), *, claim: bool = True) -> Job | None:
        """Archive what is ready, record all endings and, in one transaction with that, claim the next job.

        Raises Stopped.
        """
        endings = [*self._archive(), *endings]
        following, lost = self._recording.record(endings, claim=claim)
        for ending in endings:
            attempt, job = ending.attempt, ending.attempt.job
            match ending:
                case _ if ending in lost:
                    self._emit(ClaimGone(job.name), job.id, job.attempt)
                case Done(_, seconds):
                    sweeping.remove(attempt.workspace)
                    self._emit(JobDone(job.name, seconds), job.id, job.attempt)
                case Failed(_, _, error):
                    sweeping.remove(attempt.workspace)
                    self._emit(JobFailed(job.name, error, attempt.seconds), job.id, job.attempt)
                case PutOff(_, _, decision, None):
                    event = JobPutOff(job.name, decision.reason or "", decision.delay or 0, attempt.seconds)
                    self._emit(event, job.id, job.attempt)
                case PutOff(_, _, _, trouble):
                    self._machine.wait_until_well(trouble)
        return following

    def _record_success(self, attempt: CurrentAttempt) -> HandlerResult:
        """Record it if what the handler left can be archived; a trouble of the machine's is waited for before."""
        workspace = attempt.workspace
        try:
            if self._has_handler:
                fault = fault_of(attempt)
                if fault:
                    self._machine.wait_until_well(self._machine.look())
                    fault = fault_of(attempt)
                if fault:
                    return HandlerResult(Outcome.FAILED, fault)
            for step in (partial(self._receipting.write, attempt), workspace.record_success):
                try:
                    step()
                except OSError:
                    self._machine.wait_until_well(self._machine.probe())
                    step()
        except OSError as error:
            return HandlerResult(Outcome.FAULT, in_words(error))
        attempt.stage = Stage.HANDLED
        return HandlerResult(Outcome.DONE)

    def _go_on(self) -> Job | None:
        """Return a next job whose package can go to the archive with those that are ready; else these do now."""
        if self._can_wait() and (following := self._recording.claim_in_a_batch()):
            return following
        return self.finish()

    def _can_wait(self) -> bool:
        if self._has_handler or self._ready[-1].size > SMALL or len(self._ready) >= BATCH_PACKAGES:
            return False
        is_young = time.monotonic() - self._ready_since < BATCH_SECONDS
        return is_young and self._ready_size < BATCH_BYTES

    def _archive(self) -> list[Ending]:
        ready, self._ready = self._ready, []
        if not ready:
            return []
        start = time.monotonic()
        faults = self._archiving.archive({each.job.name: (each.workspace, each.stage) for each in ready})
        now = time.monotonic()
        endings: list[Ending] = []
        for attempt in ready:
            if fault := faults.get(attempt.job.name):
                endings.append(self._put_off(attempt, _in_words(fault)))
            else:
                attempt.details.archive = now - start
                endings.append(Done(attempt, now - attempt.began))
        return endings

    def _failed(self, attempt: CurrentAttempt, outcome: Outcome, decision: Decision) -> Ending:
        job, reason = attempt.job._replace(verdict=decision.verdict), decision.reason or ""
        place, left_in_inbox = None, None
        try:
            try:
                place = self._failing.put_in_failed(
                    job, reason, attempt.confirm, partial(self._recording.condemn, job, decision)
                )
            except NotTaken:
                left_in_inbox = self._failing.leave_in_inbox(job)
        except PackageError:  # it is nowhere: the failure is recorded all the same
            pass
        except (MachineError, OSError) as fault:
            return self._put_off(attempt, _in_words(fault))
        return Failed(attempt, outcome, reason, place, left_in_inbox)

    def _put_off(self, attempt: CurrentAttempt, fault: str) -> PutOff:
        """Put a job off for the machine's fault: with a growing wait where only this package meets it."""
        sweeping.free_disk(attempt.workspace)
        trouble = self._machine.probe()
        job = self._recording.newest(attempt.job)
        if trouble:
            return PutOff(attempt, Outcome.FAULT, put_back(job, fault), trouble)
        decision = decide(job, Outcome.FAULT, fault, self._policy, jitter=random.random())
        return PutOff(attempt, Outcome.FAULT, decision)


def fault_of(attempt: CurrentAttempt) -> str | None:
    """Say why what the handler left cannot be archived; None if it can."""
    data, package = attempt.workspace.data, attempt.workspace.package
    if os.path.islink(data) or not os.path.isdir(data):
        return "the handler removed its data folder"
    names = os.listdir(package)
    if os.path.basename(attempt.zip_path) not in names:
        return _removed_zip(attempt)
    conflict = moves.first_conflict(data, package, names)
    return conflict and f"the handler wrote {shown(conflict)}, which the sender has delivered, too"


def has_lost_its_zip(attempt: CurrentAttempt) -> bool:
    """Say whether the sender's zip, which had been taken, is not there any more."""
    is_taken = attempt.zip_path and os.path.isdir(attempt.workspace.package)
    return bool(is_taken) and not os.path.lexists(attempt.zip_path)


def without_its_zip(attempt: CurrentAttempt, result: HandlerResult) -> HandlerResult:
    """Return what a handler has come to after which the sender's zip is not there: no further try can succeed."""
    with suppress(OSError):  # the next step meets it
        attempt.workspace.forget_copy()  # where it is one, the sender's own package is whole
    removed = _removed_zip(attempt)
    return HandlerResult(Outcome.REJECTED, removed if result.error == removed else f"{removed}; {result.error}")


def _removed_zip(attempt: CurrentAttempt) -> str:
    name = shown(os.path.basename(attempt.zip_path))
    return f"the handler removed {name}, the sender's zip: all that it may change is its data folder"


def _in_words(fault: Exception) -> str:
    return in_words(fault) if isinstance(fault, OSError | MemoryError) else str(fault)
