"""Builds the service that tries a handler on a package."""

from jobrunner.domain.exits import ExitOf
from jobrunner.process import signals
from jobrunner.process.guard import Guard
from jobrunner.process.presence import Present
from jobrunner.process.signals import StopRequest
from jobrunner.process.title import Title
from jobrunner.services.trying import Trying
from jobrunner.wiring.explaining import explaining
from jobrunner.wiring.home import Home
from jobrunner.wiring.recovering import recovery
from jobrunner.wiring.running import guard_for, require_handler


def trying(home: Home, exit_of: ExitOf) -> Trying:
    """Return what tries packages of a home. Raises ConfigurationError where the handler is certain not to start."""
    require_handler(home.settings)
    settings = home.settings

    def make_guard(present: Present) -> Guard | None:
        return guard_for(settings, present, exit_of, home.emit, Title("guard of a try"))

    stop = StopRequest(signals.stop_signals())
    return Trying(settings, home.folders, home.store, home.presence, explaining(home), recovery(home), make_guard, stop)
