"""Who lives on a node, and what an earlier life left there: known by locks in a folder of the node's own."""

import os
import stat
import tempfile
from pathlib import Path

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.home_rights import PRIVATE_FOLDER_MODE
from jobrunner.process.killing import Left
from jobrunner.process.presence import Presence
from jobrunner.process.remains import kill_handlers_of

#: Seconds that what was killed may take to be gone.
_PATIENCE = 2.0


def presence() -> Presence:
    """Return who lives on this machine of this user's guards. Raises ConfigurationError where others write there."""
    folder = Path(tempfile.gettempdir()) / f"jobrunner-node-{os.getuid()}"
    folder.mkdir(PRIVATE_FOLDER_MODE, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ConfigurationError(f"{folder} is not a folder of this user's alone: remove it")
    return Presence(folder)


def sweep() -> list[Left]:
    """End what guards that are dead have left on this machine, and return what does not end."""
    left = []
    lives = presence()
    for token in lives.tokens():
        with lives.of_the_dead(token) as dead:
            if dead:
                remaining = kill_handlers_of(token, lives.noted(token), patience=_PATIENCE)
                left += remaining
                if not remaining:
                    lives.forget(token)
    return left
