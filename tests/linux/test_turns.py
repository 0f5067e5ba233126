"""Turns among the forks of one process."""

import os
import signal

from jobrunner.linux.turns import Turns
from tests.support import wait_until


def holder(turns: Turns, told: int) -> int:
    """Fork a process that takes a turn, says so, and holds it until it is killed; return its pid."""
    pid = os.fork()
    if pid == 0:
        with turns.taken():
            os.write(told, b".")
            signal.pause()
        os._exit(0)
    return pid


def test_so_many_have_a_turn_and_the_next_waits_for_one_that_dies() -> None:
    turns = Turns(2)
    reading, writing = os.pipe()
    pids = [holder(turns, writing) for _ in range(3)]
    try:
        assert sum(len(os.read(reading, 1)) for _ in range(2)) == 2
        os.set_blocking(reading, False)
        waiting = next(pid for pid in pids if _waits_for_a_lock(pid))
        for pid in [pid for pid in pids if pid != waiting]:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: _read(reading) == b".")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _waits_for_a_lock(pid: int) -> bool:
    def waits() -> bool:
        with open("/proc/locks") as locks:
            return any(f"-> POSIX  ADVISORY  WRITE {pid} " in line for line in locks)

    return any(waits() for _ in range(200))


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1)
    except BlockingIOError:
        return b""
