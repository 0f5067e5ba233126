"""What is left of the dead: handlers whose worker and guard were killed, and a worker that only seems to be dead."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jobrunner.process.handler import WORKER_VARIABLE

_GONE_MILLISECONDS = 10_000


def kill_handlers_of(worker: str) -> None:
    """Kill every process that the handlers of a worker (its token) started, and wait until it is gone.

    A process's environment stays what it was when its program started, whoever its parent is by now; a pid is read and
    killed through the same handle, so it cannot have become somebody else's. A process may fork just before it is
    killed, and one may be starting a program just now: the search goes on until it has twice found nothing.
    """
    marker = f"{WORKER_VARIABLE}={worker}".encode("ascii")
    passes = 0
    while passes < 2:
        passes += 1
        for pid in [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]:
            with suppress(OSError), _handle_of(pid) as handle:  # OSError: it is gone, or another user's
                environment = Path(f"/proc/{pid}/environ").read_bytes()
                if marker in environment.split(b"\0"):
                    passes = 0
                    _kill(handle)
                elif not environment and _is_starting_a_program(pid):
                    passes = 0


def kill_worker(pid: int, token: str) -> None:
    """Kill a worker, and its guard, that lives although its lock file is free: somebody has removed that.

    A process is the one meant if it has that very file open. Waits until it is gone.
    """
    for each in (pid, *_children(pid)):
        with suppress(OSError), _handle_of(each) as handle:
            folder = f"/proc/{each}/fd"
            if any(_target(folder, name).endswith(f"/{token} (deleted)") for name in os.listdir(folder)):
                _kill(handle)


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    return []


def _target(folder: str, descriptor: str) -> str:
    with suppress(OSError):
        return os.readlink(os.path.join(folder, descriptor))
    return ""


@contextmanager
def _handle_of(pid: int) -> Iterator[int]:
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


def _kill(handle: int) -> None:
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.poll(_GONE_MILLISECONDS)


def _is_starting_a_program(pid: int) -> bool:
    """Say of a process whose environment was empty whether it was just in the middle of an exec.

    It has memory by then, but no environment yet, or it has got one since. Who has none for good has an empty one, at
    an address (proc(5): env_start, env_end).
    """
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    state, memory, start, end = fields[0], int(fields[20]), int(fields[47]), int(fields[48])
    return state != b"Z" and memory > 0 and (end == 0 or start < end)
