"""What /proc says of the processes that a campaign kills. A process may be gone at any time: that is no error here."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.scripts import parent_of, state_of
from tests.support import children_of


def marked(mark: bytes) -> set[int]:
    """Return the living processes with this in their environment."""
    found = set()
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                found.add(int(name))
    return found


def descendants(pid: int) -> list[int]:
    """Return the processes below one, the nearest first."""
    found = children(pid)
    for child in found:  # grows while it is walked
        found += children(child)
    return found


def parent(pid: int) -> int:
    """Return its parent's pid, 0 where there is no such process."""
    try:
        return parent_of(pid)
    except ValueError:
        return 0


def is_guard(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text() == "jobrunner-guard\n"
    return False


def children(pid: int) -> list[int]:
    with suppress(OSError):
        return children_of(pid)
    return []


def send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def described(pid: int) -> str:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        return f"{pid} {state_of(pid)} below {parent(pid)}: {words}"
    return str(pid)
