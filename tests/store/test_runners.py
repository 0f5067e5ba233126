import apsw
import pytest

from jobrunner.domain.status import Deaths
from jobrunner.linux.processes import Process
from jobrunner.store.database import Database
from jobrunner.store.runners import RunnerRecord, Runners

ONE, OTHER = Process(11, 1000, "a-boot"), Process(12, 2000, "a-boot")


@pytest.fixture
def runners(database: Database) -> Runners:
    return Runners(database)


def test_what_goes_on_is_known_until_it_ends(database: Database, runners: Runners) -> None:
    with database.write():
        runners.begin("one", "run", 3, "a state", ONE, 100.0)
        runners.begin("two", "scan", 0, "a state", OTHER, 101.0)
        runners.begin("one", "run", 3, "a state", ONE, 200.0)
    assert runners.all() == [
        RunnerRecord("one", "run", ONE, 100.0, 3, None, "a state", 0),
        RunnerRecord("two", "scan", OTHER, 101.0, 0, None, "a state", 0),
    ]
    with database.write():
        runners.end("one")
        runners.end("never-there")
    assert [runner.token for runner in runners.all()] == ["two"]


def test_deaths_that_follow_each_other_are_counted_together(database: Database, runners: Runners) -> None:
    def deaths(number: int, newest: str, now: float) -> Deaths | None:
        with database.write():
            runners.note_deaths("one", number, newest, now, apart=10)
        return runners.all()[0].deaths

    with database.write():
        runners.begin("one", "work", 2, "a state", ONE, 100.0)
    assert deaths(1, "first", 110.0) == Deaths(1, 110.0, 110.0, "first")
    assert deaths(2, "third", 120.0) == Deaths(3, 110.0, 120.0, "third")
    assert deaths(1, "later", 130.1) == Deaths(1, 130.1, 130.1, "later")


def test_only_what_goes_on_can_be_one(database: Database, runners: Runners) -> None:
    with pytest.raises(apsw.ConstraintError), database.write():
        runners.begin("one", "retry", 1, "a state", ONE, 100.0)
