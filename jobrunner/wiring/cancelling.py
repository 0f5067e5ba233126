"""Builds the service that cancels jobs."""

import signal

from jobrunner.process.signals import StopRequest
from jobrunner.services.cancelling import Cancelling
from jobrunner.services.executing import NoHandler
from jobrunner.services.machine import Machine
from jobrunner.wiring.home import Home
from jobrunner.wiring.recovering import recovery
from jobrunner.wiring.working import worker


def cancelling(home: Home) -> Cancelling:
    """Return the cancelling of a home, with a worker of its own."""
    settings, folders, store = home.settings, home.folders, home.store
    at_once = StopRequest(())
    at_once.caught = signal.SIGTERM  # a cancel waits neither for the machine nor for another job
    machine = Machine(folders, settings.extract.keep_free, store, lambda trouble: None, at_once)
    mover = worker(home, NoHandler(), machine, at_once)
    return Cancelling(store, folders, home.presence, recovery(home), mover)
