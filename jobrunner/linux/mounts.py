"""Where which filesystem is mounted, as the kernel lists it (proc(5))."""

import os
import re
from typing import NamedTuple


class Mount(NamedTuple):
    """Where a filesystem is mounted, of which type it is, and its device as "major:minor".

    With btrfs, what stat(2) says is another device for each subvolume; locks are listed under this one.
    """

    point: str
    kind: str
    device: str


def mount_of(folder: str) -> Mount | None:
    """Return the mount that a folder is on, None where the kernel does not show it. Raises OSError."""
    descriptor = os.open(os.path.join(folder, "."), os.O_PATH)  # with the dot, an automount takes place
    try:
        return mount_of_descriptor(descriptor)
    finally:
        os.close(descriptor)


def mount_of_descriptor(descriptor: int) -> Mount | None:
    """Return the mount that an open file or folder is on, None where the kernel does not show it. Raises OSError."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
        number = re.search(r"^mnt_id:\s*(\d+)$", file.read(), re.MULTILINE)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return parse_mounts(file.read()).get(int(number[1])) if number else None


def parse_mounts(mountinfo: str) -> dict[int, Mount]:
    """Return the mounts by their ids, from the text of /proc/self/mountinfo."""
    mounts = {}
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        mounts[int(fields[0])] = Mount(point, fields[fields.index("-") + 1], fields[2])
    return mounts
