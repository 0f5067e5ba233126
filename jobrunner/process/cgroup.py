"""Control groups for all that a worker's handlers start (cgroups(7)): ended all at once, and limited in number.

They are made where our own group is ours to write: for root, in many containers, under systemd with Delegate=yes.
Elsewhere only a process that has left its session and emptied its environment can outlive its guard and its worker.
"""

import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from jobrunner.domain.errors import ConfigurationError, in_words
from jobrunner.linux import processes
from jobrunner.linux.control_groups import hierarchies, own_group

#: Where a supervisor goes if its own group may have no processes, because it limits the groups below it.
_SUPERVISORS = "jobrunner.supervisor"


class Group(NamedTuple):
    """A group that this process is in, and where it was before."""

    path: Path
    before: Path

    def kill_others(self, patience: float) -> None:
        """Kill all in the group but this process, as `kill` does."""
        with suppress(OSError):
            _move_to(self.before)
            kill(self.path, patience)
            _move_to(self.path)

    def leave(self) -> None:
        """Go back to where this process was before, and remove the group, in which no process is left."""
        with suppress(OSError):
            _move_to(self.before)
            self.path.rmdir()


def check(max_processes: int | None) -> None:
    """Raise ConfigurationError where no group can be made that limits its processes.

    For a supervisor, before it starts others: a group that limits those below it must have no processes of its own,
    so this process may be moved to a group below its own.
    """
    if max_processes is None:
        return
    try:
        probe = _limiting() / f"jobrunner-{os.getpid()}"
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise ConfigurationError(
            f"process.max_processes is {max_processes}, but no control group that limits processes can be made "
            f"({in_words(error)}): start jobrunner as root or with Delegate=yes in its systemd unit, or leave it out"
        ) from error


def enter(worker: str, max_processes: int | None) -> list[Group]:
    """Put this process, and so all that it will start, into groups that are named by a worker's token.

    Return them: one that can be killed, where there can be one, and where `max_processes` are set, one that limits the
    processes and threads beside this process to so many. Raises OSError where that cannot be made.
    """
    groups = []
    with suppress(OSError):
        groups.append(_enter(own_group(), _parent(), worker, "cgroup.kill"))  # not before Linux 5.14
    if max_processes is not None:
        if not (groups and (groups[0].path / "pids.max").exists()):
            own = own_group("pids")
            groups.append(_enter(own, own, worker, "pids.max"))
        (groups[-1].path / "pids.max").write_text(str(max_processes + 1))
    return groups


def groups_of(worker: str) -> list[Path]:
    """Return the groups of a worker, wherever they are; none where there are none."""
    found: list[Path] = []
    for controller in ("", "pids"):
        with suppress(OSError):  # there are no control groups
            for mount in hierarchies(controller):
                # os.walk goes on where another group vanishes while it looks
                found += [
                    Path(folder, _name(worker)) for folder, names, _ in os.walk(mount.point) if _name(worker) in names
                ]
    return found


def kill(group: Path, patience: float) -> None:
    """Kill all in a group at once, whosever they are, if the group is ours to kill.

    Wait until they have ended, up to `patience` seconds: they would be taken for processes that we may not kill.
    """
    with suppress(OSError), ExitStack() as handles:  # a file that could not be written raises again when it is closed
        file = handles.enter_context((group / "cgroup.kill").open("w"))
        killed = []
        for pid in members(group):
            with suppress(OSError):  # it has ended, or these are too many to hold all
                killed.append(handles.enter_context(processes.handle_of(pid)))
        file.write("1")
        file.flush()
        deadline = time.monotonic() + patience
        for handle in killed:
            processes.has_ended(handle, deadline - time.monotonic())


def members(group: Path) -> list[int]:
    """Return the pids in a group."""
    with suppress(OSError):
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    return []


def remove(group: Path) -> None:
    """Remove a group in which no process is left, unless another process was faster."""
    with suppress(OSError):
        group.rmdir()


def _enter(before: Path, parent: Path, worker: str, needed: str) -> Group:
    """Make a group and enter it. Raises OSError, also where the file `needed` is not in it."""
    group = parent / _name(worker)
    for left in parent.glob(_name("*")):
        remove(left)  # not while a process is in it; if one was about to enter, it makes the group again
    while not _has_entered(group, needed):
        pass
    return Group(group, before)


def _has_entered(group: Path, needed: str) -> bool:
    """Make a group and enter it; False where another process removed it in between, as it was empty. Raises OSError."""
    group.mkdir()
    try:
        (group / needed).stat()
        _move_to(group)
    except OSError:
        try:
            group.rmdir()
        except FileNotFoundError:
            return False
        raise
    return True


def _parent() -> Path:
    """Return the group below which those of workers are made. Raises OSError."""
    own = own_group()
    return own.parent if own.name == _SUPERVISORS else own


def _limiting() -> Path:
    """Return a group below which others can be limited, after we have made it one. Raises OSError."""
    try:
        parent = _parent()
        can_limit = "pids" in (parent / "cgroup.controllers").read_text().split()
    except OSError:
        can_limit = False
    if not can_limit:
        return own_group("pids")
    _let_limit(parent)
    return parent


def _let_limit(parent: Path) -> None:
    control = parent / "cgroup.subtree_control"
    try:
        control.write_text("+pids")
    except OSError:  # it has processes
        aside = parent / _SUPERVISORS
        aside.mkdir(exist_ok=True)
        _move_to(aside)
        try:
            control.write_text("+pids")
        except OSError:  # others than we
            _move_to(parent)
            remove(aside)
            raise


def _move_to(group: Path) -> None:
    (group / "cgroup.procs").write_text("0")


def _name(worker: str) -> str:
    return f"jobrunner-{worker}"
