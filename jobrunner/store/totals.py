"""Totals that only grow: how many attempts ended how, and how long their steps took, by the hour."""

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable

from jobrunner.domain.job import EndedAttempt, Outcome
from jobrunner.domain.measures import Ended, Histogram
from jobrunner.store.database import Database
from jobrunner.store.statements import statements

#: The upper bounds of durations, in seconds: each is counted under the least that it does not exceed.
BOUNDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, math.inf)
#: What durations are counted of; `whole` is from the claim of a package until it was done.
STEPS = ("extract", "handle", "archive", "whole")
_HOUR = 3600


class Totals:
    """The tables of totals."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("totals")

    def add(self, ended: Iterable[EndedAttempt], now: float) -> None:
        """Count attempts that end now (seconds since 1970), in the transaction that records their ends.

        It costs a statement for each outcome and each bound of a duration, however many attempts these are.
        """
        attempts, jobs = Counter[Outcome](), Counter[Outcome]()
        lengths = defaultdict[tuple[str, float], list[float]](list)
        for outcome, is_final, details, whole in ended:
            attempts[outcome] += 1
            jobs[outcome] += is_final
            steps = ("extract", details.extract), ("handle", details.handle), ("archive", details.archive)
            for step, seconds in (*steps, ("whole", whole)):
                if seconds is not None:
                    lengths[step, BOUNDS[bisect_left(BOUNDS, seconds)]].append(seconds)
        hour = {"hour_at": int(now // _HOUR) * _HOUR}
        for outcome, count in attempts.items():
            counted = {"outcome": outcome.value, "attempts": count, "jobs": jobs[outcome]}
            self._database.execute(self._statements["count_outcomes"], hour | counted)
        for (step, at_most), some in lengths.items():
            counted_ = {"step": step, "at_most": at_most, "count": len(some), "seconds": sum(some)}
            self._database.execute(self._statements["count_durations"], hour | counted_)

    def ended(self) -> dict[Outcome, Ended]:
        """Return how many have ended in each way since the database was made."""
        found = {
            row["outcome"]: Ended(row["attempts"], row["jobs"])
            for row in self._database.rows(self._statements["sum_outcomes"])
        }
        return {outcome: found.get(outcome, Ended()) for outcome in Outcome}

    def durations(self) -> dict[str, Histogram]:
        """Return how long each of the STEPS took since the database was made."""
        found = {(row["step"], row["at_most"]): row for row in self._database.rows(self._statements["sum_durations"])}
        return {
            step: Histogram(
                {bound: found[step, bound]["count"] if (step, bound) in found else 0 for bound in BOUNDS},
                sum(row["seconds"] for (of, _), row in found.items() if of == step),
            )
            for step in STEPS
        }
