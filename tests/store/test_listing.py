import fnmatch
import math
import os
import re
from collections.abc import Callable, Mapping
from itertools import product
from random import Random
from typing import Any

import pytest

from jobrunner.domain.filters import EVERY_STANDING, Filters, ListedJob, Sort, Standing
from jobrunner.domain.job import Outcome
from jobrunner.store import listing
from jobrunner.store.listing import Listing
from jobrunner.store.statements import statements
from tests.store.one_worker import AGAIN, MAX_WAIT, NOW, TIMINGS, OneWorkerStore, at

LATE = NOW + 1000
ODD = os.fsdecode(b"\xff\xfe")


@pytest.fixture
def full(store: OneWorkerStore) -> OneWorkerStore:
    """A store with jobs in every state, which they reached one second after the other."""
    for number, name in enumerate(("done-1", "done-2", "Done-3", "数据-1", "done[4]", ODD)):
        store.complete(store.claimed(name, NOW), NOW + 10 + number)
    for number, name in enumerate(("bad-1", "bad-2")):
        store.fail(store.claimed(name), now=NOW + 20 + number)
    again = store.requeue(store.claimed("again"), now=NOW + 30)
    assert store.claim(NOW + 31) is not None
    store.complete(again._replace(attempt=2, worker_id=store.worker), NOW + 32)
    store.enqueue("stopped")
    (stopped,) = (job for job in store.jobs.not_done() if job.name == "stopped")
    with store.write():
        claimed = store.queue.claim_cancelled(stopped, store.worker, at(NOW))
        assert claimed is not None
        store.queue.fail(claimed, Outcome.CANCELLED, "cancelled", None, TIMINGS, NOW + 33)
    retried = store.fail(store.claimed("retried"), now=NOW + 34)
    store.claimed("slow", NOW + 35)
    with store.write():
        assert store.queue.retry(retried, NOW + 36)
    store.enqueue("new-1", "new-2")
    for delay in (10.0, 3000.0):
        job = store.claim(NOW + 37)
        assert job is not None
        store.requeue(job, AGAIN._replace(delay=delay, reason=f"waits for sensor {delay:g}"), NOW + 38)
    return store


def listed(store: OneWorkerStore, filters: Filters) -> list[ListedJob]:
    return list(store.listing.read(store.listing.select(filters, at(LATE)), at(LATE)))


def names(store: OneWorkerStore, **fields: Any) -> list[str]:
    return [found.job.name for found in listed(store, Filters(**fields))]


def test_each_job_has_a_standing_and_the_time_at_which_it_reached_that(full: OneWorkerStore) -> None:
    told = {found.job.name: (found.standing.value, found.reached_at - NOW) for found in listed(full, Filters())}
    assert told == {
        "done-1": ("done", 10),
        "done-2": ("done", 11),
        "Done-3": ("done", 12),
        "数据-1": ("done", 13),
        "done[4]": ("done", 14),
        ODD: ("done", 15),
        "bad-1": ("failed", 20),
        "bad-2": ("failed", 21),
        "again": ("done", 32),
        "stopped": ("cancelled", 33),
        "slow": ("running", 35),
        "retried": ("queued", 38),
        "new-1": ("waiting", 38),
        "new-2": ("queued", 0),
    }


def test_counts_and_lists_agree_on_what_waits(full: OneWorkerStore) -> None:
    for moment in (at(NOW + 40), at(LATE), at(NOW + 5000)):
        counts = full.jobs.counts(moment)
        for standing in ("queued", "waiting", "running", "done"):
            filters = Filters(standings=frozenset({Standing(standing)}))
            assert full.listing.count(filters, moment) == counts[standing], standing


PATTERNS = (None, "done-1", "done*", "*-1", "d*[!1]", "d?ne-2", "nothing", "", "*", "done[[]4]", "数?-*")
STANDINGS = (
    EVERY_STANDING,
    frozenset({Standing.DONE}),
    frozenset({Standing.FAILED, Standing.CANCELLED}),
    frozenset({Standing.CANCELLED}),
    frozenset({Standing.QUEUED, Standing.WAITING}),
    frozenset({Standing.WAITING, Standing.DONE, Standing.RUNNING}),
)
SPANS = ((-math.inf, math.inf), (NOW + 12, math.inf), (-math.inf, NOW + 33), (NOW + 12, NOW + 33))
ERRORS = (None, "", "*sensor*", "ba[a-e]")


def expected(every: list[ListedJob], filters: Filters) -> list[str]:
    """Return the names that fit, by the plainest means."""
    fit = [
        found
        for found in every
        if found.standing in filters.standings
        and (filters.name is None or fnmatch.fnmatchcase(found.job.name, filters.name))
        and (filters.error is None or (found.job.error and fnmatch.fnmatchcase(found.job.error, filters.error)))
        and filters.since <= found.reached_at < filters.until
        and found.job.attempt >= filters.attempts
    ]
    key: Callable[[ListedJob], Any] = {
        Sort.TIME: lambda found: (found.reached_at, found.job.id),
        Sort.NAME: lambda found: os.fsencode(found.job.name),
        Sort.CREATED: lambda found: found.job.id,
        Sort.ATTEMPTS: lambda found: (found.job.attempt, found.job.id),
    }[filters.sort]
    fit.sort(key=key, reverse=(filters.sort is not Sort.NAME) is not filters.is_reversed)
    return [found.job.name for found in fit]


@pytest.mark.parametrize(("is_reversed", "many"), [(False, 1), (True, 1), (False, 10_000)])
@pytest.mark.parametrize("sort", Sort)
def test_whatever_is_asked_for_what_fits_is_found_in_its_order(
    full: OneWorkerStore, sort: Sort, is_reversed: bool, many: int
) -> None:
    every = listed(full, Filters())
    lists = Listing(full.database, max_wait=MAX_WAIT, many=many)
    found_some = 0
    questions = list(product(STANDINGS, PATTERNS, ERRORS, SPANS, range(3)))
    drawn = Random(f"{sort} {is_reversed} {many}").sample(questions, len(questions) // 6)
    for standings, name, error, (since, until), attempts in drawn:
        filters = Filters(standings, name, error, since, until, attempts, sort, is_reversed)
        wanted = expected(every, filters)
        ids = lists.select(filters, at(LATE))
        by_id = {found.job.id: found.job.name for found in every}
        assert [by_id[number] for number in ids] == wanted, filters
        assert lists.count(filters, at(LATE)) == len(wanted), filters
        found_some += bool(wanted)
    assert found_some > 50


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_list_goes_on_behind_any_of_its_jobs_those_of_its_moment_too(full: OneWorkerStore, is_reversed: bool) -> None:
    full.enqueue("twin-1", "twin-2")
    whole: list[dict[str, Any]] = [
        {},
        {"name": "*"},
        {"name": "tw*"},
        {"attempts": 2},
        {"since": NOW + 12, "until": NOW + 33},
    ]
    found_some = 0
    for asked in whole:
        filters = Filters(**asked, is_reversed=is_reversed)
        rows = listed(full, filters)
        for number, row in enumerate(rows, start=1):
            following = listed(full, filters._replace(after=(row.reached_at, row.job.id)))
            assert following == rows[number:], (filters, row)
            found_some += any(each.reached_at == row.reached_at for each in following)
    assert found_some > 5


def test_a_limit_takes_the_first_in_the_order_and_does_not_count(full: OneWorkerStore) -> None:
    assert names(full, sort=Sort.NAME, limit=2) == ["Done-3", "again"]
    assert names(full, sort=Sort.ATTEMPTS, limit=2) == ["retried", "again"]
    assert full.listing.count(Filters(limit=2), at(LATE)) == 14


def test_a_name_of_any_bytes_fits_itself(full: OneWorkerStore) -> None:
    assert names(full, name=ODD) == [ODD]
    assert names(full, name=f"{ODD[0]}*") == [ODD]


def test_a_bracket_that_is_not_closed_is_one(store: OneWorkerStore) -> None:
    store.enqueue("a[1", "a1")
    assert names(store, name="a[1") == ["a[1"]
    assert names(store, name="a[!2]") == ["a1"]


def test_what_is_listed_is_read_as_it_is_by_then(full: OneWorkerStore) -> None:
    ids = full.listing.select(Filters(name="slow"), at(LATE))
    (slow,) = full.jobs.held_by(full.worker)
    full.complete(slow, NOW + 500)
    (found,) = full.listing.read(ids, at(LATE))
    assert (found.standing, found.reached_at) == (Standing.DONE, NOW + 500)


def test_more_jobs_than_a_batch_are_read_in_their_order(store: OneWorkerStore) -> None:
    every = [f"p{number:04}" for number in range(1200)]
    store.enqueue(*every)
    assert names(store, sort=Sort.NAME) == every


class Noted(dict[str, str]):
    """Statements by name, and which of them were asked for."""

    def __init__(self, those: Mapping[str, str]) -> None:
        super().__init__(those)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)


def test_every_statement_is_used(full: OneWorkerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = Noted(statements("listing"))
    monkeypatch.setattr(listing, "statements", lambda _: noted)
    lists = Listing(full.database, max_wait=MAX_WAIT, many=2)
    for name, since, attempts, sort in product(("a*", "*-1", None), (-math.inf, 0), (0, 2), Sort):
        for is_reversed in (False, True):
            filters = Filters(name=name, since=since, attempts=attempts, sort=sort, is_reversed=is_reversed)
            ids = lists.select(filters, at(LATE))
            assert len(list(lists.read(ids, at(LATE)))) == lists.count(filters, at(LATE))
    assert noted.asked == set(noted)


#: What is read in the order of its rows, and what is few and sorted, by the beginning of a statement's name.
ROWS_IN_ORDER = {"of_all": 1, "by_attempts": 1}
SORTED_PARTS = {"in_time": 3, "by_attempts": 1}


def test_what_is_asked_for_is_found_on_an_index(store: OneWorkerStore) -> None:
    for name, sql in statements("listing").items():
        rows = store.database.rows(f"EXPLAIN QUERY PLAN {sql}", dict.fromkeys(re.findall(r":(\w+)", sql)))
        plan = [row["detail"] for row in rows]
        source = name.rpartition("_")[0]
        scans = [step for step in plan if step.startswith("SCAN jobs") and "INDEX" not in step]
        assert len(scans) == ROWS_IN_ORDER.get(source, 0), (name, plan)
        if name.endswith(("_up", "_down")):
            sorts = [step for step in plan if step.startswith("USE TEMP B-TREE")]
            assert len(sorts) == SORTED_PARTS.get(source, 0), (name, plan)


def test_numbers_beyond_those_of_sqlite_are_numbers(full: OneWorkerStore) -> None:
    assert list(full.listing.select(Filters(attempts=10**30), at(LATE))) == []
    assert len(full.listing.select(Filters(limit=10**30), at(LATE))) == full.listing.count(Filters(), at(LATE))
