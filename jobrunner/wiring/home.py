"""An open home: its settings, the database and the folders, and the services that they alone make."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jobrunner.domain.change import BY
from jobrunner.domain.envelope import Emit
from jobrunner.domain.errors import ConfigurationError, DamagedDatabase, LostDatabase, StoreError
from jobrunner.domain.events import Trouble, Upgraded
from jobrunner.domain.package import printable, shown
from jobrunner.domain.settings import Settings
from jobrunner.files import owner, places, probe
from jobrunner.files.folders import Folders
from jobrunner.files.inbox import Inbox
from jobrunner.files.inventory import first_package
from jobrunner.linux.locks import Waiting
from jobrunner.linux.users import user_name
from jobrunner.process import signals
from jobrunner.process.presence import Presence
from jobrunner.services.intake import Intake
from jobrunner.services.report import Report
from jobrunner.services.retrying import Retrying
from jobrunner.store.database import Database
from jobrunner.store.identity import identity, note_work_folder, work_folder
from jobrunner.store.migrations import check, is_blank, migrate
from jobrunner.store.store import Store
from jobrunner.unzip.end import unfinished
from jobrunner.wiring import safety
from jobrunner.wiring.settings import load

#: Characters of a user's name.
_LONGEST_USER = 200


def load_settings(home: Path) -> Settings:
    """Return the settings of a home. Raises ConfigurationError where they are wrong, or where it is no home."""
    return load(home).settings


class Home(NamedTuple):
    """What is made of the settings of one home. The modules beside this one make of it what few commands use."""

    settings: Settings
    folders: Folders
    store: Store
    presence: Presence
    emit: Emit
    inbox: Inbox
    intake: Intake
    report: Report
    retrying: Retrying

    def __enter__(self) -> "Home":
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def wait_for_arrivals(self) -> signal.Signals | None:
        """Scan until a package is to be processed, or none is on its way; return the signal that came meanwhile."""
        return self.intake.wait_for_arrivals(signals.stop_signals())


def block_signals() -> None:
    """Hold back the signals that a long-running command waits for; before anything else."""
    signals.block()


def prepare_folders(settings: Settings, emit: Emit) -> Folders:
    """Check a home and its folders, set their rights, and make what is missing. Raises ConfigurationError, OSError."""
    places.check_database(settings.database_path)
    safety.check(settings)
    folders = Folders(settings.folders, any_zip=settings.intake.any_zip)
    places.prepare(folders, settings.home)
    safety.set_rights(settings, emit)
    return folders


def open_home(settings: Settings, emit: Emit, *, to_read: bool = False) -> Home:
    """Check the folders, open the database and build the services.

    Raises ConfigurationError, StoreError; of these, LostDatabase and DamagedDatabase have a remedy: `rebuilding`.

    With `to_read`, only the report is asked for: then a home that is not ours to write is good enough, and what is
    wrong with the folders of one that has a database is for the report to say.
    """
    reads_only = to_read and places.is_for_reading_only(settings.database_path)
    if reads_only:
        store = Store(Database(settings.database_path, to_read=True), max_wait=settings.retry.max_backoff)
    else:
        store = store_of(settings, waiting(emit))
    home = home_of(settings, store, emit)
    try:
        if reads_only:
            _open_as_it_is(home)
        else:
            _open_and_prepare(home, to_read=to_read)
    except BaseException:
        store.close()
        raise
    return home


def _open_as_it_is(home: Home) -> None:
    home.store.open()
    check(home.store.database)
    with suppress(StoreError):
        home.store.now.start()


def _open_and_prepare(home: Home, *, to_read: bool) -> None:
    settings, database, folders = home.settings, home.store.database, home.folders
    path = database.path
    if to_read and path.exists():
        places.check_database(path)
        safety.check(settings, to_read=True)
    else:
        prepare_folders(settings, home.emit)
    if not path.exists():
        _refuse_to_forget(path, folders)
    try:
        database.open()
        if is_blank(database):
            _refuse_to_forget(path, folders)
        if backup := migrate(database, permit=lambda: _refuse_while_somebody_works(home.presence)):
            home.emit(Upgraded(str(path), str(backup)))
        if not to_read or os.path.isdir(folders.work):
            _hold_to_work_folder(home, to_read=to_read)
        home.store.now.start()
    except StoreError as error:
        if to_read or isinstance(error, DamagedDatabase):
            raise
        trouble = probe.look(folders, settings.extract.keep_free)  # a full disk has many faces
        raise StoreError(trouble or str(error)) from error


def _hold_to_work_folder(home: Home, *, to_read: bool) -> None:
    """Make sure that work folder and database belong together: whoever only reads is told so, and goes on."""
    database = home.store.database
    try:
        owner.take(home.folders, identity(database), database.path, database.waiting)
        hold_to_one_work_folder(home)
    except ConfigurationError as error:
        if not to_read:
            raise
        home.emit(Trouble(str(error)))


def home_of(settings: Settings, store: Store, emit: Emit) -> Home:
    """Return a home whose store is still to be opened, and its clock to be started."""
    folders, keep_free = Folders(settings.folders, any_zip=settings.intake.any_zip), settings.extract.keep_free
    presence = presence_in(folders.work)
    is_theirs = store.database.is_to_read and store.database.is_another_users
    inbox = Inbox(folders.inbox, settings.intake, unfinished, takes=not is_theirs)
    intake = Intake(store, folders, inbox, emit)
    return Home(
        settings=settings,
        folders=folders,
        store=store,
        presence=presence,
        emit=emit,
        inbox=inbox,
        intake=intake,
        report=Report(
            store,
            presence,
            folders,
            keep_free,
            intake,
            str(settings.home / safety.SETTINGS_FILE),
            settings.process,
        ),
        retrying=Retrying(store, folders),
    )


def hold_to_one_work_folder(home: Home) -> None:
    """Record the work folder as the database's; raise ConfigurationError where a process lives in another one of it.

    Who lives is known by lock files in the work folder: each home would take the other's workers for dead.
    """
    database, folders = home.store.database, home.folders
    ours = os.path.realpath(folders.work)
    if work_folder(database) == ours:
        return
    with database.write():
        theirs = work_folder(database)
        if (
            theirs
            and owner.shares(folders, theirs, identity(database), database.path)
            and presence_in(theirs).anybody()
        ):
            raise ConfigurationError(
                f"the database {database.path} is used by a jobrunner with the work folder {shown(theirs)}: two homes "
                f"cannot share it; stop that one, or set database.url of the one with {shown(ours)} to another file"
            )
        note_work_folder(database, ours)


def _refuse_to_forget(path: Path, folders: Folders) -> None:
    """Raise LostDatabase where a new database would not know packages that lie in the folders: they came first."""
    log = f"{path}-wal"  # SQLite would remove it
    left = log if os.path.lexists(log) and not path.exists() else first_package(folders)
    if left is not None:
        raise LostDatabase(path, left)


def _refuse_while_somebody_works(presence: Presence) -> None:
    if presence.anybody():
        raise StoreError(
            "jobrunner still runs on this home, as the version before this one: stop it first, then start again"
        )


def store_of(settings: Settings, waiting: Waiting) -> Store:
    """Return the store of a home, still closed. Raises ConfigurationError where its group is not known."""
    database = Database(settings.database_path, rights=safety.rights_of(settings), waiting=waiting)
    return Store(database, max_wait=settings.retry.max_backoff, who=_whoever())


def _whoever() -> str:
    """Return on whose behalf we are: of the dashboard's user who asks for a command, else of whoever runs it."""
    who = os.environ.get(BY) or os.environ.get("SUDO_USER") or user_name(os.getuid())
    return printable(who)[:_LONGEST_USER]


def presence_in(work: str) -> Presence:
    """Return who lives in a work folder."""
    return Presence(safety.presence_folder(work))


def waiting(emit: Emit) -> Waiting:
    """Return how a command waits for locks: whom it waits for becomes an event."""
    return Waiting(lambda whom: emit(Trouble(whom)))
