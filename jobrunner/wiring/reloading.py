"""Builds what takes changed settings over, and what asks for that."""

import signal
from contextlib import suppress

from jobrunner.domain.errors import StoreError
from jobrunner.domain.package import shown
from jobrunner.domain.reload import SCANNING, WORKING
from jobrunner.domain.settings import Settings
from jobrunner.process import signals
from jobrunner.process.presence import SCANNER
from jobrunner.process.title import Title
from jobrunner.services.machine import Tell
from jobrunner.services.registration import Registration
from jobrunner.services.reload_request import ReloadRequest
from jobrunner.services.reloading import Found, Reloading
from jobrunner.services.serving import Serving
from jobrunner.wiring import safety
from jobrunner.wiring.home import Home, home_of
from jobrunner.wiring.running import inbox_watch, require_handler
from jobrunner.wiring.serving import serving
from jobrunner.wiring.settings import load


def reloading(home: Home, serving: Serving, *, works: bool = True, given: int | None = None) -> Reloading:
    """Return what takes over the settings of a process that has started with those of this home.

    `works`: it keeps workers, so many as `given` says if -n does.
    """

    def find() -> Found:
        found = load(home.settings.home)
        safety.check(found.settings, to_read=True)  # whoever may write to the file commands us
        return Found(found.settings, found.read.state)

    def verify(settings: Settings) -> None:
        if works:
            require_handler(settings)

    file = str(home.settings.home / safety.SETTINGS_FILE)
    concerning = WORKING if works else SCANNING
    return Reloading(home.settings, file, find, verify, home.emit, serving, concerning=concerning, given=given)


def watch(home: Home, tell: Tell) -> signal.Signals:
    """Scan until a signal comes and return it; the database is not upgraded meanwhile, or StoreError is raised."""
    told = serving(home)
    settings = reloading(home, told, works=False, given=0)
    Title(f"scanner {shown(str(home.settings.home))}").take()
    present = home.presence.appear(kind=SCANNER)
    registration = Registration(home.store, present.token)
    registration.begin("scan", 0, settings.state)
    reload_signals = signals.reload_signals()
    is_asked = False

    def look() -> bool:
        nonlocal is_asked
        registration.record()
        reloaded = settings.look(registration, at_once=is_asked)
        is_asked = False
        registration.record()
        return bool(reloaded and reloaded.taken)

    try:
        home.store.open_in_turn()
        with suppress(StoreError):  # the watch says why
            registration.record()
        while True:
            watch = inbox_watch(renewed(home, settings), present.token)
            caught = watch.run(tell, signals.stop_signals() | reload_signals, look, told)
            is_asked = caught in reload_signals
            if caught and not is_asked:
                told.stop(0)
                return caught
    finally:
        registration.end()
        present.leave()


def renewed(home: Home, reloading: Reloading) -> Home:
    """Return the home as it is to be used from now on: with other settings, where such have been taken over."""
    is_as_before = reloading.settings == home.settings
    return home if is_as_before else home_of(reloading.settings, home.store, home.emit)


def reload_request(home: Home) -> ReloadRequest:
    """Return what asks all that go on in a home."""
    return ReloadRequest(home.store)
