"""Builds the services that remove what is old."""

from jobrunner.services.pruning import Pruning, Retention
from jobrunner.wiring.home import Home


def pruning(home: Home, older_than: float) -> Pruning:
    """Return what prunes all that has been done for longer than so many seconds."""
    return Pruning(home.store, home.folders, attempts=older_than, logs=older_than)


def retention(home: Home) -> Retention:
    """Return what prunes by itself what the settings say is old."""
    kept = home.settings.retention
    return Retention(Pruning(home.store, home.folders, attempts=kept.attempts, logs=kept.logs), home.emit)
