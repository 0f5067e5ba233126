"""Who lives on a node, and what an earlier life left there: known by locks in a folder of the node's own."""

import os
import signal
import stat
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from jobrunner.domain.errors import ConfigurationError
from jobrunner.domain.home_rights import PRIVATE_FOLDER_MODE
from jobrunner.linux import proc, processes
from jobrunner.process.killing import Left, descendants, end_all
from jobrunner.process.presence import Presence, Present
from jobrunner.process.remains import kill_handlers_of

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
    return presence().appear(kind=f"{os.getppid()}-{os.getpid()}-")


def sweep() -> list[Left]:
    """End what guards that are dead have left on this machine, and return what does not end.

    Guards whose Dask worker is dead end by themselves, unless they hang: then what they run is ended, and they are.
    """
    left = []
    lives = presence()
    deadline = time.monotonic() + _PATIENCE
    for token in lives.tokens():
        with suppress(OSError, ValueError):  # it has ended, or is of another version
            _end_if_bereft(token, deadline)
        with lives.of_the_dead(token) as dead:
            if dead:
                remaining = kill_handlers_of(token, lives.noted(token), patience=_PATIENCE)
                left += remaining
                if not remaining:
                    lives.forget(token)
    return left


def _end_if_bereft(token: str, deadline: float) -> None:
    """Let a guard whose Dask worker is dead end by itself until the deadline; then end what is below it, and kill it.

    One that hangs may hear that only when it goes on. Raises OSError, ValueError.
    """
    dask_worker, guard = map(int, token.split("-")[:2])
    with processes.handle_of(guard) as handle:
        if proc.stat(guard).parent == dask_worker or not proc.has_open(guard, f"/{token}"):
            return
        if not processes.has_ended(handle, max(deadline - time.monotonic(), 0)):
            end_all(partial(descendants, guard), patience=_PATIENCE)
            signal.pidfd_send_signal(handle, signal.SIGKILL)
