"""Tells where each setting of a home comes from."""

import os
from pathlib import Path

from jobrunner.domain.configuration import Configuration, listing
from jobrunner.domain.unwise import unwise
from jobrunner.wiring.settings import load


def configuration(home: Path, home_origin: str) -> Configuration:
    """Return every setting of a home with where it comes from. Raises ConfigurationError as `load` does."""
    loaded = load(home)
    file = str(loaded.file) if loaded.read.text is not None else None
    warnings = unwise(loaded.settings, len(os.sched_getaffinity(0)))
    listed = listing(loaded.toml, loaded.read.text or "", os.environ, warnings)
    return Configuration(str(loaded.settings.home), home_origin, file, listed)
