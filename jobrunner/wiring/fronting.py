"""Builds the service that puts jobs in front."""

from jobrunner.services.fronting import Fronting
from jobrunner.wiring.home import Home


def fronting(home: Home) -> Fronting:
    """Return the service that puts jobs of a home in front of its queue."""
    return Fronting(home.store)
