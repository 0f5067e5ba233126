"""Processes are ended all at once: none can start another while the rest are killed, and no wait is without end."""

import os
import pwd
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import NamedTuple

from jobrunner.linux import proc, processes
from jobrunner.linux.waiting import ready
from jobrunner.process.channel import Garbage

#: Looks for processes: yields the pid of each that has not ended, with a handle of it that is open until the next one.
Find = Callable[[], Iterator[tuple[int, int]]]

#: Seconds between two attempts at what is left.
_PAUSE = 1.0


class Left(NamedTuple):
    """A process that has not ended. `owner`: the id of another user, whose it is; None: it is ours, and was killed."""

    pid: int
    owner: int | None

    @classmethod
    def of(cls, message: object) -> "Left":
        """Return what a message is. Raises Garbage where it is none."""
        match message:
            case [int(pid), (int() | None) as owner]:
                return cls(pid, owner)
        raise Garbage


def end_all(find: Find, *, patience: float) -> list[Left]:
    """Kill all processes that `find` finds, and return those that are left after `patience` seconds.

    All are stopped before one is killed: what is killed makes room for what others fork. Those of other users, which
    we may not kill, are not waited for.
    """
    deadline = time.monotonic() + patience
    while found := _signal_all(find, signal.SIGSTOP):
        while not (more := _signal_all(find, signal.SIGSTOP)).keys() <= found.keys() and time.monotonic() < deadline:
            found |= more
        stuck = [pid for pid, start in _kill_all(find).items() if not _has_ended(pid, start, deadline)]
        left = {pid: Left(pid, None) for pid in stuck}
        left |= {pid: Left(pid, None if ours else _owner(pid)) for pid, ours in _signal_all(find, 0).items()}
        if all(each.owner is not None for each in left.values()) or time.monotonic() >= deadline:
            return list(left.values())
    return []


def descendants(of: int, *, spare: int | None = None) -> Iterator[tuple[int, int]]:
    """Find what a process has started; not `spare`, and not what that has started."""
    with suppress(OSError):
        children = [pid for pid in proc.children(of) if pid != spare]
        yield from with_descendants(children, lambda pid: of == os.getpid() or proc.stat(pid).parent == of)


def with_descendants(roots: Sequence[int], is_meant: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
    """Find these processes and what they have started: children before their parents, of which they would be bereft.

    A pid may be another process's by now, so each is looked at again when its handle is open: whether it is meant, or
    has the parent that it had.
    """
    tree: list[tuple[int, int | None]] = [(pid, None) for pid in roots]
    for each, _ in tree:
        with suppress(OSError):
            tree += [(pid, each) for pid in proc.children(each)]
    for pid, parent in reversed(tree):
        with suppress(OSError), processes.handle_of(pid) as handle:
            is_same = is_meant(pid) if parent is None else proc.stat(pid).parent == parent
            if is_same and not processes.has_ended(handle):
                yield pid, handle


def reap(*, spare: int | None) -> None:
    """Take leave of the children of this process that have ended, but for `spare`."""
    for pid in proc.children(os.getpid()):
        if pid != spare:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def wait_for_one(left: Sequence[Left], *, beside: int | None = None) -> bool:
    """Wait until one of these has ended, for a second at most: another user's process may become ours to end.

    Return at once, and True, where the descriptor `beside` is readable.
    """
    with ExitStack() as handles:
        descriptors = [] if beside is None else [beside]
        for each in left:
            with suppress(OSError):  # too many to hold all, or it has ended
                descriptors.append(handles.enter_context(processes.handle_of(each.pid)))
        return beside in ready(descriptors, _PAUSE)


def is_ours(handle: int, number: int = 0) -> bool:
    """Send a process a signal, by default none, and say whether we may: it may be another user's."""
    try:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)
    except PermissionError:
        return False
    return True


class Waiting:
    """Processes whose end is waited for, by asking now and then."""

    def __init__(self, left: Sequence[Left]) -> None:
        self._handles = []
        for each in left:
            with suppress(OSError):  # it has ended
                self._handles.append(os.pidfd_open(each.pid))

    def is_over(self) -> bool:
        """Say whether all have ended; then it is not asked again."""
        if not all(map(processes.has_ended, self._handles)):
            return False
        for handle in self._handles:
            os.close(handle)
        return True


def in_words(left: Sequence[Left], whose: str) -> str:
    """Say which processes are left, and why: the first of each reason. `whose` as in "of a dead worker"."""
    reasons: dict[int | None, list[int]] = {}
    for pid, owner in left:
        reasons.setdefault(owner, []).append(pid)
    return "; ".join(
        f"process {pid}{f' (and {len(others)} more)' if others else ''} {whose} {_why(owner)}"
        for owner, (pid, *others) in reasons.items()
    )


def _owner(pid: int) -> int:
    try:
        return proc.owner(pid)
    except OSError:  # processes of others are hidden (proc(5): hidepid)
        return 0


def _why(owner: int | None) -> str:
    if owner is None:
        return "was killed, but does not end (does it wait for a disk that does not answer?)"
    if owner == 0:
        return "belongs to root, and only root can end it"
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"the user {owner}"
    return f"belongs to {name}, and only {name} or root can end it"


def _look(find: Find) -> Iterator[tuple[int, int]]:
    """Find; where that gives nothing, look again.

    A process may have ended after it was found to be a child and before its own children were asked for: these have
    been handed on to another parent since.
    """
    is_empty = True
    for found in find():
        is_empty = False
        yield found
    if is_empty:
        yield from find()


def _kill_all(find: Find) -> dict[int, int]:
    """Kill each process that is found and is ours, and return their pids with when each was started."""
    killed = {}
    for pid, handle in _look(find):
        with suppress(OSError):
            killed[pid] = proc.stat(pid).start
        if not is_ours(handle, signal.SIGKILL):
            killed.pop(pid, None)
    return killed


def _has_ended(pid: int, start: int, deadline: float) -> bool:
    """Wait for the end of a process that was killed.

    It is not looked for again: while it gives back its memory it has no environment and no descendants any more, but
    still its files and their locks.
    """
    with suppress(OSError), processes.handle_of(pid) as handle:
        if proc.stat(pid).start == start:
            return processes.has_ended(handle, deadline - time.monotonic())
    return True


def _signal_all(find: Find, number: int) -> dict[int, bool]:
    """Send a signal to each process that is found; return their pids, and of each whether it is ours to signal."""
    return {pid: is_ours(handle, number) for pid, handle in _look(find)}
