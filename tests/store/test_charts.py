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
