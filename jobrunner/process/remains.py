"""What is left of a handler whose worker and guard were killed: found by the environment of its processes."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import suppress

from jobrunner.process.handler import WORKER_VARIABLE

_GONE_MILLISECONDS = 10_000


def kill_handlers_of(worker: str) -> None:
    """Kill every process that the handlers of a worker (its token) started, and wait until it is gone.

    A process's environment stays what it was when its program started, whoever its parent is by now; a pid is read and
    killed through the same handle, so it cannot have become somebody else's.
    """
    marker = f"{WORKER_VARIABLE}={worker}".encode("ascii")
    while True:
        found = False
        for descriptor in _processes_with(marker):
            found = True
            try:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                poll.poll(_GONE_MILLISECONDS)
            finally:
                os.close(descriptor)
        if not found:  # a process may have forked just before it was killed: look again until there is none
            return


def _processes_with(marker: bytes) -> Iterator[int]:
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            descriptor = os.pidfd_open(int(name))
        except OSError:  # gone meanwhile
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                belongs = marker in file.read().split(b"\0")
        except OSError:  # gone meanwhile, or another user's
            belongs = False
        if belongs:
            yield descriptor
        else:
            os.close(descriptor)
