import apsw
import pytest

from jobrunner.linux.processes import Process
from jobrunner.store.database import Database
from jobrunner.store.workers import WorkerRecord, Workers

ONE, OTHER = Process(11, 1000, "a-boot"), Process(12, 2000, "a-boot")


@pytest.fixture
def workers(database: Database) -> Workers:
    return Workers(database)


def test_a_worker_is_alive_to_the_store_until_its_end_is_recorded(database: Database, workers: Workers) -> None:
    with database.write():
        first = workers.register("one", "boss", ONE, 100.0)
        second = workers.register("two", "boss", OTHER, 101.0)
    assert workers.not_ended() == [
        WorkerRecord(first, "one", "boss", ONE, None),
        WorkerRecord(second, "two", "boss", OTHER, None),
    ]
    with database.write():
        assert workers.end(first, 102.0)
    assert workers.not_ended() == [WorkerRecord(second, "two", "boss", OTHER, None)]


def test_an_end_is_recorded_once(database: Database, workers: Workers) -> None:
    with database.write():
        worker = workers.register("one", "boss", ONE, 100.0)
        assert workers.end(worker, 102.0)
        assert not workers.end(worker, 200.0)
        assert not workers.end(worker + 1, 200.0)
    assert database.row("SELECT started_at, ended_at FROM workers") == {"started_at": 100.0, "ended_at": 102.0}


def test_a_token_names_one_worker_even_after_its_end(database: Database, workers: Workers) -> None:
    with database.write():
        workers.end(workers.register("one", "boss", ONE, 100.0), 101.0)
    with pytest.raises(apsw.ConstraintError), database.write():
        workers.register("one", "boss", OTHER, 102.0)
