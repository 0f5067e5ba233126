"""Builds what people steer the queue with: pauses, the order, revisions, and the wait for an end."""

from collections.abc import Sequence

from jobrunner.domain.notice import Kind
from jobrunner.services.awaiting import Everything, Named
from jobrunner.services.fronting import Fronting
from jobrunner.services.pausing import Pausing
from jobrunner.services.revising import Revising
from jobrunner.wiring.home import Home
from jobrunner.wiring.notifying import noticing


def pausing(home: Home) -> Pausing:
    """Return the service that pauses a home and resumes it."""
    wanted = home.settings.notify.wants(Kind.PAUSED)
    return Pausing(home.store, noticing(home).paused if wanted else None)


def fronting(home: Home) -> Fronting:
    """Return the service that puts jobs of a home in front of its queue."""
    return Fronting(home.store)


def revising(home: Home) -> Revising:
    """Return the service that queues packages of a home once more."""
    return Revising(home.store, home.folders, home.intake)


def awaiting(home: Home, ids: Sequence[int] | None) -> Named | Everything:
    """Return what looks at the packages with these ids; without any, at all there is to do. Raises StoreError."""
    return Everything(home.store) if ids is None else Named(home.store, ids)
