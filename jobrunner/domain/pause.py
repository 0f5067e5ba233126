"""A pause of the whole home: workers finish what they do, and claim nothing."""

from typing import NamedTuple


class Pause(NamedTuple):
    """Times are seconds since 1970 by the wall clock; without `until`, it lasts until the home is resumed."""

    since: float
    until: float | None
    reason: str | None
