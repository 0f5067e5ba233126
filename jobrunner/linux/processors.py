"""How many processors work for us, and whether one of them is idle at this moment."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from jobrunner.linux.control_groups import own_group

_LOAD = Path("/proc/loadavg")
#: Files of a group that hold its quota and the period for which that is, in microseconds: of version 2, of version 1.
_NAMES = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))

_Quota = list[Path]


def processors() -> int:
    """Return how many processors work for us at once: those that we may run on, or fewer where a quota says so.

    The quota is that of our control group, or of one above it that can be seen, as containers and services have them.
    """
    return math.ceil(min([len(os.sched_getaffinity(0)), *map(allowed, _own_quotas())]))


@contextmanager
def idleness() -> Iterator[Callable[[], bool]]:
    """Yield what says whether fewer threads run or could run than there are processors for us, with the one that asks.

    Raises OSError.
    """
    with _LOAD.open("rb", buffering=0) as load:
        ours = processors()

        def is_one_idle() -> bool:
            running = os.pread(load.fileno(), 100, 0).split(b"/")[0].split()[-1]  # "0.20 0.18 0.12 1/80 11206"
            return int(running) < ours

        yield is_one_idle


def quotas(group: Path) -> list[_Quota]:
    """Return the quotas that hold for a control group: its own, and those of the groups above it."""
    found = [[folder / name for name in names] for folder in (group, *group.parents) for names in _NAMES]
    return [files for files in found if all(map(Path.exists, files))]


def allowed(quota: _Quota) -> float:
    """Return how many processors' time a quota leaves; infinity where none is set."""
    with suppress(OSError, ValueError, ZeroDivisionError):  # it says "max", or the group is gone
        microseconds, period = map(int, " ".join(file.read_text("ascii") for file in quota).split())
        if microseconds > 0:
            return microseconds / period
    return math.inf


@cache
def _own_quotas() -> list[_Quota]:
    """Return those of the groups that we are in: what jobrunner moves us to later is below these, and has none."""
    found = []
    for controller in ("", "cpu"):
        with suppress(OSError):
            found += quotas(own_group(controller))
    return found
