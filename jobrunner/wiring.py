"""Builds the services of a home from its settings: the only place that knows who uses what."""

import os
import signal
import tomllib
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jobrunner.domain import settings as settings_module
from jobrunner.domain.errors import ConfigurationError, DamagedDatabase, LostDatabase, StoreError, in_words
from jobrunner.domain.events import Emit, Upgraded
from jobrunner.domain.package import shown
from jobrunner.domain.settings import Settings
from jobrunner.files import owner, places, probe
from jobrunner.files.folders import Folders
from jobrunner.files.inbox import Inbox
from jobrunner.files.inventory import first_package
from jobrunner.files.workspace import BOOT_ID
from jobrunner.process import handler, signals
from jobrunner.process.guard import Guard
from jobrunner.process.presence import Presence
from jobrunner.process.signals import StopRequest
from jobrunner.services.attempt import AttemptRunner
from jobrunner.services.cancelling import Cancelling
from jobrunner.services.checking import Checking
from jobrunner.services.intake import Intake
from jobrunner.services.machine import Machine, Stopped, Tell
from jobrunner.services.rebuilding import Rebuilding
from jobrunner.services.recovery import Recovery
from jobrunner.services.repairing import Repairing
from jobrunner.services.report import Report
from jobrunner.services.retrying import Retrying
from jobrunner.services.supervision import Main, Supervisor
from jobrunner.services.worker import Worker
from jobrunner.store.clock import Clock
from jobrunner.store.database import Database
from jobrunner.store.identity import identity, note_work_folder, work_folder
from jobrunner.store.jobs import Jobs
from jobrunner.store.migrations import check, is_blank, migrate
from jobrunner.store.workers import Workers

SETTINGS_FILE = "jobrunner.toml"


def load_settings(home: Path) -> Settings:
    """Return the settings of a home. Raises ConfigurationError where they are wrong, or where it is no home."""
    home = home.resolve()
    file = home / SETTINGS_FILE
    try:
        toml = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not UTF-8: save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"the settings cannot be read: {in_words(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}") from error
    settings = settings_module.build(home, toml, os.environ, source=str(file))
    if not any(path.exists() for path in (file, settings.database_path, settings.folders.inbox)):
        raise ConfigurationError(
            f"{home} is no jobrunner home (no {SETTINGS_FILE}, no database, no inbox): "
            "go to one, name it with --home, or make one with jobrunner init"
        )
    return settings


@dataclass(frozen=True, slots=True)
class Home:
    """The services of one home, on an open database."""

    settings: Settings
    database: Database
    clock: Clock
    intake: Intake
    report: Report
    retrying: Retrying
    cancelling: Cancelling
    checking: Checking
    repairing: Repairing
    presence: Presence
    recovery: Recovery
    jobs: Jobs

    def supervisor(self, emit: Emit) -> Supervisor:
        """Return a supervisor. Raises ConfigurationError where the handler is certain not to start."""
        handler.check(self.settings.process, self.settings.home)
        grace = self.settings.work.shutdown_grace
        supervisor = Supervisor(self.database, self.presence, self.recovery, emit, grace=grace)
        try:
            _hold_to_one_work_folder(self.database, Folders(self.settings.folders))  # now that others see us
        except BaseException:
            supervisor.leave()
            raise
        return supervisor

    def watch(self, tell: Tell) -> signal.Signals:
        """Scan until a signal comes and return it; nobody upgrades or rebuilds the database meanwhile.

        Raises StoreError where somebody has upgraded it just now.
        """
        present = self.presence.appear(as_scanner=True)
        try:
            _open_in_turn(self.database, self.clock)
            return self.intake.watch(tell)
        finally:
            present.leave()


def block_signals() -> None:
    """Hold back the signals that a long-running command waits for; before anything else."""
    signals.block()


def prepare_folders(settings: Settings) -> Folders:
    """Check the folders of a home, and make what is missing in it. Raises ConfigurationError."""
    folders = Folders(settings.folders)
    folders.prepare(settings.home)
    return folders


def open_home(settings: Settings, emit: Emit, *, to_read: bool = False) -> Home:
    """Check the folders, open the database and build the services.

    Raises ConfigurationError, StoreError; of these, LostDatabase and DamagedDatabase have a remedy: `rebuilding`.

    With `to_read`, only the report is asked for: then a home that is not ours to write is good enough, and what is
    wrong with the folders of one that has a database is for the report to say.
    """
    path = settings.database_path
    reads_only = to_read and places.is_for_reading_only(path)
    database = Database(path, to_read=reads_only)
    home = _home(settings, database, emit)
    if reads_only:
        database.open()
        check(database)
        with suppress(StoreError):
            home.clock.start()
        return home
    places.check_database(path)
    if not (to_read and path.exists()):
        prepare_folders(settings)
    folders = Folders(settings.folders)
    if not path.exists():
        _refuse_to_forget(path, folders)
    try:
        database.open()
        if is_blank(database):
            _refuse_to_forget(path, folders)
        if backup := migrate(database, permit=lambda: _refuse_while_somebody_works(home.presence)):
            emit(Upgraded(str(path), str(backup)))
        if not to_read or os.path.isdir(folders.work):
            owner.take(folders, identity(database), path)
            _hold_to_one_work_folder(database, folders)
        home.clock.start()
    except StoreError as error:
        if to_read or isinstance(error, DamagedDatabase):
            raise
        trouble = probe.look(folders, settings.extract.keep_free)  # a full disk has many faces
        raise StoreError(trouble or str(error)) from error
    return home


def _home(settings: Settings, database: Database, emit: Emit) -> Home:
    folders, keep_free = Folders(settings.folders), settings.extract.keep_free
    jobs, workers, presence = _jobs(settings, database), Workers(database), _presence(settings)
    clock = Clock(database, BOOT_ID)
    intake = Intake(database, jobs, folders, keep_free, Inbox(folders.inbox, settings.intake), emit)
    recovery = Recovery(database, jobs, workers, folders, presence, settings.retry_policy, emit, clock)
    report = Report(database, jobs, workers, presence, folders, keep_free, intake, clock)
    at_once = StopRequest(())
    at_once.caught = signal.SIGTERM  # who cancels waits neither for the machine nor for another job
    machine = Machine(folders, keep_free, database, workers, lambda trouble: None, at_once)
    attempts = AttemptRunner(settings, folders, database, jobs, None, machine)
    mover = Worker(database, jobs, workers, attempts, machine, at_once, emit, clock)
    return Home(
        settings=settings,
        database=database,
        clock=clock,
        intake=intake,
        report=report,
        retrying=Retrying(database, jobs, folders),
        cancelling=Cancelling(database, jobs, workers, folders, presence, recovery, mover),
        checking=Checking(database, jobs, workers, folders, presence),
        repairing=Repairing(database, jobs, workers, folders, presence, recovery, settings.retry_policy, clock),
        presence=presence,
        recovery=recovery,
        jobs=jobs,
    )


def _hold_to_one_work_folder(database: Database, folders: Folders) -> None:
    """Record the work folder as the database's; raise ConfigurationError where somebody lives in another one of it.

    Who lives is known by lock files in the work folder: each home would take the other's workers for dead.
    """
    ours = os.path.realpath(folders.work)
    if work_folder(database) == ours:
        return
    with database.write():
        theirs = work_folder(database)
        if (
            theirs
            and owner.shares(folders, theirs, identity(database), database.path)
            and _presence_in(theirs).anybody()
        ):
            raise ConfigurationError(
                f"the database {database.path} is used by a jobrunner with the work folder {shown(theirs)}: two homes "
                f"cannot share it; stop that one, or set database.url of the one with {shown(ours)} to another file"
            )
        note_work_folder(database, ours)


def rebuilding(settings: Settings) -> Rebuilding:
    """Return what makes a new database of a home. Raises ConfigurationError."""
    places.check_database(settings.database_path)
    return Rebuilding(settings.database_path, prepare_folders(settings), _presence(settings))


def _refuse_to_forget(path: Path, folders: Folders) -> None:
    """Raise LostDatabase where a new database would not know packages that lie in the folders: they came first."""
    log = f"{path}-wal"  # SQLite would remove it
    left = log if os.path.lexists(log) and not path.exists() else first_package(folders)
    if left is not None:
        raise LostDatabase(path, left)


def worker_main(settings: Settings, emit: Emit, *, drain: bool) -> Main:
    """Return what a worker process runs, given its supervisor's token and what hears its troubles."""

    def main(supervisor: str, tell: Tell) -> None:
        folders, database = Folders(settings.folders), Database(settings.database_path)
        jobs, workers, clock = _jobs(settings, database), Workers(database), Clock(database, BOOT_ID)
        stop = StopRequest({signal.SIGTERM})
        machine = Machine(folders, settings.extract.keep_free, database, workers, tell, stop)
        with suppress(Stopped), ExitStack() as ending:
            present = machine.outlast(_presence(settings).appear)
            ending.callback(present.leave)
            machine.token = present.token
            configured = handler.handler_for(settings.process, settings.home, present.token)
            database.close()  # the guard is forked, and a probe may have opened it
            guard = None
            if configured:
                guard = Guard(configured, timeout=settings.process.timeout, worker=present.token)
                ending.callback(guard.close)
            ending.callback(database.close)
            machine.outlast(partial(_open_in_turn, database, clock))
            attempts = AttemptRunner(settings, folders, database, jobs, guard, machine)
            worker = Worker(database, jobs, workers, attempts, machine, stop, emit, clock)
            worker.run(present.token, supervisor, drain=drain)

    return main


def _open_in_turn(database: Database, clock: Clock) -> None:
    """Open the database, once nobody migrates it: who has appeared keeps others from beginning to."""
    database.open()
    with database.turn():
        check(database)
    clock.start()


def scanner_main(settings: Settings, emit: Emit) -> Main:
    """Return what the process that scans beside the workers runs."""

    def main(_supervisor: str, tell: Tell) -> None:
        _home(settings, Database(settings.database_path), emit).intake.watch(tell, {signal.SIGTERM})

    return main


def _refuse_while_somebody_works(presence: Presence) -> None:
    if presence.anybody():
        raise StoreError(
            "jobrunner still runs on this home, as the version before this one: stop it first, then start again"
        )


def _jobs(settings: Settings, database: Database) -> Jobs:
    return Jobs(database, max_wait=settings.retry.max_backoff)


def _presence(settings: Settings) -> Presence:
    return _presence_in(settings.folders.work)


def _presence_in(work: str | Path) -> Presence:
    return Presence(Path(work, ".workers"))
