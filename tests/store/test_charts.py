"""What has ended in the last hour, by the minute: what is remembered of minutes that are over stays true."""

from jobrunner.domain.chart import Span
from jobrunner.store.charts import Charts
from tests.store.one_worker import NOW, TIMINGS, OneWorkerStore

MINUTE = 60.0
#: The first second of a minute.
START = NOW // MINUTE * MINUTE


def done(store: OneWorkerStore, name: str, began: float, ended: float) -> None:
    store.enqueue(name)
    job = store.claim(began)
    assert job is not None
    with store.write():
        store.queue.complete(job, TIMINGS, ended)


def medians(charts: Charts, now: float) -> dict[float, float]:
    return {slot.since: slot.median for slot in charts.of(Span.HOUR, now) if slot.median is not None}


def test_medians_are_the_same_for_whoever_goes_on_asking(store: OneWorkerStore) -> None:
    asked = store.charts
    expected = dict[float, float]()
    for number in range(90):
        at = START + number * MINUTE
        lengths = [1.0, 3.0, (2.5 + number) % MINUTE]
        for seconds in lengths:
            done(store, f"p-{number}-{seconds}", at, at + seconds)
        expected[at] = sorted(lengths)[1]
        now = at + 59.0
        if number % 7 in {0, 1, 4}:
            kept = {since: median for since, median in expected.items() if since > now - 60 * MINUTE}
            assert medians(asked, now) == medians(Charts(store.database), now) == kept


def test_what_is_recorded_late_and_after_the_clock_was_set_back_counts(store: OneWorkerStore) -> None:
    done(store, "first", START, START + 5)
    assert medians(store.charts, START + MINUTE + 1) == {START: 5.0}
    done(store, "late", START + 10, START + 59)
    assert medians(store.charts, START + MINUTE + 2) == {START: 27.0}
    assert medians(store.charts, START + 10 * MINUTE) == {START: 27.0}
    done(store, "set back", START, START + 2 * MINUTE + 7)
    assert medians(store.charts, START + 2 * MINUTE + 8) == {START: 27.0, START + 2 * MINUTE: 127.0}


def test_each_minute_has_its_median_however_much_was_done_in_the_last(store: OneWorkerStore) -> None:
    with store.write():
        for minute, count, seconds in ((0, 3, 7.0), (1, 3_000, 2.0)):
            ended = START + minute * MINUTE + 30
            given = {"count": count, "minute": minute, "ended": ended, "began": ended - seconds, "worker": store.worker}
            store.database.execute(_DONE_JOBS, given)
            store.database.execute(_THEIR_ATTEMPTS, given)
    assert medians(Charts(store.database), START + 2 * MINUTE) == {START: 7.0, START + MINUTE: 2.0}


_DONE_JOBS = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
INSERT INTO jobs (name, likeness, state, position, attempt, created_at, finished_at)
SELECT CAST(printf('%d-%d', :minute, n) AS BLOB), x'', 'done', n, 1, :began, :ended FROM numbers
"""
_THEIR_ATTEMPTS = """
INSERT INTO attempts (job_id, number, worker_id, started_at, ended_at, outcome)
SELECT id, 1, :worker, :began, :ended, 'done' FROM jobs WHERE finished_at = :ended
"""
