"""Runs the handler on one package outside the queue, as a worker would, and says what that would have come to."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from jobrunner.domain.errors import JobrunnerError, MachineError, PackageError, in_words
from jobrunner.domain.job import Identity, Job, Outcome, State
from jobrunner.domain.outcome import HandlerResult
from jobrunner.domain.package import Package, shown, unshown
from jobrunner.domain.retry import decide
from jobrunner.domain.settings import Settings
from jobrunner.domain.tried import Changes, Source, Tried
from jobrunner.files import moves, probe, tries
from jobrunner.files.folders import Folders
from jobrunner.files.inventory import failed_as
from jobrunner.files.workspace import Workspace
from jobrunner.process import choosing, killing
from jobrunner.process.account import Account
from jobrunner.process.guard import Guard
from jobrunner.process.handler import Call, environment_of_call
from jobrunner.process.killing import Left
from jobrunner.process.output import LogReader
from jobrunner.process.presence import TRY, Presence, Present
from jobrunner.process.signals import StopRequest
from jobrunner.services.attempt import CurrentAttempt
from jobrunner.services.executing import run_as
from jobrunner.services.explaining import Explaining
from jobrunner.services.preparing import unzip
from jobrunner.services.recovery import Recovery
from jobrunner.services.settling import fault_of, has_lost_its_zip, without_its_zip
from jobrunner.store.store import Store

#: Seconds between two looks at what the handler has printed, and whether we are to stop.
_PAUSE = 0.05

#: Makes the guard of a try, None where no handler is configured.
MakeGuard = Callable[[Present], Guard | None]
#: Gets what the handler prints, piece by piece.
Show = Callable[[bytes], None]
#: Is told what holds the try up, in words.
HeldUp = Callable[[str], None]


class _AskedToStop(Exception):  # noqa: N818  (what happened, not an error)
    pass


class Trying:
    """Tries packages: it records nothing of them, and changes only its own folder, which goes with it."""

    def __init__(
        self,
        settings: Settings,
        folders: Folders,
        store: Store,
        presence: Presence,
        explaining: Explaining,
        recovery: Recovery,
        make_guard: MakeGuard,
        asked_to_stop: StopRequest,
    ) -> None:
        self._settings = settings
        self._folders = folders
        self._store = store
        self._presence = presence
        self._explaining = explaining
        self._recovery = recovery
        self._make_guard = make_guard
        self._asked_to_stop = asked_to_stop

    def find(self, text: str) -> Source:
        """Return what is meant: a zip, a package by its name as we show it or as it is, or a folder with a zip in it.

        Raises JobrunnerError where there is nothing of that name, or where an attempt may be at it; StoreError.
        """
        path = os.path.abspath(text)
        if os.path.isfile(path):
            return Source(path, self._job(Path(path).stem))
        if "/" in text and os.path.isdir(path):
            return self._in_folder(path)
        names = self._explaining.meant_by(text)
        for name in names:
            job = self._store.jobs.find(name)
            if place := self._folders.put_down(name, job and job.failed_name):
                return self._in_folder(place)
            if job and (place := self._folders.whereabouts(job)):
                raise JobrunnerError(
                    f"{shown(name)} is in work/, where a worker has it or will go on with it: wait, or name its zip, "
                    f"which is in {shown(place)}"
                )
        if os.path.isdir(path):
            return self._in_folder(path)
        raise JobrunnerError(
            f"there is no package, folder or zip named {shown(unshown(text))}: jobrunner explain "
            f"{shown(unshown(text))} looks for it"
        )

    def environment(self, source: Source) -> dict[str, str]:
        """Return what the handler would find in its environment; TOKEN stands for what is new each time.

        Raises PackageError where it is not clear which zip counts, OSError.
        """
        workspace = tries.workspace_of(self._folders, f"{TRY}TOKEN", source.job.attempt)
        zip_path = source.path
        if os.path.isdir(zip_path):
            zip_path = self._folders.zip_of(source.path, source.job.package)
        call = self._call(workspace, source.job, f"{workspace.package}/{os.path.basename(zip_path)}")
        return choosing.environment_for(self._settings.process, f"{TRY}TOKEN") | environment_of_call(call)

    def check_kept(self, folder: str) -> None:
        """Raise JobrunnerError where a data folder cannot be left under this path."""
        tries.check_empty(folder)

    def run(self, source: Source, show: Show, held_up: HeldUp, *, keep: str | None) -> Tried | signal.Signals:
        """Try a package and return what it has come to, or the signal that asked to stop before its end.

        `keep`: where the data folder is to be left. Raises JobrunnerError where the guard was killed, OSError.
        """
        self._recovery.sweep_tries()
        present = self._presence.appear(kind=TRY)
        workspace = tries.workspace_of(self._folders, present.token, source.job.attempt)
        guard = None
        try:
            self._store.close()  # the guard is forked
            guard = self._make_guard(present)
            os.umask(0o777 & ~self._settings.folders.mode)  # the handler's stays as jobrunner was started with
            os.mkdir(workspace.path, 0o700)
            return self._try(source, workspace, guard, show, held_up)
        except _AskedToStop:
            return self._asked_to_stop.caught or signal.SIGINT
        finally:
            if guard:
                guard.close()
            if keep:
                tries.leave(workspace, keep)
            moves.remove_tree(workspace.path)
            present.leave()

    def _try(self, source: Source, workspace: Workspace, guard: Guard | None, show: Show, held_up: HeldUp) -> Tried:
        attempt = CurrentAttempt(source.job, workspace, confirm=lambda: None)
        changes = Changes()
        try:
            before = self._prepare(source, attempt)
            result = HandlerResult(Outcome.DONE)
            if guard:
                result = self._execute(attempt, guard, show, held_up)
            changes = tries.changes(before, tries.marks(workspace.data))
        except PackageError as error:
            result = HandlerResult(Outcome.REJECTED, str(error))
        except MachineError as error:
            result = HandlerResult(Outcome.FAULT, str(error))
        except (OSError, MemoryError) as error:
            result = HandlerResult(Outcome.FAULT, in_words(error))
        return self._judged(attempt, result, changes)

    def _prepare(self, source: Source, attempt: CurrentAttempt) -> dict[str, tries.Mark]:
        """Copy what is tried, extract its zip, and return what there is then."""
        workspace = attempt.workspace
        found = tries.bring(source.path, source.job, workspace, self._folders, self._settings.extract, self._go_on)
        self._folders.rights.make_folder(workspace.data)
        attempt.zip_path = self._folders.zip_of(workspace.package, attempt.job.package)
        unzip(attempt.zip_path, workspace.data, found, self._settings, attempt.details, self._go_on)
        self._go_on()
        return tries.marks(workspace.data)

    def _execute(self, attempt: CurrentAttempt, guard: Guard, show: Show, held_up: HeldUp) -> HandlerResult:
        job, workspace = attempt.job, attempt.workspace
        call = self._call(workspace, job, attempt.zip_path)
        os.close(os.open(call.log_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        printed = LogReader(call.log_path)

        def look() -> None:
            while piece := printed.read():
                show(piece)
            self._go_on()

        def tell(left: Sequence[Left]) -> None:
            held_up(killing.in_words(left, f"of the handler of {shown(job.name)}"))

        start = time.monotonic()
        account = Account.of(self._settings.process.user)
        result = run_as(account, call, lambda: guard.run(call, tell, look=look, pause=_PAUSE))
        attempt.details.handle = time.monotonic() - start
        while piece := printed.read():
            show(piece)
        if result.outcome is Outcome.DONE and (fault := fault_of(attempt)):
            result = HandlerResult(Outcome.FAILED, fault)
        elif result.outcome is Outcome.FAILED and (
            trouble := probe.look(self._folders, self._settings.extract.keep_free)
        ):
            result = HandlerResult(Outcome.FAULT, f"{result.error}; at that time, {trouble}")
        if result.outcome not in {Outcome.DONE, Outcome.FAULT} and has_lost_its_zip(attempt):
            result = without_its_zip(attempt, result)
        return result

    def _judged(self, attempt: CurrentAttempt, result: HandlerResult, changes: Changes) -> Tried:
        decision = None
        if result.outcome is not Outcome.DONE:
            decision = decide(attempt.job, result.outcome, result.error, self._settings.retry_policy, jitter=0)
        return Tried(result, decision, attempt.details.handle, changes)

    def _go_on(self, *_: object) -> None:
        if self._asked_to_stop():
            raise _AskedToStop

    def _call(self, workspace: Workspace, job: Job, zip_path: str) -> Call:
        package = Package(job.package, Path(workspace.data), Path(zip_path), job.attempt, self._settings.home)
        return Call(package, f"{workspace.path}/log", workspace.handler_progress)

    def _in_folder(self, path: str) -> Source:
        above, name = os.path.split(path)
        if os.path.realpath(above) == os.path.realpath(self._folders.failed):
            identity = failed_as(self._folders, name)
            name = identity.name if identity else name
        return Source(path, self._job(name))

    def _job(self, name: str) -> Job:
        """Return a package's job as its next attempt would have it: one that has ended begins with all its budgets."""
        job = self._store.jobs.find(name)
        attempt = job.attempt + 1 if job else 1
        if job and job.state in {State.QUEUED, State.RUNNING}:
            return job._replace(attempt=attempt)
        new = Identity.plain(name) if job is None else job.identity
        budgets, ended = (0, 0, 0, 0), (None, None, None, None, None)
        return Job(0, new.name, State.RUNNING, attempt, None, *budgets, *ended, 0.0, None, *new[1:])
