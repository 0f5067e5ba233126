"""`jobrunner scan`: new packages are queued, once or as they come."""

import os
import signal

import pytest

from jobrunner.domain.errors import StoreError
from jobrunner.wiring.reloading import watch
from tests.messages import complaint, met_a_bug
from tests.support import BROKEN_ZIP, TestHome, wait_until


def test_new_packages_are_queued_and_counted(home: TestHome) -> None:
    for number in range(3):
        home.package(f"p{number}")
    result = home.jobrunner("scan")
    assert result.returncode == 0
    assert "3 packages" in result.stdout + result.stderr
    assert home.counts()["queued"] == 3
    assert sorted(os.listdir(home.inbox)) == ["p0", "p1", "p2"]


@pytest.mark.parametrize("before", [0, 1])
def test_where_nothing_is_new_it_says_so(home: TestHome, before: int) -> None:
    for number in range(before):
        home.package(f"p{number}")
        home.jobrunner("scan")
    result = home.jobrunner("scan")
    assert (result.returncode, result.stdout, result.stderr) == (0, "Nothing new in the inbox.\n", "")
    assert home.counts()["queued"] == before


def test_a_redelivery_alone_is_not_said_to_be_nothing_or_zero(home: TestHome) -> None:
    home.package("p", beside={"p.zip": BROKEN_ZIP})
    assert home.jobrunner("run", "--drain").returncode == 1
    home.package("p")
    result = home.jobrunner("scan")
    said = result.stdout + result.stderr
    assert "1 package" in said
    assert "delivered again" in said
    assert "0 packages" not in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_watching_it_queues_what_arrives_until_it_is_stopped(home: TestHome, number: signal.Signals, code: int) -> None:
    home.package("early")
    process = home.start("scan", "--watch")
    service = wait_until(lambda: (home.path / "jobrunner.db").exists() and home.open())
    wait_until(lambda: service.store.jobs.find("early"))
    home.package("late")
    wait_until(lambda: service.store.jobs.find("late"))
    process.send_signal(number)
    _, said = process.communicate(timeout=10)
    assert process.returncode == code
    assert not met_a_bug(said)
    assert home.counts()["queued"] == 2


def test_watching_it_says_once_that_the_inbox_is_gone_and_goes_on_when_it_is_back(home: TestHome) -> None:
    process = home.start("scan", "--watch")
    home.package("early")
    service = wait_until(lambda: (home.path / "jobrunner.db").exists() and home.open())
    wait_until(lambda: service.store.jobs.find("early"))
    home.inbox.rename(home.path / "away")
    assert process.stderr is not None
    lines = [process.stderr.readline() for _ in range(2)]
    assert "inbox" in lines[-1], lines
    home.package("late", folder=home.path / "away")
    (home.path / "away").rename(home.inbox)
    wait_until(lambda: service.store.jobs.find("late"))
    process.terminate()
    assert "Errno" not in lines[-1] + process.communicate(timeout=10)[1]


def test_while_it_watches_no_database_is_upgraded_or_rebuilt(home: TestHome) -> None:
    home.package("p")
    process = home.start("scan", "--watch")
    service = wait_until(lambda: (home.path / "jobrunner.db").exists() and home.open())
    wait_until(lambda: service.store.jobs.find("p"))
    service.store.database.execute("PRAGMA user_version = 1")
    assert "still runs on this home" in complaint(home.jobrunner("status"), code=1)
    (home.path / "jobrunner.db").unlink()
    assert "jobrunner runs in this home" in complaint(home.jobrunner("check", "--rebuild"), code=1)
    process.terminate()
    process.communicate(timeout=10)
    assert os.listdir(home.work / ".workers") == []
    assert home.jobrunner("check", "--rebuild").returncode == 0


def test_a_scanner_that_is_older_than_the_database_by_now_does_not_start(home: TestHome) -> None:
    service = home.open()
    ((version),) = service.store.database.rows("PRAGMA user_version")
    service.store.database.execute(f"PRAGMA user_version = {version['user_version'] + 1}")
    with pytest.raises(StoreError, match="made by a newer jobrunner"):
        watch(service, lambda trouble: None)
    assert os.listdir(home.work / ".workers") == []
