import os
import re

from jobrunner.domain.job import Adopted, Identity, State
from jobrunner.domain.moment import Moment
from jobrunner.store.statements import statements
from tests.store.one_worker import AGAIN, NOW, OneWorkerStore, at


def test_untried_are_those_that_no_attempt_has_been_made_at(store: OneWorkerStore) -> None:
    assert store.jobs.untried_names() == []
    store.requeue(store.claimed("waits"), AGAIN._replace(delay=10.0))
    store.requeue(store.claimed("tried"))
    names = [os.fsdecode(b"\xff\xfe"), "new\nline", "数据", "n" * 251]
    store.enqueue(*names)
    assert sorted(store.jobs.untried_names()) == sorted(names)


def test_more_names_than_one_batch_are_looked_up(store: OneWorkerStore) -> None:
    names = [f"p{number}" for number in range(1200)]
    store.enqueue(*names)
    known = store.jobs.known([*names, "other"])
    assert set(known) == set(names)
    assert all(known[name].id == number for number, name in enumerate(names, 1))


def test_counts_are_disjoint(store: OneWorkerStore) -> None:
    store.complete(store.claimed("done"))
    store.fail(store.claimed("failed"))
    store.requeue(store.claimed("waiting"), AGAIN._replace(delay=10.0))
    running = store.claimed("running")
    store.enqueue("q1", "q2")
    assert store.jobs.counts(at(NOW)) == {"queued": 2, "waiting": 1, "running": 1, "done": 1, "failed": 1}
    assert store.jobs.counts(at(NOW + 10)) == {"queued": 3, "waiting": 0, "running": 1, "done": 1, "failed": 1}
    (entry,) = store.jobs.running(Moment(wall=0, steady=NOW + 5))
    assert (entry.job, entry.worker_pid, entry.started_at, entry.seconds) == (running, 11, NOW, 5)


def test_done_jobs_are_counted_though_most_of_them_only_once_in_five_minutes(store: OneWorkerStore) -> None:
    """What was done within the last minute before the count is counted each time, and what is older is remembered."""

    def done(seconds: float) -> int:
        return store.jobs.counts(at(NOW + seconds))["done"]

    for number, seconds in enumerate((-1000.0, -60.0, -59.0, 0.0)):
        store.complete(store.claimed(f"p{number}"), now=NOW + seconds)
    assert done(0) == 4
    store.complete(store.claimed("later"), now=NOW + 10)
    store.complete(store.claimed("committed late"), now=NOW - 30)
    assert done(10) == 6
    with store.write():
        for name, seconds in (("old", -500.0), ("of just then", -60.0), ("new", -59.0)):
            identity = Identity.plain(name)
            assert store.adoption.adopt(Adopted(identity, State.DONE, 1, NOW + seconds, NOW + seconds))
    assert done(20) == done(299) == 7, "of what is adopted, the older ones are not counted yet"
    assert store.jobs.done_within(1000.0, at(NOW + 20)) == 8, "what asks for a time counts them"
    store.complete(store.claimed("at last"), now=NOW + 299)
    assert done(299) == 8
    assert done(300) == 10
    assert done(301) == 10


def test_done_jobs_are_all_counted_again_where_the_clock_is_before_the_last_count(store: OneWorkerStore) -> None:
    store.complete(store.claimed("first"), now=NOW - 100)
    assert store.jobs.counts(at(NOW))["done"] == 1
    store.complete(store.claimed("second"), now=NOW - 100)
    assert store.jobs.counts(Moment(wall=NOW, steady=NOW))["done"] == 1
    assert store.jobs.counts(Moment(wall=NOW, steady=NOW - 1))["done"] == 2


def test_a_job_is_pending_until_it_has_ended(store: OneWorkerStore) -> None:
    assert not store.jobs.any_pending()
    job = store.claimed()
    assert store.jobs.any_pending()
    store.requeue(job, AGAIN._replace(delay=10.0))
    assert store.jobs.any_pending()
    again = store.claim(NOW + 10)
    assert again is not None
    store.fail(again)
    assert not store.jobs.any_pending()


def test_failed_jobs_are_listed_newest_first(store: OneWorkerStore) -> None:
    for number, name in enumerate("abc"):
        store.fail(store.claimed(name), now=NOW + number)
    assert [job.name for job in store.jobs.failed()] == ["c", "b", "a"]
    assert [job.name for job in store.jobs.failed(2)] == ["c", "b"]


def test_waiting_jobs_are_listed_next_first(store: OneWorkerStore) -> None:
    for name, delay in (("a", 30.0), ("b", 10.0), ("c", 20.0)):
        store.requeue(store.claimed(name), AGAIN._replace(delay=delay))
    assert [job.name for job in store.jobs.waiting(2)] == ["b", "c"]


def test_ahead_of_a_job_are_those_that_are_claimed_before_it(store: OneWorkerStore) -> None:
    waiting = store.requeue(store.claimed("waits"), AGAIN._replace(delay=10.0))
    store.enqueue("a", "b", "c")
    back = store.claim()
    assert back is not None
    store.requeue(back, AGAIN._replace(to_back=True))  # to the place of the next new one
    store.enqueue("d")
    order = [store.jobs.find(name) for name in ("b", "c", "a", "d")]
    assert [store.jobs.ahead_of(job, at(NOW + 9)) for job in order if job] == [0, 1, 2, 3]
    assert [store.jobs.ahead_of(job, at(NOW + 10)) for job in order if job] == [1, 2, 3, 4]
    assert store.jobs.ahead_of(waiting, at(NOW + 10)) == 0
    claimed = [store.claim(NOW + 10) for _ in range(5)]
    assert [job.name for job in claimed if job] == ["waits", "b", "c", "a", "d"]


def test_near_a_name_are_those_that_look_like_it_its_neighbours_and_the_newest(store: OneWorkerStore) -> None:
    store.enqueue("Tuesday", *(f"scan-{number:03}" for number in range(100)), os.fsdecode(b"z\xff"), "x", "y")
    near = store.jobs.near("scan-050a", 2)
    assert sorted(near) == sorted(["scan-049", "scan-050", "scan-051", "scan-052", "x", "y"])
    assert "Tuesday" in store.jobs.near("tuesday", 2)
    assert os.fsdecode(b"z\xff") in store.jobs.near("z", 1)


def test_what_is_asked_to_explain_a_name_is_found_on_an_index(store: OneWorkerStore) -> None:
    parameters = {"id": 1, "now": NOW, "name": b"p", "likeness": b"p", "most": 2, "names": "[]"}
    plans = {
        name: [
            row["detail"] for row in store.database.rows(f"EXPLAIN QUERY PLAN {statements('jobs')[name]}", parameters)
        ]
        for name in ("ahead", "near", "known", "by_id", "by_name")
    }
    scanned = {name: [step for step in plan if "SCAN jobs" in step] for name, plan in plans.items()}
    assert scanned == {"ahead": [], "near": ["SCAN jobs"], "known": [], "by_id": [], "by_name": []}
    assert "(SELECT name FROM jobs ORDER BY id DESC LIMIT :most)" in statements("jobs")["near"]  # that scan
    assert sum("jobs_ready" in step for step in plans["ahead"]) == 2


def test_claiming_and_asking_for_what_is_queued_use_the_index_of_what_is_ready(store: OneWorkerStore) -> None:
    plans = {
        name: " ".join(
            row["detail"]
            for row in store.database.rows(
                f"EXPLAIN QUERY PLAN {statements('jobs')[name]}",
                {"now": NOW, "wall": NOW, "horizon": NOW, "worker_id": 1},
            )
        )
        for name in ("claim", "end_waits", "ready", "pending", "untried_names")
    }
    assert "jobs_ready" in plans["claim"]
    assert "CORRELATED" not in plans["claim"], "whether there is a pause is looked up once"
    assert "jobs_ready" in plans["untried_names"]
    assert "jobs_waiting" in plans["end_waits"]
    for name, plan in plans.items():
        assert "SCAN jobs USING" in plan or "SCAN jobs" not in plan, f"{name}: {plan}"


def test_the_oldest_is_what_has_been_in_the_queue_for_the_longest(store: OneWorkerStore) -> None:
    assert store.jobs.oldest() is None
    interrupted = store.claimed("interrupted", NOW)
    store.enqueue("second", "third")
    store.requeue(interrupted, AGAIN._replace(delay=None), now=NOW + 50)  # to its place in front
    oldest = store.jobs.oldest()
    assert oldest is not None
    assert (oldest.job.name, oldest.since) == ("second", NOW)
    while job := store.claim(NOW + 60):
        last = job
    store.fail(last, now=NOW + 70)
    with store.write():
        store.queue.retry(last, NOW + 80)
    oldest = store.jobs.oldest()
    assert oldest is not None
    assert (oldest.job.name, oldest.since) == ("third", NOW + 80)


def test_what_is_told_of_many_jobs_is_found_on_an_index(store: OneWorkerStore) -> None:
    for name in ("oldest", "foremost", "failed", "waiting", "running", "lookalikes", "done_between", "failed_between"):
        sql = statements("jobs")[name]
        rows = store.database.rows(f"EXPLAIN QUERY PLAN {sql}", dict.fromkeys(re.findall(r":(\w+)", sql)))
        plan = [row["detail"] for row in rows]
        assert not [step for step in plan if re.match("SCAN (jobs|attempts)", step) and "INDEX" not in step], plan


def test_failures_are_counted_in_a_span(store: OneWorkerStore) -> None:
    for number in range(4):
        store.fail(store.claimed(f"p{number}"), now=NOW + number)
    assert store.jobs.failed_within(1.5, at(NOW + 2)) == 2
