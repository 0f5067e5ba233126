import math

from jobrunner.domain.job import Job, PrunedAt
from jobrunner.store.old_jobs import OldJob
from tests.store.one_worker import NOW, OneWorkerStore


def done(store: OneWorkerStore, *names: str, at: float = NOW) -> list[Job]:
    return [store.complete(store.claimed(name), at) for name in names]


def old(
    store: OneWorkerStore,
    last: OldJob | None = None,
    most: int = 100,
    *,
    attempts_before: float = math.inf,
    logs_before: float = math.inf,
) -> list[OldJob]:
    return store.old_jobs.after(last, most, attempts_before=attempts_before, logs_before=logs_before)


def prune(store: OneWorkerStore, job: OldJob, *, logs: bool = True, now: float = NOW + 100) -> bool:
    with store.write():
        return store.old_jobs.prune(job, now, logs=logs)


def test_only_what_is_done_is_ever_old(store: OneWorkerStore) -> None:
    done(store, "done")
    store.fail(store.claimed("failed"))
    waiting = store.claimed("waiting")
    store.claimed("running")
    store.requeue(waiting)
    store.enqueue("queued")
    assert [job.name for job in old(store)] == ["done"]


def test_the_next_ones_follow_the_last_also_where_many_were_done_at_once(store: OneWorkerStore) -> None:
    names = [f"p{number}" for number in range(7)]
    done(store, *names[:5])
    done(store, *names[5:], at=NOW + 1)
    found: list[str] = []
    last = None
    while batch := old(store, last, 2):
        found += [job.name for job in batch]
        last = batch[-1]
    assert found == names


def test_attempts_and_logs_have_ages_of_their_own(store: OneWorkerStore) -> None:
    done(store, "early", at=NOW)
    done(store, "late", at=NOW + 10)
    found = old(store, attempts_before=NOW + 5, logs_before=NOW + 20)
    assert [(job.name, job.attempts, job.may_have_logs) for job in found] == [("early", 1, True), ("late", 0, True)]
    assert old(store, attempts_before=NOW, logs_before=-math.inf) == []


def test_what_is_pruned_is_not_old_any_more_and_what_is_left_of_it_stays(store: OneWorkerStore) -> None:
    (job,) = done(store, "p")
    (found,) = old(store)
    assert prune(store, found, logs=False)
    assert store.attempts.of_job(job) == []
    assert store.get(job) == job
    assert store.old_jobs.pruned_at(job) == PrunedAt(attempts=NOW + 100)
    (found,) = old(store)
    assert (found.attempts, found.may_have_logs) == (0, True)
    assert prune(store, found, now=NOW + 200)
    assert store.old_jobs.pruned_at(job) == PrunedAt(attempts=NOW + 100, logs=NOW + 200)
    (found,) = old(store)
    assert (found.attempts, found.may_have_logs) == (0, False)


def test_a_job_that_is_to_be_done_again_is_left_alone(store: OneWorkerStore) -> None:
    (job,) = done(store, "p")
    (found,) = old(store)
    with store.write():
        store.database.execute("UPDATE jobs SET state = 'queued', finished_at = NULL")
    assert not prune(store, found)
    assert len(store.attempts.of_job(job)) == 1
    again = store.claim()
    assert again is not None
    store.complete(again, NOW + 300)
    assert not prune(store, found)
    assert len(store.attempts.of_job(job)) == 2


def test_what_was_pruned_and_done_again_is_old_again(store: OneWorkerStore) -> None:
    done(store, "p")
    prune(store, *old(store))
    with store.write():
        store.database.execute("UPDATE jobs SET state = 'queued', finished_at = NULL")
    again = store.claim()
    assert again is not None
    store.complete(again, NOW + 300)
    assert [(job.attempts, job.may_have_logs) for job in old(store)] == [(1, True)]
