"""Whether a processor is idle at this moment."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LOAD = Path("/proc/loadavg")


@contextmanager
def idleness() -> Iterator[Callable[[], bool]]:
    """Yield what says whether fewer threads run or could run than there are processors for us, with the one that asks.

    Raises OSError.
    """
    with _LOAD.open("rb", buffering=0) as load:

        def is_one_idle() -> bool:
            running = os.pread(load.fileno(), 100, 0).split(b"/")[0].split()[-1]  # "0.20 0.18 0.12 1/80 11206"
            return int(running) < len(os.sched_getaffinity(0))

        yield is_one_idle
