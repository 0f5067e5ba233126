"""Builds the service that pauses a home."""

from jobrunner.services.pausing import Pausing
from jobrunner.wiring.home import Home


def pausing(home: Home) -> Pausing:
    """Return the service that pauses a home and resumes it."""
    return Pausing(home.store)
