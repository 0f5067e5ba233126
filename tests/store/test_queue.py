import os
from collections.abc import Callable

import apsw
import pytest

from jobrunner.domain.errors import ClaimLost
from jobrunner.domain.job import Job, Outcome, State
from jobrunner.domain.moment import Moment
from jobrunner.domain.retry import Decision
from jobrunner.store.queue import Queue
from tests.store.one_worker import AGAIN, MAX_WAIT, NOW, TIMINGS, OneWorkerStore, at


def test_known_names_are_not_queued_again_whatever_their_state(store: OneWorkerStore) -> None:
    assert store.enqueue("a", "b", "a") == 2
    job = store.claim()
    assert job is not None
    before = store.content()
    assert store.enqueue("b", "a") == 0
    assert store.content() == before
    store.complete(job)
    assert store.enqueue("a", "c") == 1


def test_names_that_are_not_utf8_are_kept_as_they_are(store: OneWorkerStore) -> None:
    names = [os.fsdecode(b"\xff\xfe"), "new\nline", "数据", "n" * 251]
    assert store.enqueue(*names) == 4
    assert set(store.jobs.known([*names, "unknown"])) == set(names)
    for name in names:
        found = store.jobs.find(name)
        assert found is not None
        assert found.name == name
    assert store.claim_order() == names


def test_the_oldest_is_claimed_first(store: OneWorkerStore) -> None:
    store.enqueue("z", "a")
    store.enqueue("m")
    assert store.claim_order() == ["z", "a", "m"]


def test_a_claim_starts_the_next_attempt(store: OneWorkerStore) -> None:
    job = store.claimed()
    assert (job.state, job.attempt, job.worker_id) == (State.RUNNING, 1, store.worker)
    assert [(one.number, one.worker_pid, one.started_at, one.outcome) for one in store.attempts.of_job(job)] == [
        (1, 11, NOW, None)
    ]
    store.requeue(job, now=NOW + 5)
    again = store.claim(NOW + 7)
    assert again is not None
    assert (again.id, again.attempt) == (job.id, 2)
    first, second = store.attempts.of_job(again)
    assert (first.outcome, first.error, first.ended_at) == (Outcome.FAILED, "why", NOW + 5)
    assert (second.number, second.started_at, second.outcome) == (2, NOW + 7, None)


def test_nothing_is_claimed_where_nothing_is_ready(store: OneWorkerStore) -> None:
    assert store.claim() is None
    job = store.claimed()
    assert store.claim() is None
    assert store.jobs.held_by(store.worker) == [job]
    assert store.jobs.held_by(store.worker + 1) == []


def test_a_waiting_job_is_not_claimed_before_its_time(store: OneWorkerStore) -> None:
    job = store.requeue(store.claimed(), AGAIN._replace(delay=10.0))
    assert job.not_before_at == NOW + 10
    for now in (NOW, NOW + 9.9):
        assert not store.jobs.any_ready(at(now))
        assert store.claim(now) is None
    assert [one.name for one in store.jobs.waiting(5)] == ["p"]
    assert store.jobs.any_ready(at(NOW + 10))
    again = store.claim(NOW + 10)
    assert again is not None
    assert again.not_before_at is None


def test_a_wait_that_is_over_is_seen_soon_though_others_can_be_claimed(store: OneWorkerStore) -> None:
    waiting = store.requeue(store.claimed("p"), AGAIN._replace(delay=10.0))
    store.enqueue("q", "r", "s")
    claimed = [store.claim(now) for now in (NOW, NOW + 9.9, NOW + 10.1)]
    assert [job and job.name for job in claimed] == ["q", "r", waiting.name]


@pytest.mark.parametrize("jump", [-86400, 86400])
def test_a_wait_is_as_long_as_it_is_whatever_the_wall_clock_does(store: OneWorkerStore, jump: float) -> None:
    store.requeue(store.claimed(), AGAIN._replace(delay=10.0))
    for seconds, ready in ((9.9, False), (10, True)):
        assert store.jobs.any_ready(Moment(NOW + seconds + jump, NOW + seconds)) is ready


def test_a_boot_with_the_clock_set_back_by_a_day_strands_no_waiting_job(store: OneWorkerStore) -> None:
    store.requeue(store.claimed(), AGAIN._replace(delay=10.0))
    yesterday = NOW - 86400
    assert store.jobs.any_ready(at(yesterday))
    assert store.claim(yesterday) is not None


def test_the_longest_wait_is_waited_for(store: OneWorkerStore) -> None:
    store.requeue(store.claimed(), AGAIN._replace(delay=MAX_WAIT))
    assert not store.jobs.any_ready(at(NOW))
    assert store.claim(NOW) is None


def test_a_done_job_keeps_nothing_of_its_failures(store: OneWorkerStore) -> None:
    store.requeue(store.claimed())
    job = store.claim()
    assert job is not None
    assert job.error == "why"
    done = store.complete(job, NOW + 60)
    assert (done.state, done.worker_id, done.finished_at, done.error) == (State.DONE, None, NOW + 60, None)
    last = store.attempts.of_job(done)[-1]
    assert (last.outcome, last.error, last.ended_at) == (Outcome.DONE, None, NOW + 60)
    assert (last.extract_seconds, last.handle_seconds, last.archive_seconds) == (1.0, 2.0, 3.0)
    assert [store.jobs.done_within(60, at(NOW + seconds)) for seconds in (59, 60, 120, 121)] == [0, 1, 1, 0]


def test_a_failed_job_says_why_and_where_its_package_lies(store: OneWorkerStore) -> None:
    job = store.fail(store.claimed(), (os.fsdecode(b"\xff~1"), "error~1.txt"), NOW + 60)
    assert (job.state, job.error, job.finished_at) == (State.FAILED, "bad", NOW + 60)
    assert (job.failed_name, job.error_name) == (os.fsdecode(b"\xff~1"), "error~1.txt")
    assert store.attempts.of_job(job)[-1].outcome is Outcome.REJECTED


def test_a_failed_job_whose_package_is_nowhere_has_no_place(store: OneWorkerStore) -> None:
    job = store.fail(store.claimed(), None)
    assert (job.state, job.failed_name, job.error_name) == (State.FAILED, None, None)


FINISHES: dict[str, Callable[[Queue, Job], None]] = {
    "complete": lambda queue, job: queue.complete(job, TIMINGS, NOW),
    "condemn": lambda queue, job: queue.condemn(job, AGAIN._replace(verdict=Outcome.FAILED), "p", "error.txt"),
    "fail": lambda queue, job: queue.fail(job, Outcome.FAILED, "bad", ("p", "error.txt"), TIMINGS, NOW),
    "fail without a place": lambda queue, job: queue.fail(job, Outcome.FAILED, "bad", None, TIMINGS, NOW),
    "requeue": lambda queue, job: queue.requeue(job, Outcome.FAILED, AGAIN, at(NOW)),
    "requeue to back": lambda queue, job: queue.requeue(job, Outcome.FAILED, AGAIN._replace(to_back=True), at(NOW)),
}


@pytest.mark.parametrize("loss", ["queued", "other worker", "same worker, later attempt", "done", "failed", "no job"])
@pytest.mark.parametrize("finish", FINISHES)
def test_a_finish_by_who_lost_the_claim_changes_nothing(store: OneWorkerStore, finish: str, loss: str) -> None:
    job = store.claimed()
    match loss:
        case "queued":
            store.requeue(job)
        case "other worker":
            store.requeue(job)
            assert store.claim(worker=store.register("w2")) is not None
        case "same worker, later attempt":
            store.requeue(job)
            assert store.claim() is not None
        case "done":
            store.complete(job)
        case "failed":
            store.fail(job)
        case "no job":
            job = job._replace(id=job.id + 1)
    before = store.content()
    with pytest.raises(ClaimLost, match="p"), store.write():
        FINISHES[finish](store.queue, job)
    assert store.content() == before


@pytest.mark.parametrize("finish", FINISHES)
def test_a_finish_needs_its_own_attempt_and_its_own_worker(store: OneWorkerStore, finish: str) -> None:
    job = store.claimed()
    before = store.content()
    for other in (job._replace(attempt=2), job._replace(worker_id=store.register("w2")), job._replace(worker_id=None)):
        with pytest.raises(ClaimLost), store.write():
            FINISHES[finish](store.queue, other)
    assert store.content() == before
    with store.write():
        FINISHES[finish](store.queue, job)
    assert store.content() != before


def test_a_job_that_is_queued_again_keeps_its_place_and_its_budgets(store: OneWorkerStore) -> None:
    store.enqueue("a", "b", "c")
    job = store.claim()
    assert job is not None
    again = store.requeue(job, Decision(1, 2, 3, 4, reason="why"))
    assert (again.state, again.worker_id, again.not_before_at, again.error) == (State.QUEUED, None, None, "why")
    assert (again.failures, again.delays, again.crashes, again.interruptions) == (1, 2, 3, 4)
    assert store.claim_order() == ["a", "b", "c"]


def test_a_job_that_is_sent_to_the_back_lets_all_others_go_first(store: OneWorkerStore) -> None:
    store.enqueue("a", "b", "c")
    job = store.claim()
    assert job is not None
    store.requeue(job, AGAIN._replace(to_back=True))
    store.enqueue("d")
    assert store.claim_order() == ["b", "c", "a", "d"]


def test_two_jobs_that_are_sent_to_the_back_keep_their_order(store: OneWorkerStore) -> None:
    store.enqueue("a", "b", "c")
    first, second = store.claim(), store.claim()
    assert first is not None
    assert second is not None
    store.requeue(first, AGAIN._replace(to_back=True))
    store.requeue(second, AGAIN._replace(to_back=True))
    assert store.claim_order() == ["c", "a", "b"]


def test_a_condemned_job_keeps_its_error_and_its_place_through_a_crash(store: OneWorkerStore) -> None:
    job = store.claimed()
    with store.write():
        store.queue.condemn(
            job, Decision(3, 0, 0, 0, verdict=Outcome.REJECTED, reason="bad data"), "p~1", "error~1.txt"
        )
    condemned = store.get(job)
    assert (condemned.state, condemned.verdict, condemned.error) == (State.RUNNING, Outcome.REJECTED, "bad data")
    again = store.requeue(job, Decision(3, 0, 1, 0, reason="its worker died"))
    assert (again.state, again.verdict, again.error, again.crashes) == (State.QUEUED, Outcome.REJECTED, "bad data", 1)
    assert (again.failed_name, again.error_name) == ("p~1", "error~1.txt")
    assert store.attempts.of_job(again)[-1].error == "its worker died"
    next_try = store.claim()
    assert next_try is not None
    assert next_try.verdict is Outcome.REJECTED
    failed = store.fail(next_try)
    assert (failed.state, failed.verdict) == (State.FAILED, Outcome.REJECTED)


def test_a_crash_can_condemn_a_job_that_has_no_place_yet(store: OneWorkerStore) -> None:
    job = store.requeue(
        store.claimed(), Decision(0, 0, 3, 0, verdict=Outcome.CRASHED, reason="its worker died 3 times")
    )
    assert (job.state, job.verdict, job.error) == (State.QUEUED, Outcome.CRASHED, "its worker died 3 times")
    assert job.failed_name is None
    moving = store.claim()
    assert moving is not None
    with store.write():
        store.queue.fail(moving, Outcome.FAILED, "its worker died 3 times", None, TIMINGS, NOW)
    assert store.get(job).verdict is Outcome.CRASHED


@pytest.mark.parametrize(("verb", "error", "failed_name"), [("retry", "bad", "p"), ("replace", None, None)])
def test_a_failed_job_is_queued_again_behind_all_others_with_new_budgets(
    store: OneWorkerStore, verb: str, error: str | None, failed_name: str | None
) -> None:
    store.requeue(store.claimed(), Decision(1, 1, 1, 1, reason="why"))
    job = store.claim()
    assert job is not None
    failed = store.fail(job)
    store.enqueue("q")
    with store.write():
        assert getattr(store.queue, verb)(failed, NOW)
        assert not getattr(store.queue, verb)(failed, NOW)
    again = store.get(failed)
    assert (again.state, again.finished_at, again.attempt) == (State.QUEUED, None, 2)
    assert (again.failures, again.delays, again.crashes, again.interruptions) == (0, 0, 0, 0)
    assert (again.verdict, again.error, again.failed_name) == (None, error, failed_name)
    assert store.claim_order() == ["q", "p"]


@pytest.mark.parametrize("verb", ["retry", "replace"])
def test_only_a_failed_job_is_retried_or_replaced(store: OneWorkerStore, verb: str) -> None:
    done = store.complete(store.claimed("done"))
    running = store.claimed("running")
    store.enqueue("queued")
    queued = store.jobs.find("queued")
    assert queued is not None
    before = store.content()
    with store.write():
        assert not any(getattr(store.queue, verb)(job, NOW) for job in (done, running, queued))
    assert store.content() == before


WRONG_JOBS = {
    "an unknown state": "UPDATE jobs SET state = 'paused'",
    "running without a worker": "UPDATE jobs SET worker_id = NULL WHERE name = x'72'",
    "queued with a worker": "UPDATE jobs SET worker_id = 1 WHERE name = x'71'",
    "done with a worker": "UPDATE jobs SET worker_id = 1 WHERE name = x'64'",
    "a worker that is unknown": "UPDATE jobs SET worker_id = 99 WHERE name = x'72'",
    "done without an end": "UPDATE jobs SET finished_at = NULL WHERE name = x'64'",
    "failed without an end": "UPDATE jobs SET finished_at = NULL WHERE name = x'66'",
    "queued with an end": "UPDATE jobs SET finished_at = 1 WHERE name = x'71'",
    "running with an end": "UPDATE jobs SET finished_at = 1 WHERE name = x'72'",
    "running without an attempt": "UPDATE jobs SET attempt = 0 WHERE name = x'72'",
    "running and waiting": "UPDATE jobs SET not_before_at = 1 WHERE name = x'72'",
    "failed and waiting": "UPDATE jobs SET not_before_at = 1 WHERE name = x'66'",
    "failed without an error": "UPDATE jobs SET error = NULL WHERE name = x'66'",
    "failed without a verdict": "UPDATE jobs SET verdict = NULL WHERE name = x'66'",
    "done with a verdict": "UPDATE jobs SET verdict = 'failed', error = 'bad' WHERE name = x'64'",
    "a verdict without an error": "UPDATE jobs SET verdict = 'failed' WHERE name = x'72'",
    "done with an error": "UPDATE jobs SET error = 'bad' WHERE name = x'64'",
    "done in the failed folder": "UPDATE jobs SET failed_name = x'64', error_name = 'e' WHERE name = x'64'",
    "a place without our file": "UPDATE jobs SET error_name = NULL WHERE name = x'66'",
    "our file without a place": "UPDATE jobs SET failed_name = NULL WHERE name = x'66'",
    "a verdict that fails nothing": "UPDATE jobs SET verdict = 'later', error = 'bad' WHERE name = x'72'",
    "a negative budget": "UPDATE jobs SET failures = -1",
    "a name twice": "UPDATE jobs SET name = x'71' WHERE name = x'72'",
    "no name": "UPDATE jobs SET name = x'' WHERE name = x'72'",
    "a name with a slash": "UPDATE jobs SET name = x'612f62' WHERE name = x'72'",
    "a name that is too long": "UPDATE jobs SET name = zeroblob(252) WHERE name = x'72'",
    "a name that is text": "UPDATE jobs SET name = 'text' WHERE name = x'72'",
    "a time that is text": "UPDATE jobs SET created_at = 'today'",
    "an attempt that ended without an outcome": "UPDATE attempts SET ended_at = 1 WHERE outcome IS NULL",
    "an attempt with an outcome and no end": "UPDATE attempts SET outcome = 'done' WHERE outcome IS NULL",
    "a done attempt with an error": "UPDATE attempts SET error = 'bad' WHERE outcome = 'done'",
    "a failed attempt without an error": "UPDATE attempts SET error = NULL WHERE outcome = 'rejected'",
    "an unknown outcome": "UPDATE attempts SET outcome = 'odd' WHERE outcome = 'rejected'",
    "a negative length": "UPDATE attempts SET handle_seconds = -1",
    "an attempt of nobody": "UPDATE attempts SET worker_id = 99",
    "an attempt at nothing": "UPDATE attempts SET job_id = 99 WHERE outcome = 'done'",
    "an attempt before the first": "UPDATE attempts SET number = 0",
}


@pytest.mark.parametrize("wrong", WRONG_JOBS)
def test_a_wrong_state_cannot_be_stored(store: OneWorkerStore, wrong: str) -> None:
    store.complete(store.claimed("d"))
    store.fail(store.claimed("f"))
    store.claimed("r")
    store.enqueue("q")
    before = store.content()
    with pytest.raises(apsw.ConstraintError), store.write():
        store.database.execute(WRONG_JOBS[wrong])
    assert store.content() == before


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_can_be_stored(store: OneWorkerStore, outcome: Outcome) -> None:
    job = store.claimed()
    with store.write():
        if outcome is Outcome.DONE:
            store.queue.complete(job, TIMINGS, NOW)
        else:
            store.queue.requeue(job, outcome, AGAIN, at(NOW))
    assert store.attempts.of_job(job)[-1].outcome is outcome


@pytest.mark.parametrize("outcome", Outcome)
def test_a_job_fails_as_one_of_four_outcomes(store: OneWorkerStore, outcome: Outcome) -> None:
    job = store.claimed()
    if outcome in {Outcome.FAILED, Outcome.REJECTED, Outcome.CRASHED, Outcome.CANCELLED}:
        with store.write():
            store.queue.fail(job, outcome, "bad", None, TIMINGS, NOW)
        assert store.get(job).verdict is outcome
    else:
        with pytest.raises(apsw.ConstraintError), store.write():
            store.queue.fail(job, outcome, "bad", None, TIMINGS, NOW)


def test_jobs_in_front_are_claimed_next_in_their_order(store: OneWorkerStore) -> None:
    store.enqueue("a", "b", "c", "d")
    assert front(store, "d", "c") == [True, True]
    assert front(store, "b") == [True]
    assert store.jobs.ahead_of(named(store, "a"), at(NOW)) == 3
    assert store.claim_order() == ["b", "d", "c", "a"]


def test_in_front_of_all_is_also_in_front_of_what_waits_or_runs(store: OneWorkerStore) -> None:
    waiting, running = store.claimed("waiting"), store.claimed("running")
    store.requeue(waiting, AGAIN._replace(delay=10.0))
    store.enqueue("a", "b")
    front(store, "b")
    store.requeue(running, AGAIN._replace(delay=None))  # it was interrupted, and keeps its place
    assert [claimed.name for now in (NOW + 10,) * 4 if (claimed := store.claim(now))] == [
        "b",
        "waiting",
        "running",
        "a",
    ]


def test_what_waits_is_due_at_once_in_front_and_its_failures_stay(store: OneWorkerStore) -> None:
    waiting = store.requeue(store.claimed(), AGAIN._replace(delay=10.0))
    store.enqueue("a")
    assert front(store, "p") == [True]
    assert store.jobs.ahead_of(store.get(waiting), at(NOW)) == 0
    again = store.claim()
    assert again is not None
    assert (again.name, again.failures, again.not_before_at) == ("p", 1, None)


def test_only_what_is_queued_is_put_in_front(store: OneWorkerStore) -> None:
    running = store.claimed("running")
    done = store.complete(store.claimed("done"))
    store.fail(store.claimed("failed"))
    before = [store.get(running), store.get(done)]
    assert front(store, "running", "done", "failed") == [False, False, False]
    assert [store.get(running), store.get(done)] == before


def front(store: OneWorkerStore, *names: str) -> list[bool]:
    with store.write():
        return store.queue.front([named(store, name) for name in names])


def named(store: OneWorkerStore, name: str) -> Job:
    found = store.jobs.find(name)
    assert found is not None
    return found
