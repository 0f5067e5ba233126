"""The steady clock of a home: all its processes agree on it, and it cannot be set."""

import time
from collections.abc import Callable

from jobrunner.domain.moment import Moment
from jobrunner.store.database import Database
from jobrunner.store.statements import statements


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Call it for the present moment; `start` it before."""

    def __init__(
        self,
        database: Database,
        boot_id: str,
        *,
        wall: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = _since_boot,
    ) -> None:
        self._database = database
        self._statements = statements("clock")
        self._boot_id = boot_id
        self._wall = wall
        self._since_boot = since_boot
        self._base = wall() - since_boot()

    def start(self) -> None:
        """Take over what the first process of this boot recorded, or be the first. Raises StoreError."""
        if not self._take_over():
            with self._database.write():
                self._database.execute(self._statements["set"], {"boot_id": self._boot_id, "base": self._base})
            self._take_over()

    def __call__(self) -> Moment:
        """Return the present moment."""
        return Moment(self._wall(), self._base + self._since_boot())

    def _take_over(self) -> bool:
        row = self._database.row(self._statements["read"])
        if row is None or row["boot_id"] != self._boot_id:
            return False
        self._base = row["base"]
        return True
