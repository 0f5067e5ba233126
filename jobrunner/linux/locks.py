"""File locks that are waited for aloud: whoever holds one is named, and a stop ends the wait."""

import errno
import fcntl
import os
import signal
import time
from collections.abc import Callable

from jobrunner.linux import proc, service_manager
from jobrunner.linux.mounts import mount_of_descriptor
from jobrunner.linux.processes import program_of
from jobrunner.linux.users import user_name

#: What may ask a process to stop. Those that run for long hold them back, so no call is interrupted by one.
STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
#: Seconds after which a wait looks for the first time whether it has to go on, and between two looks.
_FIRST_LOOK = 1.5
_LOOKS = 0.5
#: Seconds for which looks find the same holder until it is told: one of ours may hold a lock as long as it waits for
#: another program's lock on the database.
_PATIENCE = 2.5

#: Hears what a wait is for, in words, as often as that changes.
Tell = Callable[[str], object]


def stop_signals() -> frozenset[signal.Signals]:
    """Return the signals that ask us to stop.

    One that was ignored when we were started stays ignored: SIGHUP under nohup, SIGINT in the background of a script.
    Under a service manager SIGHUP asks for something else.
    """
    return _heeded() - reload_signals()


def reload_signals() -> frozenset[signal.Signals]:
    """Return the signals that ask us to take changed settings over: SIGHUP under a service manager, else none.

    A terminal sends SIGHUP when it is closed, so whoever has one is no service, whatever its environment says.
    """
    is_a_service = service_manager.is_there() and not _has_a_terminal()
    return _heeded() & {signal.SIGHUP} if is_a_service else frozenset()


def _heeded() -> frozenset[signal.Signals]:
    return frozenset(number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN)


def _has_a_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def a_stop_is_held_back() -> bool:
    """Say whether a signal has come that asks to stop, while such signals are blocked."""
    return not stop_signals().isdisjoint(signal.sigpending())


class Waiting:
    """How a process waits for locks: it says for whom, and gives up when it is to stop. In the main thread only.

    SIGALRM and its timer are used for that while a wait lasts.
    """

    def __init__(self, tell: Tell, give_up: Callable[[], bool] = a_stop_is_held_back) -> None:
        """`tell` hears who holds a lock for seconds; `give_up` is asked now and then whether the wait has to end."""
        self.tell = tell
        self.give_up = give_up
        self._is_set_up = False
        self._for: tuple[int, ...] = ()
        self._seen = self._told = ""
        self._seen_at = 0.0

    def lock(self, *descriptors: int) -> None:
        """Lock open files, one after the other, in the kernel's own queues. Raises InterruptedError: it was given up.

        Whoever holds the last one is taken to hold up all of them.
        """
        try:
            for descriptor in descriptors:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._wait(descriptors)

    def _wait(self, descriptors: tuple[int, ...]) -> None:
        if not self._is_set_up:  # once: it takes longer than a short wait
            signal.signal(signal.SIGALRM, self._look)
            self._is_set_up = True
        self._seen = self._told = ""
        self._for = descriptors
        timer = signal.setitimer(signal.ITIMER_REAL, _FIRST_LOOK, _LOOKS)
        try:
            for descriptor in descriptors:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # it goes on after each look that raises nothing
            self._for = ()
        except BaseException:
            for descriptor in descriptors:  # the look may have come just after the lock
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, *timer)

    def _look(self, *_: object) -> None:
        if not self._for:
            return
        held = next(filter(None, map(_held, reversed(self._for))), None)
        held = held or f"{_path(self._for[-1])} is locked by a process that is not seen from here"
        if self.give_up():
            self._for = ()
            raise InterruptedError(errno.EINTR, f"stopped while waiting, as {held}")
        if held != self._seen:
            self._seen, self._seen_at = held, time.monotonic()
        elif held != self._told and time.monotonic() - self._seen_at >= _PATIENCE:
            self._told = held
            self.tell(f"{held}, and jobrunner waits for that: end the process if it hangs")


class WaitingInThread(Waiting):
    """How a thread waits that is not the main one: in the kernel's queues, and silently, as it hears no signals."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)

    def _wait(self, descriptors: tuple[int, ...]) -> None:
        for descriptor in descriptors:
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def holders(descriptor: int) -> list[int]:
    """Return the processes that have locked an open file, as far as this one may see them. Raises OSError."""
    status = os.fstat(descriptor)
    mount = mount_of_descriptor(descriptor)
    major, minor = mount.device.split(":") if mount else (os.major(status.st_dev), os.minor(status.st_dev))
    file = f"{int(major):02x}:{int(minor):02x}:{status.st_ino}"
    with open("/proc/locks", encoding="ascii") as lines:
        locks = [line.split() for line in lines]  # whoever only waits has "->" before the kind
    held = (int(pid) for _, kind, _, _, pid, where, *_ in locks if kind == "FLOCK" and where == file)
    return list(dict.fromkeys(held))  # the kernel may list one twice while others come and go


def _held(descriptor: int) -> str | None:
    """Say which other process has locked a file; None where none is seen."""
    pids = [pid for pid in holders(descriptor) if pid != os.getpid()]
    return f"{_path(descriptor)} is locked by {_described(pids[0])}" if pids else None


def _path(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


def _described(pid: int) -> str:
    try:
        return f"process {pid} ({program_of(pid)}) of {user_name(proc.owner(pid))}"
    except OSError:
        return f"process {pid}, which has ended, or one that it started"
