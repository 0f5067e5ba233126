"""Builds the service that queues packages once more."""

from jobrunner.services.revising import Revising
from jobrunner.wiring.home import Home


def revising(home: Home) -> Revising:
    """Return the service that queues packages of a home once more."""
    return Revising(home.store, home.folders, home.intake)
