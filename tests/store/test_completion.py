import os
from collections.abc import Iterable

from jobrunner.domain.job import State
from jobrunner.store.completion import names_from
from tests.store.one_worker import OneWorkerStore

EVERY = frozenset(State)


def queue(store: OneWorkerStore, names: Iterable[str]) -> None:
    with store.write():
        store.queue.enqueue(list(names), 1000.0)


def fail(store: OneWorkerStore, *names: str) -> None:
    with store.write():
        for at, name in enumerate(names):
            store.database.execute(
                "UPDATE jobs SET state = 'failed', attempt = 1, error = 'why', verdict = 'failed', finished_at = :at"
                " WHERE name = :name",
                {"name": os.fsencode(name), "at": float(at)},
            )


def test_names_that_begin_so_come_in_their_order(store: OneWorkerStore) -> None:
    queue(store, ["b-2", "a-1", "b-1", "b", "c", "b\udcff"])
    assert names_from(store.database, "b", EVERY, 50) == ["b", "b-1", "b-2", "b\udcff"]
    assert names_from(store.database, "", EVERY, 50) == ["a-1", "b", "b-1", "b-2", "b\udcff", "c"]
    assert names_from(store.database, "d", EVERY, 50) == []
    assert names_from(store.database, "*", EVERY, 50) == []


def test_of_too_many_the_last_one_is_told_so_that_a_shell_adds_no_letter_too_much(store: OneWorkerStore) -> None:
    queue(store, [f"scan-{number:04}" for number in range(1200)])
    found = names_from(store.database, "scan", EVERY, 50)
    assert (len(found), found[0], found[-1]) == (50, "scan-0000", "scan-1199")
    assert [name[5] for name in found] == ["0"] * 49 + ["1"], "they have no more in common than all of them"


def test_only_names_in_the_states_that_are_asked_for_come(store: OneWorkerStore) -> None:
    queue(store, ["a", "b", "c"])
    fail(store, "b")
    assert names_from(store.database, "", {State.FAILED}, 50) == ["b"]
    assert names_from(store.database, "", {State.QUEUED, State.RUNNING}, 50) == ["a", "c"]
    assert names_from(store.database, "", {State.DONE}, 50) == []


def test_few_in_a_state_are_found_among_many_names(store: OneWorkerStore) -> None:
    names = [f"scan-{number:04}" for number in range(400)]
    queue(store, names)
    fail(store, names[200], names[201], names[202])
    assert names_from(store.database, "scan", {State.FAILED}, 50, look=2) == names[201:203], "the newest"
    assert names_from(store.database, "scan-020", {State.FAILED}, 50, look=5) == names[200:203], "the first"
    assert set(names_from(store.database, "scan", {State.QUEUED}, 50, look=2)) == {*names[:2], *names[-2:]}
