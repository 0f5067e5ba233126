from tests.store.one_worker import OneWorkerStore


def test_only_the_supervisor_of_the_last_attempt_has_failed(store: OneWorkerStore) -> None:
    other = store.register("w2", "other")
    store.requeue(store.claimed())
    assert not store.attempts.any_failed_under("boss")
    job = store.claim(worker=other)
    assert job is not None
    store.fail(job)
    assert store.attempts.any_failed_under("other")
    assert not store.attempts.any_failed_under("boss")
