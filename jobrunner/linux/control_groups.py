"""Where the control groups that this process is in can be seen (cgroups(7))."""

from pathlib import Path

from jobrunner.linux import proc
from jobrunner.linux.mounts import Mount, mounts


def own_group(controller: str = "") -> Path:
    """Return the folder of the group that this process is in, in the hierarchy of a controller of cgroups version 1.

    Without a controller, in that of version 2. Raises OSError where there is none to be seen.
    """
    for controllers, path in proc.control_groups():
        if controller in controllers:
            for mount in hierarchies(controller):
                if path.startswith(mount.root):
                    return Path(mount.point, path.removeprefix(mount.root).lstrip("/"))
    raise FileNotFoundError(2, "No such control group", controller or "cgroup2")


def hierarchies(controller: str = "") -> list[Mount]:
    """Return where a hierarchy is mounted, and which part of it; which one as for `own_group`."""
    if not controller:
        return [mount for mount in mounts().values() if mount.kind == "cgroup2"]
    return [mount for mount in mounts().values() if mount.kind == "cgroup" and controller in mount.options]
