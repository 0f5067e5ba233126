"""Where which filesystem is mounted, as the kernel lists it (proc(5))."""

import os
import re
from typing import NamedTuple


class Mount(NamedTuple):
    """Where a filesystem is mounted, of which type it is, and its device as "major:minor".

    With btrfs, what stat(2) says is another device for each subvolume; locks are listed under this one. `root`: the
    folder of the filesystem that is seen at the point; `options`: those of the filesystem, whose meaning it knows.
    """

    point: str
    kind: str
    device: str
    root: str
    options: tuple[str, ...]


def mounts() -> dict[int, Mount]:
    """Return what is mounted where this process can see it, by the mounts' ids. Raises OSError."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return parse_mounts(file.read())


def mount_of(folder: str) -> Mount | None:
    """Return the mount that a folder is on, None where the kernel does not show it. Raises OSError."""
    descriptor = os.open(os.path.join(folder, "."), os.O_PATH)  # with the dot, an automount takes place
    try:
        return mount_of_descriptor(descriptor)
    finally:
        os.close(descriptor)


def mount_of_descriptor(descriptor: int) -> Mount | None:
    """Return the mount that an open file or folder is on, None where the kernel does not show it. Raises OSError."""
    number = mount_id(descriptor)
    return None if number is None else mounts().get(number)


def mount_id(descriptor: int) -> int | None:
    """Return the number of the mount that an open file or folder is on, None where the kernel does not say it.

    Raises OSError.
    """
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
        number = re.search(r"^mnt_id:\s*(\d+)$", file.read(), re.MULTILINE)
    return int(number[1]) if number else None


def parse_mounts(mountinfo: str) -> dict[int, Mount]:
    """Return the mounts by their ids, from the text of /proc/self/mountinfo."""
    found = {}
    for line in mountinfo.splitlines():
        number, _, device, root, point, *rest = line.split(" ")
        kind, _, options = rest[rest.index("-") + 1 :][:3]
        found[int(number)] = Mount(_unescaped(point), kind, device, _unescaped(root), tuple(options.split(",")))
    return found


def _unescaped(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)
