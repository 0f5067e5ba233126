"""What has ended lately, by slots of time: in the last hour from the jobs, else from the totals by the hour."""

import statistics
from collections import defaultdict
from typing import Any

from jobrunner.domain.chart import Slot, Span, median_of
from jobrunner.store.database import Database
from jobrunner.store.statements import statements

#: Of so many jobs the length is looked up, the newest ones: each is a look into another table.
_MOST_LENGTHS = 2_000
_HOUR = 3600


class Charts:
    """Reads jobs and totals."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("charts")

    def of(self, span: Span, now: float) -> list[Slot]:
        """Return the slots of a span that ends now (seconds since 1970), the oldest first."""
        unit = span.seconds if span is Span.HOUR else _HOUR
        until = (int(now) // unit + 1) * unit
        since = until - span.slots * span.seconds
        given = {"since": since, "until": until, "seconds": span.seconds}
        done, failed = defaultdict[int, int](int), defaultdict[int, int](int)
        by_minute, by_hour = self._statements["jobs_by_minute"], self._statements["outcomes_by_hour"]
        for row in self._database.rows(by_minute if span is Span.HOUR else by_hour, given):
            done[row["slot"]] += row["done"]
            failed[row["slot"]] += row["failed"]
        medians = self._medians_by_minute(given) if span is Span.HOUR else self._medians_by_hour(given)
        return [
            Slot(since + slot * span.seconds, done[slot], failed[slot], medians.get(slot)) for slot in range(span.slots)
        ]

    def _medians_by_minute(self, given: dict[str, Any]) -> dict[int, float | None]:
        lengths = defaultdict[int, list[float]](list)
        for row in self._database.rows(self._statements["lengths_by_minute"], given | {"most": _MOST_LENGTHS}):
            lengths[row["slot"]].append(row["seconds"])
        return {slot: statistics.median(some) for slot, some in lengths.items()}

    def _medians_by_hour(self, given: dict[str, Any]) -> dict[int, float | None]:
        counts = defaultdict[int, dict[float, int]](dict)
        for row in self._database.rows(self._statements["lengths_by_hour"], given):
            counts[row["slot"]][row["at_most"]] = row["count"]
        return {slot: median_of(some) for slot, some in counts.items()}
