"""Ends what dead workers left: handlers whose worker and guard were killed; and a worker that only seems to be dead."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path

from jobrunner.linux import proc, processes
from jobrunner.process import cgroup
from jobrunner.process.environment import WORKER_VARIABLE
from jobrunner.process.guarding import GUARD_NAME
from jobrunner.process.killing import Left, descendants, end_all, is_ours, with_descendants
from jobrunner.process.signals import CANCEL_SIGNAL

#: Times that a process is looked at, a millisecond apart, while it is starting a program and has no environment.
_LOOKS = 100


def kill_handlers_of(worker: str, noted: str, *, patience: float) -> list[Left]:
    """Kill every process that the handlers of a worker (its token) started, and wait until it is gone.

    `noted`: what the worker's guard noted of its handler's session. Return those that are not gone after `patience`
    seconds: a disk that does not answer can hold up a process for any time, though it was killed, and another user's
    may not be killed.
    """
    groups = cgroup.groups_of(worker)
    for group in groups:
        cgroup.kill(group, patience)
    left = end_all(partial(_of_handlers, worker, noted, groups), patience=patience)
    if not left:
        for group in groups:
            cgroup.remove(group)
    return left


def left_of(worker: str, noted: str) -> list[Left]:
    """Return which processes of a dead worker's handlers we cannot end now: another user's, or it waits for a disk."""
    left = {}
    for pid, handle in chain(_of_guard(worker), _of_handlers(worker, noted, cgroup.groups_of(worker))):
        with suppress(OSError):
            if not is_ours(handle):
                left[pid] = Left(pid, proc.owner(pid))
            elif proc.stat(pid).state == "D":
                left[pid] = Left(pid, None)
    return list(left.values())


def kill_worker(pid: int, token: str, *, patience: float) -> list[Left]:
    """Kill a worker, and its guard, that lives although its lock file is free: the file was removed.

    A process is the one meant if it has that very file open. Return those that are not gone after `patience` seconds.
    """
    pids = [pid]
    with suppress(OSError):
        pids += proc.children(pid)

    def find() -> Iterator[tuple[int, int]]:
        for each in pids:
            with suppress(OSError), processes.handle_of(each) as handle:
                if not processes.has_ended(handle) and proc.has_open(each, f"/{token} (deleted)"):
                    yield each, handle

    return end_all(find, patience=patience)


def end_worker(pid: int, token: str, *, patience: float) -> bool:
    """Kill a worker for a cancel, by the pid that it had, and let its guard clear up.

    Return False where it is not gone after `patience`.

    A process is the one meant if it has the lock file open: a pid may be another process's by now. Raises
    PermissionError where it is another user's.
    """
    with suppress(FileNotFoundError, ProcessLookupError), processes.handle_of(pid) as handle:
        if proc.has_open(pid, f"/{token}"):
            signal.pidfd_send_signal(handle, CANCEL_SIGNAL)
            with suppress(ProcessLookupError):  # it is dead, and waited for
                signal.pidfd_send_signal(handle, signal.SIGKILL)  # where it is stopped, the other waits
            return processes.has_ended(handle, patience)
    return False


def _of_guard(worker: str) -> Iterator[tuple[int, int]]:
    """Find what is below the guard of a worker."""
    for pid in proc.pids():
        with suppress(OSError):
            if proc.stat(pid).name == GUARD_NAME and proc.has_open(pid, f"/{worker}"):
                yield from descendants(pid)


def _of_handlers(worker: str, noted: str, groups: list[Path]) -> Iterator[tuple[int, int]]:
    """Find what is in a worker's control group, in its handler's session or has its token in the environment.

    And what those have started. A process's environment stays what it was when its program started, and its session
    what it was when it forked, whoever its parent is by now.
    """
    boot, _, session = noted.partition(" ")
    is_of_this_boot = boot == proc.BOOT_ID
    marker = f"{WORKER_VARIABLE}={worker}".encode()
    members = {pid for group in groups for pid in cgroup.members(group)}

    def is_meant(pid: int) -> bool:
        with suppress(OSError):
            return pid in members or (is_of_this_boot and proc.session(pid) == session) or _has(pid, marker)
        return False

    ours = os.getpid()
    return with_descendants([pid for pid in proc.pids() if pid != ours and is_meant(pid)], is_meant)


def _has(pid: int, marker: bytes) -> bool:
    environment = proc.environment(pid)
    for _ in range(_LOOKS):
        if environment != [b""] or not proc.is_starting_a_program(pid):
            break
        time.sleep(0.001)
        environment = proc.environment(pid)
    return marker in environment
