"""What stops a queued or running job for good."""

import signal

from jobrunner.process.signals import StopRequest
from jobrunner.services.attempt import AttemptRunner
from jobrunner.services.cancelling import Cancelling
from jobrunner.services.machine import Machine
from jobrunner.services.worker import Worker
from jobrunner.wiring.home import Home
from jobrunner.wiring.recovering import recovery


def cancelling(home: Home) -> Cancelling:
    """Return the cancelling of a home, with a worker of its own."""
    settings, folders, store = home.settings, home.folders, home.store
    at_once = StopRequest(())
    at_once.caught = signal.SIGTERM  # who cancels waits neither for the machine nor for another job
    machine = Machine(folders, settings.extract.keep_free, store, lambda trouble: None, at_once)
    attempts = AttemptRunner(settings, folders, home.taking, store, None, machine)
    mover = Worker(store, attempts, machine, at_once, home.emit)
    return Cancelling(store, folders, home.presence, recovery(home), mover)
