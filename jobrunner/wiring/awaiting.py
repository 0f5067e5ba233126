"""Builds what looks whether packages have ended."""

from collections.abc import Sequence

from jobrunner.services.awaiting import Everything, Named
from jobrunner.wiring.home import Home


def awaiting(home: Home, ids: Sequence[int] | None) -> Named | Everything:
    """Return what looks at the packages with these ids; without any, at all there is to do. Raises StoreError."""
    return Everything(home.store) if ids is None else Named(home.store, ids)
