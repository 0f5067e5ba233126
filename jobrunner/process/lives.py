"""The lives of processes that are not our children: whoever holds them is woken when one ends."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from jobrunner.linux.processes import Process
from jobrunner.linux.waiting import ready


class Lives:
    """Handles of processes (pidfd_open(2)), each of which can be read once its process has ended."""

    def __init__(self) -> None:
        self._handles: dict[Process, int] = {}

    @property
    def descriptors(self) -> Sequence[int]:
        """What can be read once one of them has ended, to be waited for beside other things."""
        return list(self._handles.values())

    def hold(self, processes: Iterable[Process]) -> bool:
        """Hold these and no others; say whether all could be held: what has ended already will not wake us."""
        wanted = set(processes)
        ended = ready(self.descriptors, 0) if self._handles else set()
        for process in [each for each, handle in self._handles.items() if each not in wanted or handle in ended]:
            os.close(self._handles.pop(process))
        for process in wanted - self._handles.keys():
            with suppress(OSError):  # it has ended, or lives in another namespace of pids
                handle = os.pidfd_open(process.pid)
                if process.lives():
                    self._handles[process] = handle
                else:
                    os.close(handle)
        return wanted == self._handles.keys()

    def any_ended(self) -> bool:
        """Say whether one of them has ended."""
        return bool(self._handles and ready(self.descriptors, 0))
