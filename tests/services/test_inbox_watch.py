"""The watch of the inbox: what it missed is found, counted and told."""

import os
import shutil
import signal
import threading
import time
import zipfile

import pytest

from jobrunner.domain.envelope import Emit, Envelope
from jobrunner.domain.errors import StoreError
from jobrunner.domain.events import Event, InboxPolled, PackagesMissed
from jobrunner.domain.role import Role
from jobrunner.files.arrivals import Arrivals
from jobrunner.linux.processes import Process
from jobrunner.services.inbox_watch import InboxWatch
from jobrunner.services.intake import SCAN_INTERVAL
from jobrunner.wiring.home import Home
from tests.support import TestHome


class Watched:
    """A watch that is stopped after each look, and what it told."""

    def __init__(self, home: Home) -> None:
        self.events: list[Event] = []
        self.home = home
        self.arrivals = Arrivals(home.folders.inbox)
        emit = Emit(Role.SCANNER, self._hear)
        with home.store.write():
            home.store.runners.begin("token", "run", 1, None, Process.own(), 0.0)
        self.watch = InboxWatch(home.store, home.intake, self.arrivals, lambda: None, emit, "token")

    def _hear(self, envelope: Envelope) -> None:
        self.events.append(envelope.event)

    def look(self) -> None:
        self.watch._scan()

    @property
    def states(self) -> set[str]:
        return set(self.home.store.jobs.known(os.listdir(self.home.folders.inbox)))

    @property
    def missed(self) -> int:
        return self.home.store.runners.all()[0].missed


@pytest.fixture
def watched(home: TestHome) -> Watched:
    watched = Watched(home.open())
    watched.look()
    return watched


def test_what_arrives_is_queued_without_a_look_at_the_rest(home: TestHome, watched: Watched) -> None:
    home.package("here")
    assert watched.arrivals.take() == {"here", ".arriving-0"}  # lost on purpose
    home.package("come")
    watched.look()
    assert watched.states == {"come"}


def test_what_was_missed_is_found_counted_and_told(home: TestHome, watched: Watched) -> None:
    for name in ("a", "b", "c"):
        home.package(name)
    watched.arrivals.take()  # lost on purpose
    home.package("told")
    watched.watch._rescan_at = 0.0
    watched.look()
    assert watched.states == {"a", "b", "c", "told"}
    assert watched.missed == 3
    assert watched.events == [PackagesMissed(3)]
    assert home.status()["runners"][0]["missed"] == 3
    assert "the watch of the inbox missed 3" in home.jobrunner("status").stdout


def test_what_is_written_where_it_lies_is_not_missed(home: TestHome, watched: Watched) -> None:
    (home.inbox / "p").mkdir()
    watched.look()
    assert watched.home.intake.unsettled() == {"p"}
    with zipfile.ZipFile(home.inbox / "p" / "p.zip", "w") as archive:
        archive.writestr("data.txt", "42\n")
    os.utime(home.inbox / "p" / "p.zip", (1, 1))
    watched.watch._rescan_at = 0.0
    watched.look()
    assert watched.missed == 0


def test_an_inbox_that_tells_nothing_is_said_to_once(home: TestHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobrunner.files.arrivals.unsafe", lambda kind: "a network filesystem")
    watched = Watched(home.open())
    for _ in range(2):
        watched.watch._rescan_at = 0.0
        watched.look()
    home.package("p")
    watched.watch._rescan_at = 0.0
    watched.look()
    assert [type(event) for event in watched.events] == [InboxPolled]
    assert watched.states == {"p"}
    assert watched.missed == 0
    assert watched.watch._seconds(5.0) <= SCAN_INTERVAL


def test_an_inbox_that_is_gone_is_looked_for_now_and_then(home: TestHome, watched: Watched) -> None:
    home.inbox.rename(home.path / "elsewhere")
    told: list[str | None] = []
    stopped = {signal.SIGUSR1}
    signal.pthread_sigmask(signal.SIG_BLOCK, stopped)
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    assert watched.watch.run(told.append, stopped) is signal.SIGUSR1
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stopped)
    assert [trouble and trouble.partition(":")[0] for trouble in told] == ["the inbox cannot be scanned"]
    assert 0.5 < watched.watch._seconds(5.0) <= SCAN_INTERVAL
    (home.path / "elsewhere").rename(home.inbox)
    home.package("p")
    watched.watch._rescan_at = 0.0
    watched.look()
    assert watched.states == {"p"}


def test_what_was_told_of_while_the_database_could_not_be_used_is_not_missed(home: TestHome, watched: Watched) -> None:
    home.package("p")
    watched.home.store.close()
    with pytest.raises(StoreError):
        watched.look()
    watched.home.store.open()
    watched.watch._rescan_at = 0.0
    watched.look()
    assert (watched.states, watched.missed) == ({"p"}, 0)


def test_a_duplicate_whose_job_fails_later_was_not_missed(home: TestHome, watched: Watched) -> None:
    home.package("p", {"../escapes": "42\n"})
    watched.look()
    shutil.copytree(home.inbox / "p", home.path / "second")
    assert home.jobrunner("work", "--drain").returncode == 1
    (home.path / "second").rename(home.inbox / "p")
    watched.arrivals.take()  # told of when it came, and held then
    watched.watch._rescan_at = 0.0
    watched.look()
    assert home.counts()["queued"] == 1
    assert not any(isinstance(event, PackagesMissed) for event in watched.events)


def test_whoever_goes_on_changing_something_does_not_keep_it_awake(home: TestHome, watched: Watched) -> None:
    (home.inbox / "mine").mkdir()
    for _ in range(20):
        (home.inbox / "mine").chmod(0o700)
        watched.watch._rest_until = time.monotonic()  # its rest is just over
        watched.look()
    assert 0.5 < watched.watch._rest_until - time.monotonic() <= SCAN_INTERVAL
    assert watched.watch._descriptors() == ()
    home.package("p")
    watched.watch._rest_until = 0.0
    watched.look()
    assert watched.states == {"p"}
    assert watched.watch._descriptors() == watched.arrivals.descriptors
