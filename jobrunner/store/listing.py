"""Which jobs fit what is asked for, among as many as there may be: on an index wherever one leads to the fewest."""

import json
import math
import os
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from jobrunner.domain.filters import EVERY_STANDING, Filters, ListedJob, Sort, Standing
from jobrunner.domain.moment import Moment
from jobrunner.store import rows
from jobrunner.store.database import Database
from jobrunner.store.statements import statements

_BATCH = 500
_LONGEST_NAME = 251
#: The largest number that SQLite has.
_MOST = 2**63 - 1
#: What is done has no error.
_WITH_ERROR = frozenset(Standing) - {Standing.DONE}
#: Where rows are taken from that are wanted in an order.
_BY_ORDER = {Sort.TIME: "in_time", Sort.NAME: "by_name", Sort.CREATED: "of_all", Sort.ATTEMPTS: "by_attempts"}
_NATURAL = {source: order for order, source in _BY_ORDER.items()}
_BEGINNING = re.compile(r"[^*?\[]*\*", re.DOTALL)
_SET = re.compile(r"\[(!?)(\]?[^\]]*\])|\[")


class Listing:
    """Jobs by filters. What fits is a list of ids, 8 bytes a job; the jobs themselves are read as they are wanted."""

    def __init__(self, database: Database, *, max_wait: float, many: int = 10_000) -> None:
        """`max_wait` is the longest backoff in seconds.

        Where `many` names fit a pattern, a list is taken from its order, where it may soon be full, not from the names.
        """
        self._database = database
        self._max_wait = max_wait
        self._many = many

    def select(self, filters: Filters, now: Moment) -> Sequence[int]:
        """Return the ids of the jobs that fit, in their order."""
        filters = _with_span_behind(filters)
        parameters = self._parameters(filters, now)
        source = self._source(filters, parameters)
        order = ("down" if _is_down(filters) else "up") if _NATURAL.get(source) is filters.sort else "sorted"
        return array("q", self._database.column(statements("listing")[f"{source}_{order}"], parameters))

    def count(self, filters: Filters, now: Moment) -> int:
        """Return how many jobs fit, whatever the limit."""
        parameters = self._parameters(filters, now)
        source = self._source(filters._replace(sort=Sort.TIME if filters.name is None else Sort.NAME), parameters)
        if source == "by_name":
            parameters["name"] = _glob_in_range(filters.name)
        return int(self._database.one(statements("listing")[f"{source}_count"], parameters)["count"])

    def read(self, ids: Iterable[int], now: Moment) -> Iterator[ListedJob]:
        """Yield the jobs of these ids, as they are by now."""
        sql = statements("listing")["listed"]
        remaining = iter(ids)
        while batch := list(islice(remaining, _BATCH)):
            parameters = rows.waits(now, self._max_wait) | {"ids": json.dumps(batch)}
            yield from map(rows.listed_job, self._database.rows(sql, parameters))

    def _source(self, filters: Filters, parameters: dict[str, Any]) -> str:
        """Return where the rows are taken from; most jobs are done, after one attempt.

        Where that is a few ids, they are added to the parameters.
        """
        has_span = (filters.since, filters.until) != (-math.inf, math.inf)
        if filters.attempts > 1:
            return "tried_again"
        if Standing.DONE not in _standings(filters):
            return "in_time"
        if filters.name is not None:
            names = statements("listing")["names_from" if parameters["first"] else "names"]
            found = self._database.one(names, parameters | {"most": self._many, "name": _glob_in_range(filters.name)})
            if found["count"] < self._many:
                parameters["ids"] = found["ids"]
                return "these"
        return "in_time" if has_span else _BY_ORDER[filters.sort]

    def _parameters(self, filters: Filters, now: Moment) -> dict[str, Any]:
        first, beyond = _range("*" if filters.name is None else filters.name)
        last_at, last_id = filters.after or (None, None)
        return rows.waits(now, self._max_wait) | {
            "states": " ".join(_standings(filters)),
            "is_any_state": _standings(filters) == EVERY_STANDING,
            "name": _glob(filters.name),
            "first": first,
            "beyond": beyond,
            "error": _glob(filters.error),
            "since": filters.since,
            "until": filters.until,
            "last_at": last_at,
            "last_id": last_id,
            "attempts": min(filters.attempts, _MOST),
            "key": filters.sort.value,
            "down": _is_down(filters),
            "most": -1 if filters.limit is None else min(filters.limit, _MOST),
        }


def _standings(filters: Filters) -> frozenset[Standing]:
    return filters.standings & _WITH_ERROR if filters.error is not None else filters.standings


def _is_down(filters: Filters) -> bool:
    return (filters.sort is not Sort.NAME) is not filters.is_reversed


def _with_span_behind(filters: Filters) -> Filters:
    """Return them with the span of what is behind the last job that was seen, its own moment included."""
    if filters.after is None:
        return filters
    at, _ = filters.after
    if filters.is_reversed:
        return filters._replace(since=max(filters.since, at))
    return filters._replace(until=min(filters.until, math.nextafter(at, math.inf)))


def _glob(pattern: str | None) -> bytes | None:
    """Return a pattern as SQLite has it, where a set is negated by ^ and a bracket has to be closed."""
    if pattern is None:
        return None
    return os.fsencode(_SET.sub(lambda found: f"[{'^' * bool(found[1])}{found[2]}" if found[2] else "[[]", pattern))


def _glob_in_range(pattern: str | None) -> bytes | None:
    """Return it for names that are in its range: there, all fit what is only a beginning."""
    return None if _BEGINNING.fullmatch(pattern or "") else _glob(pattern)


def _range(pattern: str) -> tuple[bytes, bytes]:
    """Return the first of the names that may fit, and what is beyond the last."""
    beginning, *rest = re.split(r"[*?\[]", pattern, maxsplit=1)
    first = os.fsencode(beginning)
    return first, first + (b"\xff" * _LONGEST_NAME if rest else b"\0")
