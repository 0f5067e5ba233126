"""Now, on the two clocks that there are."""

from collections.abc import Callable
from typing import NamedTuple


class Moment(NamedTuple):
    """One instant, in seconds since 1970 (UTC) on both clocks.

    `wall` is what people read; it jumps when it is set. `steady` agrees with it at the first look after a boot, then
    only counts seconds, also those in which the machine slept: all waits go by it.
    """

    wall: float
    steady: float

    def wall_of(self, steady: float) -> float:
        """Return what the wall clock shows at a time on the steady one, as it is set now."""
        return self.wall + steady - self.steady


Now = Callable[[], Moment]
