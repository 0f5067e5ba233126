"""What the kernel says of processes (proc(5)). Of one that is gone, or hidden from us, each call raises OSError."""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Stat(NamedTuple):
    """What a process is called (at most 15 bytes), what it does (R, S, D, T, Z), its parent, and when it was started.

    `start` is in clock ticks after the boot.
    """

    name: str
    state: str
    parent: int
    session: int
    start: int


BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def pids() -> list[int]:
    """Return the processes that are there."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def stat(pid: int) -> Stat:
    """Return what the kernel says of a process."""
    name, _, rest = _read(pid, "stat").rpartition(b")")
    fields = rest.split(maxsplit=20)
    state, parent, session, start = fields[0].decode("ascii"), int(fields[1]), int(fields[3]), int(fields[19])
    return Stat(os.fsdecode(name.partition(b"(")[2]), state, parent, session, start)


def children(pid: int) -> list[int]:
    """Return the processes whose parent a process is, whichever of its threads has started them."""
    found: list[int] = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with suppress(OSError):  # this thread has ended meanwhile
            found.extend(map(int, _read(pid, f"task/{thread}/children").split()))
    return found


def control_groups() -> list[tuple[list[str], str]]:
    """Return the control groups that this process is in (cgroups(7)), one for each hierarchy.

    Each is what controls it, nothing in the hierarchy of version 2, and its path there. Raises OSError.
    """
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    return [(controllers.split(","), path) for _, controllers, path in lines]


def owner(pid: int) -> int:
    """Return the user id that a process acts with."""
    return os.stat(f"/proc/{pid}").st_uid


def environment(pid: int) -> list[bytes]:
    """Return the environment that a process's program was started with."""
    return _read(pid, "environ").split(b"\0")


def command_line_place() -> tuple[int, int]:
    """Return the addresses in our own memory at which our command line begins and ends (arg_start, arg_end)."""
    fields = _read(os.getpid(), "stat").rpartition(b")")[2].split()
    return int(fields[45]), int(fields[46])


def is_starting_a_program(pid: int) -> bool:
    """Say of a process whose environment was empty whether it was just in the middle of an exec.

    It has memory by then, but no environment yet, or it has got one since. One that has none for good has an empty
    one, at an address (proc(5): env_start, env_end).
    """
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    state, memory, start, end = fields[0], int(fields[20]), int(fields[47]), int(fields[48])
    return state != b"Z" and memory > 0 and (end == 0 or start < end)


def session(pid: int) -> str:
    """Return what tells a process's session from all others of this boot.

    It is the session's id, which may be given out again when no process is left in it, and the number of its autogroup
    (sched(7)), which is not: each session has one of its own where the kernel has autogroups.
    """
    number = b""
    with suppress(OSError):
        number = _read(pid, "autogroup").partition(b" ")[0]
    return f"{stat(pid).session}{number.decode('ascii')}"


def has_open(pid: int, name: str) -> bool:
    """Say whether a process of ours has a file open whose path ends with `name`."""
    folder = f"/proc/{pid}/fd"
    return any(_target(folder, descriptor).endswith(name) for descriptor in os.listdir(folder))


def _target(folder: str, descriptor: str) -> str:
    with suppress(OSError):
        return os.readlink(os.path.join(folder, descriptor))
    return ""


def _read(pid: int, name: str) -> bytes:
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
        return file.readall()
