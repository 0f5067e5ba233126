"""Builds the services of a home from its settings: the only place that knows who uses what."""

import os
import signal
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobrunner.domain import settings as settings_module
from jobrunner.domain.errors import ConfigurationError, StoreError, in_words
from jobrunner.domain.events import Emit, Upgraded
from jobrunner.domain.settings import Settings
from jobrunner.files import owner, places
from jobrunner.files.folders import Folders
from jobrunner.files.inbox import Inbox
from jobrunner.process import handler, signals
from jobrunner.process.guard import Guard
from jobrunner.process.presence import Presence
from jobrunner.services.attempt import AttemptRunner
from jobrunner.services.intake import Intake
from jobrunner.services.recovery import Recovery
from jobrunner.services.report import Report
from jobrunner.services.retrying import Retrying
from jobrunner.services.supervision import Supervisor
from jobrunner.services.worker import Worker
from jobrunner.store.database import Database
from jobrunner.store.identity import identity
from jobrunner.store.jobs import Jobs
from jobrunner.store.migrations import check, migrate
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
    intake: Intake
    report: Report
    retrying: Retrying
    presence: Presence
    recovery: Recovery
    jobs: Jobs

    def supervisor(self, emit: Emit) -> Supervisor:
        """Return a supervisor. Raises ConfigurationError where the handler is certain not to start."""
        handler.check(self.settings.process, self.settings.home)
        return Supervisor(self.database, self.presence, self.recovery, emit, grace=self.settings.work.shutdown_grace)


def block_signals() -> None:
    """Hold back the signals that a long-running command waits for; before anything else."""
    signals.block()


def prepare_folders(settings: Settings) -> Folders:
    """Check the folders of a home, and make what is missing in it. Raises ConfigurationError."""
    folders = Folders(settings.folders)
    folders.prepare(settings.home)
    return folders


def open_home(settings: Settings, emit: Emit, *, to_read: bool = False) -> Home:
    """Check the folders, open the database and build the services. Raises ConfigurationError, StoreError.

    With `to_read`, only the report is asked for: then a home that is not ours to write is good enough.
    """
    presence = _presence(settings)
    if to_read and places.is_for_reading_only(settings.database_path):
        folders = Folders(settings.folders)
        database = Database(settings.database_path, to_read=True)
        database.open()
        check(database)
    else:
        places.check_database(settings.database_path)
        folders = prepare_folders(settings)
        database = Database(settings.database_path)
        database.open()
        if backup := migrate(database, permit=lambda: _refuse_while_somebody_works(presence)):
            emit(Upgraded(str(database.path), str(backup)))
        owner.take(folders, identity(database), database.path)
    jobs = _jobs(settings, database)
    intake = Intake(database, jobs, folders, Inbox(folders.inbox, settings.intake), emit)
    recovery = Recovery(database, jobs, Workers(database), folders, presence, settings.retry_policy, emit)
    report = Report(jobs, folders, intake)
    return Home(settings, database, intake, report, Retrying(database, jobs, folders), presence, recovery, jobs)


def worker_main(settings: Settings, emit: Emit, *, drain: bool) -> Callable[[str], None]:
    """Return what a worker process runs, given its supervisor's token."""

    def main(supervisor: str) -> None:
        present = _presence(settings).appear()
        configured = handler.handler_for(settings.process, settings.home, present.token)
        guard = None
        if configured:  # it forks: before the database is opened
            guard = Guard(configured, timeout=settings.process.timeout, worker=present.token)
        database = Database(settings.database_path)
        database.open()
        with database.turn():  # who has appeared keeps others from migrating; who appears while they do, waits here
            check(database)
        jobs = _jobs(settings, database)
        attempts = AttemptRunner(settings, Folders(settings.folders), database, jobs, guard)
        Worker(database, jobs, Workers(database), attempts, emit).run(present.token, supervisor, drain=drain)
        database.close()
        if guard:
            guard.close()
        present.leave()

    return main


def scanner_main(settings: Settings, emit: Emit) -> Callable[[str], None]:
    """Return what the process that scans beside the workers runs."""

    def main(_supervisor: str) -> None:
        open_home(settings, emit).intake.watch({signal.SIGTERM})

    return main


def _refuse_while_somebody_works(presence: Presence) -> None:
    if presence.anybody():
        raise StoreError(
            "jobrunner still runs on this home, as the version before this one: stop it first, then start again"
        )


def _jobs(settings: Settings, database: Database) -> Jobs:
    return Jobs(database, max_wait=settings.retry.max_backoff)


def _presence(settings: Settings) -> Presence:
    return Presence(settings.folders.work / ".workers")
