"""What has ended lately, in slots of equal length, as values."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Span(StrEnum):
    """How far back a chart looks."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    @property
    def slots(self) -> int:
        """How many slots it has."""
        return {Span.HOUR: 60, Span.DAY: 24, Span.MONTH: 30}[self]

    @property
    def seconds(self) -> int:
        """How long each slot is."""
        return {Span.HOUR: 60, Span.DAY: 3600, Span.MONTH: 86400}[self]


class Slot(NamedTuple):
    """How many jobs were done and have failed from `since` on (seconds since 1970), cancelled ones left out.

    `median`: of how long those that were done took, in seconds, as far as that is known.
    """

    since: float
    done: int
    failed: int
    median: float | None


def median_of(counts: Mapping[float, int]) -> float | None:
    """Return about the median of what is counted by upper bounds, None of nothing: half-way in its bound by ratio."""
    half, before, below = sum(counts.values()) / 2, 0.0, 0
    if not half:
        return None
    for bound in sorted(counts):
        below += counts[bound]
        if below >= half:
            return before if bound == float("inf") else (before * bound) ** 0.5 if before else bound / 2
        before = bound
    return before
