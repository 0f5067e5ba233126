"""Builds what measures a home, and publishes it."""

import os

from jobrunner.domain.errors import JobrunnerError
from jobrunner.domain.package import shown
from jobrunner.files.replacing import replace
from jobrunner.linux.users import user_name
from jobrunner.services.measuring import Measuring
from jobrunner.wiring.home import Home

_FOR_ALL = 0o644


def measuring(home: Home) -> Measuring:
    """Return what measures a home for its monitoring."""
    return Measuring(home.store, home.folders, home.report)


def publish(path: str, text: str) -> None:
    """Write a text file at once that everybody may read. Raises JobrunnerError."""
    try:
        replace(path, text, _FOR_ALL)
    except OSError as error:
        raise JobrunnerError(
            f"{shown(path)} cannot be written ({error.strerror}): its folder has to be there, and "
            f"{user_name(os.geteuid())} must be let write to it"
        ) from error
