"""Builds what looks whether anybody works in a home."""

from jobrunner.services.health import Health
from jobrunner.wiring.home import Home


def health(home: Home) -> Health:
    """Return what looks."""
    return Health(home.store, home.report)
