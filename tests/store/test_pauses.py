"""The one pause of a home, and what it keeps from being claimed."""

import math

import apsw
import pytest

from jobrunner.domain.job import Job
from jobrunner.domain.moment import Moment
from jobrunner.domain.pause import Pause
from jobrunner.domain.retry import Decision
from tests.store.one_worker import NOW, OneWorkerStore, at


def pause(store: OneWorkerStore, now: float = NOW, until: float | None = None, reason: str | None = None) -> None:
    with store.write():
        store.pauses.begin(now, until, reason)


def resume(store: OneWorkerStore) -> None:
    with store.write():
        store.pauses.end()


def test_a_pause_lasts_until_it_is_ended(store: OneWorkerStore) -> None:
    assert store.pauses.in_force(NOW) is None
    pause(store, reason="night")
    assert store.pauses.in_force(NOW + 10**9) == Pause(NOW, None, "night")
    resume(store)
    assert store.pauses.in_force(NOW) is None
    resume(store)


def test_said_again_it_goes_on_with_another_end_and_reason(store: OneWorkerStore) -> None:
    pause(store, NOW, None, "night")
    pause(store, NOW + 5, NOW + 60)
    assert store.pauses.in_force(NOW + 5) == Pause(NOW, NOW + 60, None)


def test_whoever_reads_takes_one_that_is_over_for_none(store: OneWorkerStore) -> None:
    pause(store, NOW, NOW + 60, "night")
    assert store.pauses.in_force(NOW + 59.9) == Pause(NOW, NOW + 60, "night")
    assert store.pauses.in_force(NOW + 60) is None
    pause(store, NOW + 100)
    assert store.pauses.in_force(NOW + 100) == Pause(NOW + 100, None, None)


def test_there_is_only_one_and_its_reason_is_words(store: OneWorkerStore) -> None:
    for wrong in ("(2, 1.0, NULL, NULL)", "(1, NULL, NULL, NULL)", "(1, 1.0, NULL, '')"):
        with pytest.raises(apsw.ConstraintError), store.write():
            store.database.execute(f"INSERT INTO pauses (only, paused_at, ends_at, reason) VALUES {wrong}")


def test_nothing_is_claimed_in_a_pause_nor_is_anything_ready(store: OneWorkerStore) -> None:
    store.enqueue("p", "q")
    pause(store)
    assert store.claim() is None
    assert not store.jobs.any_ready(at(NOW))
    resume(store)
    assert store.jobs.any_ready(at(NOW))
    assert store.claim_order() == ["p", "q"]


def test_when_a_pause_is_over_by_the_wall_clock_jobs_are_claimed_again(store: OneWorkerStore) -> None:
    store.enqueue("p")
    pause(store, until=NOW + 60)
    before, after = Moment(NOW + 59, NOW + 1000), Moment(NOW + 60, NOW + 1)
    assert not store.jobs.any_ready(before)
    with store.write():
        assert store.queue.claim(store.worker, before) is None
    assert store.jobs.any_ready(after)
    with store.write():
        assert store.queue.claim(store.worker, after) is not None


def test_a_pause_without_an_end_holds_what_does_not_run(store: OneWorkerStore) -> None:
    running = store.claimed("running")
    pause(store)
    assert store.jobs.any_pending()
    waits(store, running)
    assert not store.jobs.any_pending()
    store.enqueue("p")
    assert not store.jobs.any_pending()
    pause(store, until=NOW + 60)
    assert store.jobs.any_pending()
    resume(store)
    assert store.jobs.any_pending()


def waits(store: OneWorkerStore, job: Job) -> None:
    store.requeue(job)


def test_what_is_claimed_already_ends_in_a_pause_and_a_cancel_goes_on(store: OneWorkerStore) -> None:
    running, queued = store.claimed("p"), store.requeue(store.claimed("q"))
    pause(store)
    store.complete(running)
    with store.write():
        cancelled = store.queue.claim_cancelled(queued, store.worker, at(NOW))
    assert cancelled is not None
    store.fail(cancelled)


def test_in_a_pause_an_idle_worker_waits_for_nothing_but_its_end(store: OneWorkerStore) -> None:
    decision = Decision(failures=1, delays=0, crashes=0, interruptions=0, delay=5.0, reason="no licence")
    store.requeue(store.claimed("p"), decision)
    assert store.jobs.seconds_until_due(at(NOW)) == 5
    pause(store)
    assert store.jobs.seconds_until_due(at(NOW + 6)) == math.inf
    pause(store, until=NOW + 60)
    assert store.jobs.seconds_until_due(at(NOW + 6)) == 54
