"""Who lives on a node, and what an earlier life left there: known by locks in a folder of the node's own."""

import os
import signal
import stat
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.home_rights import PRIVATE_FOLDER_MODE
from jobrunner.linux import proc, processes
from jobrunner.process.killing import Left, descendants, end_all
from jobrunner.process.presence import Presence, Present
from jobrunner.process.remains import guards_of, kill_handlers_of

#: Seconds that what is to end, or was killed, may take to be gone.
_PATIENCE = 2.0


def presence() -> Presence:
    """Return who lives on this machine of this user's guards. Raises ConfigurationError where others write there."""
    folder = Path(tempfile.gettempdir()) / f"jobrunner-node-{os.getuid()}"
    folder.mkdir(PRIVATE_FOLDER_MODE, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ConfigurationError(f"{folder} is not a folder of this user's alone: remove it")
    return Presence(folder)


def appear() -> Present:
    """Appear as a guard of the Dask worker that is the parent of this process. Raises as `presence` does."""
    return presence().appear(kind=f"{os.getppid()}-")


def sweep() -> list[Left]:
    """End what guards that are dead have left on this machine, and return what does not end.

    Guards whose Dask worker is dead end by themselves, unless they hang: then what they run is ended, and they are.
    """
    left = []
    lives = presence()
    for token in lives.tokens():
        for guard in guards_of(token):
            with suppress(OSError, ValueError):  # it has just ended, or is of another version
                if proc.stat(guard).parent != int(token.partition("-")[0]):
                    _end(guard)
        with lives.of_the_dead(token) as dead:
            if dead:
                remaining = kill_handlers_of(token, lives.noted(token), patience=_PATIENCE)
                left += remaining
                if not remaining:
                    lives.forget(token)
    return left


def _end(guard: int) -> None:
    """Let a guard end; if it does not, end what is below it, and kill it: it may hear that only when it goes on."""
    with processes.handle_of(guard) as handle:
        if not processes.has_ended(handle, _PATIENCE):
            end_all(partial(descendants, guard), patience=_PATIENCE)
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            processes.has_ended(handle, _PATIENCE)
