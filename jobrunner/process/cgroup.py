"""A control group for all that a worker's handlers start (cgroups(7)): its processes can be ended all at once.

It is made where our own group is ours to write: for root, in many containers, under systemd with Delegate=yes.
Elsewhere only a process that has emptied its environment can outlive the death of its guard.
"""

from contextlib import suppress
from pathlib import Path


def enter(worker: str) -> Path | None:
    """Put this process, and so all that it will start, into a group that is named by a worker's token.

    Return the group, None where there can be none.
    """
    try:
        group = _our_own() / _name(worker)
        for left in group.parent.glob(_name("*")):
            with suppress(OSError):  # somebody is in it; else it is nobody's, or is made anew by who was about to enter
                left.rmdir()
        while not _has_entered(group):
            pass
    except OSError:
        return None
    return group


def _has_entered(group: Path) -> bool:
    """Make a group and enter it; False where somebody removed it in between, as it was empty. Raises OSError."""
    group.mkdir()
    try:
        (group / "cgroup.kill").stat()  # not before Linux 5.14
        (group / "cgroup.procs").write_text("0")
    except OSError:
        try:
            group.rmdir()
        except FileNotFoundError:
            return False
        raise
    return True


def leave(group: Path) -> None:
    """Go back to where this process was before it entered, and remove the group, in which nobody is left."""
    with suppress(OSError):
        (group.parent / "cgroup.procs").write_text("0")
        group.rmdir()


def kill_others(group: Path) -> None:
    """Kill all in a group that this process is in, but this process: another user's, too."""
    with suppress(OSError):
        (group.parent / "cgroup.procs").write_text("0")
        kill(group)
        (group / "cgroup.procs").write_text("0")


def groups_of(worker: str) -> list[Path]:
    """Return the group of a worker, wherever it is; none where there is none."""
    try:
        return list(_mounted()[1].rglob(_name(worker)))
    except OSError:
        return []


def kill(group: Path) -> None:
    """Kill all in a group at once, whosever they are, if the group is ours to kill."""
    with suppress(OSError):
        (group / "cgroup.kill").write_text("1")


def members(group: Path) -> list[int]:
    """Return the pids in a group."""
    with suppress(OSError):
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    return []


def remove(group: Path) -> None:
    """Remove a group in which nobody is left, unless somebody else was faster."""
    with suppress(OSError):
        group.rmdir()


def _name(worker: str) -> str:
    return f"jobrunner-{worker}"


def _our_own() -> Path:
    """Return the folder of the group that this process is in. Raises OSError where there is none to be seen."""
    root, point = _mounted()
    for line in Path("/proc/self/cgroup").read_text("utf-8", "surrogateescape").splitlines():
        if line.startswith(f"0::{root}"):
            return point / line.removeprefix(f"0::{root}").lstrip("/")
    raise FileNotFoundError("/proc/self/cgroup")


def _mounted() -> tuple[str, Path]:
    """Return which part of the groups is mounted, and where. Raises OSError where none is."""
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        fields = line.split(" ")
        if fields[fields.index("-") + 1] == "cgroup2":
            return fields[3], Path(fields[4])
    raise FileNotFoundError("cgroup2")
