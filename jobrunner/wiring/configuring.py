"""Tells where each setting of a home comes from, and what is unwise about it on this machine."""

import os
from collections.abc import Iterator
from pathlib import Path

from jobrunner.domain.configuration import Configuration, listing
from jobrunner.domain.settings import Settings
from jobrunner.domain.unwise import Warned, unwise
from jobrunner.linux.processors import processors
from jobrunner.wiring.settings import load


def configuration(home: Path, home_origin: str) -> Configuration:
    """Return every setting of a home with where it comes from. Raises ConfigurationError as `load` does."""
    loaded = load(home)
    file = str(loaded.file) if loaded.read.text is not None else None
    listed = listing(loaded.toml, loaded.read.text or "", os.environ, warnings(loaded.settings))
    return Configuration(str(loaded.settings.home), home_origin, file, listed)


def warnings(settings: Settings, given: int | None = None) -> Iterator[Warned]:
    """Yield what is unwise about settings on this machine. `given`: how many workers -n asks for."""
    return unwise(settings, processors(), given)
