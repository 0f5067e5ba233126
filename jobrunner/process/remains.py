"""What is left of the dead: handlers whose worker and guard were killed, and a worker that only seems to be dead."""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from jobrunner.process import cgroup
from jobrunner.process.handler import WORKER_VARIABLE
from jobrunner.process.signals import CANCEL_SIGNAL


def kill_handlers_of(worker: str, *, patience: float) -> set[int]:
    """Kill every process that the handlers of a worker (its token) started, and wait until it is gone.

    Return the pids of those that are not after `patience` seconds: a disk that does not answer can hold up a process
    for any time, though it was killed.

    A process's environment stays what it was when its program started, whoever its parent is by now; a pid is read and
    killed through the same handle, so it cannot have become somebody else's. A process may fork just before it is
    killed, and one may be starting a program just now: the search goes on until it has twice found nothing.
    """
    deadline = time.monotonic() + patience
    left = cgroup.kill(worker, deadline)
    marker = f"{WORKER_VARIABLE}={worker}".encode()
    passes = 0
    while passes < 2:
        passes += 1
        with ExitStack() as handles:
            killed = {}
            for pid in [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]:
                with suppress(OSError), _handle_of(pid) as handle:  # OSError: it is gone, or another user's
                    environment = Path(f"/proc/{pid}/environ").read_bytes()
                    if marker in environment.split(b"\0"):
                        passes = 0
                        signal.pidfd_send_signal(handle, signal.SIGKILL)
                        killed[pid] = os.dup(handle)
                        handles.callback(os.close, killed[pid])
                    elif not environment and _is_starting_a_program(pid):
                        passes = 0
            for handle in killed.values():
                _ends(handle, deadline)
        if passes == 0 and time.monotonic() > deadline:  # it waits for a disk, or starts others without end
            return left | killed.keys()
    return left


def kill_worker(pid: int, token: str, *, patience: float) -> set[int]:
    """Kill a worker, and its guard, that lives although its lock file is free: somebody has removed that.

    A process is the one meant if it has that very file open. Return the pids of those that are not gone after
    `patience` seconds.
    """
    deadline = time.monotonic() + patience
    left = set()
    for each in (pid, *_children(pid)):
        with suppress(OSError), _handle_of(each) as handle:
            folder = f"/proc/{each}/fd"
            if any(_target(folder, name).endswith(f"/{token} (deleted)") for name in os.listdir(folder)):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                if not _ends(handle, deadline):
                    left.add(each)
    return left


def end_worker(pid: int, token: str, *, patience: float) -> bool:
    """Kill a worker for a cancel, by the pid that it had, and let its guard clear up.

    Return False where it is not gone after `patience`.

    A process is the one meant if it has the lock file open: a pid may be somebody else's by now. Raises PermissionError
    where it is another user's.
    """
    deadline = time.monotonic() + patience
    with suppress(FileNotFoundError, ProcessLookupError), _handle_of(pid) as handle:
        folder = f"/proc/{pid}/fd"
        if any(_target(folder, name).endswith(f"/{token}") for name in os.listdir(folder)):
            signal.pidfd_send_signal(handle, CANCEL_SIGNAL)
            with suppress(ProcessLookupError):  # it is dead, and waited for
                signal.pidfd_send_signal(handle, signal.SIGKILL)  # where it is stopped, the other waits
            return _ends(handle, deadline)
    return False


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


def _ends(handle: int, deadline: float) -> bool:
    """Wait for the end of a process; False where it has not come by the deadline."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(max(deadline - time.monotonic(), 0) * 1000))


def _is_starting_a_program(pid: int) -> bool:
    """Say of a process whose environment was empty whether it was just in the middle of an exec.

    It has memory by then, but no environment yet, or it has got one since. Who has none for good has an empty one, at
    an address (proc(5): env_start, env_end).
    """
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    state, memory, start, end = fields[0], int(fields[20]), int(fields[47]), int(fields[48])
    return state != b"Z" and memory > 0 and (end == 0 or start < end)
