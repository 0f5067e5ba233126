"""What has ended lately, by slots of time: in the last hour from the jobs, else from the totals by the hour."""

import statistics
from collections import defaultdict
from typing import Any

from jobrunner.domain.chart import Slot, Span, median_of
from jobrunner.store.database import Database
from jobrunner.store.statements import statements

#: Of so many jobs of a minute the length is looked up, the newest ones: each is a look into another table.
_MOST_LENGTHS = 50
_HOUR, _MINUTE = 3600, 60
#: Seconds after a minute until all that ended in it is recorded.
_SETTLED = 60


class Charts:
    """Reads jobs and totals."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("charts")
        self._settled: dict[int, float | None] = {}  # medians of minutes that are over, by their start

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
        medians = self._medians_by_minute(since, until, now) if span is Span.HOUR else self._medians_by_hour(given)
        return [
            Slot(since + slot * span.seconds, done[slot], failed[slot], medians.get(slot)) for slot in range(span.slots)
        ]

    def _medians_by_minute(self, since: int, until: int, now: float) -> dict[int, float | None]:
        """Return the medians of the minutes; whoever goes on asking looks up only those that may have changed."""
        last = int(now) - _SETTLED - _MINUTE
        medians = {at: median for at, median in self._settled.items() if since <= at <= last}
        for at in range(since, until, _MINUTE):
            if at not in medians:
                given = {"since": at, "until": at + _MINUTE, "most": _MOST_LENGTHS}
                lengths = list(self._database.column(self._statements["lengths"], given))
                medians[at] = statistics.median(lengths) if lengths else None
        self._settled = {at: median for at, median in medians.items() if at <= last}
        return {(at - since) // _MINUTE: median for at, median in medians.items()}

    def _medians_by_hour(self, given: dict[str, Any]) -> dict[int, float | None]:
        counts = defaultdict[int, dict[float, int]](dict)
        for row in self._database.rows(self._statements["lengths_by_hour"], given):
            counts[row["slot"]][row["at_most"]] = row["count"]
        return {slot: median_of(some) for slot, some in counts.items()}
