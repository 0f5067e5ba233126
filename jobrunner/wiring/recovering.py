"""Builds the service that recovers the jobs of dead workers."""

from jobrunner.services.recovery import Recovery
from jobrunner.wiring.home import Home


def recovery(home: Home) -> Recovery:
    """Return the recovery of a home."""
    policy = home.settings.retry_policy
    return Recovery(home.store, home.folders, home.presence, policy, home.emit)
