"""Builds the service that recovers the jobs of dead workers."""

from jobrunner.services.recovery import Recovery
from jobrunner.wiring.home import Home


def recovery(home: Home) -> Recovery:
    """Return the recovery of a home."""
    settings = home.settings
    return Recovery(
        home.store,
        home.folders,
        home.presence,
        settings.retry_policy,
        home.emit,
        keep_failed=settings.process.keep_failed,
        keep_free=settings.extract.keep_free,
        node_timeout=settings.cluster.node_timeout,
    )
