"""Builds the service that explains where a package is."""

from jobrunner.services.explaining import Explaining
from jobrunner.wiring.home import Home


def explaining(home: Home) -> Explaining:
    """Return the service that explains where a package of a home is."""
    return Explaining(home.settings, home.store, home.folders, home.inbox, home.intake, home.report)
